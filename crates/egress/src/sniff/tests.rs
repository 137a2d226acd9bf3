//! First bytes: real ones, cut ones, and made-up ones.

use super::*;
use proptest::prelude::*;
use std::sync::Arc;

/// A ClientHello that rustls makes.
fn real(name: &str, alpn: &[&str]) -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = rustls::pki_types::ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

fn vector(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(data)].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &vector(&[&[0][..], &vector(name)].concat()))
}

fn message(extensions: &[u8]) -> Vec<u8> {
    let start = [&[3, 3][..], &[7; 32], &[0], &vector(&[0x13, 0x01]), &[1, 0]].concat();
    let body = [start, vector(extensions)].concat();
    let [_, length @ ..] = (body.len() as u32).to_be_bytes();
    [&[1][..], &length, &body].concat()
}

fn record(message: &[u8]) -> Vec<u8> {
    [&[22, 3, 1][..], &vector(message)].concat()
}

fn hello(extensions: &[u8]) -> Sniff {
    classify(&record(&message(extensions)))
}

fn sni(sniff: Sniff) -> Option<String> {
    match sniff {
        Sniff::Tls(hello) => hello.sni.map(|name| name.as_str().to_owned()),
        sniff => panic!("{sniff:?}"),
    }
}

#[test]
fn real_hellos() {
    let bytes = real("www.example.com", &["h2", "http/1.1"]);
    let Sniff::Tls(hello) = classify(&bytes) else {
        panic!("it is a ClientHello");
    };
    assert_eq!(hello.sni.unwrap().as_str(), "www.example.com");
    assert_eq!(hello.alpn, [b"h2".to_vec(), b"http/1.1".to_vec()]);
    assert!(!hello.encrypted);
    for length in 0..bytes.len() {
        assert_eq!(classify(&bytes[..length]), Sniff::NeedMore, "{length}");
    }
    assert_eq!(sni(classify(&real("192.0.2.1", &[]))), None);
}

#[test]
fn early_data_may_follow_and_other_messages_not() {
    let mut bytes = real("example.com", &[]);
    bytes.extend([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 1]);
    assert_eq!(sni(classify(&bytes)).as_deref(), Some("example.com"));
    let one = message(&server_name(b"example.com"));
    let other = message(&server_name(b"other.test"));
    assert_eq!(sni(classify(&record(&one))).as_deref(), Some("example.com"));
    assert_eq!(
        classify(&record(&[&one[..], &other].concat())),
        Sniff::Malformed
    );
    assert_eq!(
        classify(&[record(&one), record(&other)].concat()),
        Sniff::Malformed
    );
}

#[test]
fn hellos_in_pieces() {
    let whole = message(&server_name(b"example.com"));
    for size in [1, 2, 3, 5, 40] {
        let records: Vec<u8> = whole.chunks(size).flat_map(record).collect();
        assert_eq!(sni(classify(&records)).as_deref(), Some("example.com"));
        for length in 0..records.len() {
            assert_eq!(
                classify(&records[..length]),
                Sniff::NeedMore,
                "{size} {length}"
            );
        }
        let mut broken = records.clone();
        // An alert between the pieces.
        broken.splice(5 + size..5 + size, [21, 3, 1, 0, 2, 1, 0]);
        assert_eq!(classify(&broken), Sniff::Malformed);
    }
    assert_eq!(
        classify(&[record(&whole[..9]), record(&[]), record(&whole[9..])].concat()),
        Sniff::Malformed
    );
}

#[test]
fn names_that_are_none() {
    assert_eq!(
        sni(hello(&server_name(b"Example.COM"))).as_deref(),
        Some("example.com")
    );
    assert_eq!(sni(hello(&[])), None);
    for name in [
        &b""[..],
        b"192.0.2.1",
        b"0x7f.1",
        b"::1",
        b"[::1]",
        b"a\0.example.com",
        b"example.com\0",
        b"ex\xc3\xa4mple.com",
        b"\xff",
        b"*.example.com",
        b"example.com:443",
        b"a b",
        b".",
    ] {
        assert_eq!(hello(&server_name(name)), Sniff::Malformed, "{name:?}");
    }
    let two = [&[0][..], &vector(b"a.test"), &[0], &vector(b"b.test")].concat();
    let other_type = [&[1][..], &vector(b"a.test")].concat();
    let garbage = [&vector(&[&[0][..], &vector(b"a.test")].concat())[..], &[0]].concat();
    for data in [
        vector(&two),
        vector(&other_type),
        garbage,
        vector(&[]),
        vec![],
    ] {
        assert_eq!(hello(&extension(0, &data)), Sniff::Malformed, "{data:?}");
    }
}

#[test]
fn extensions_that_are_none() {
    let name = server_name(b"example.com");
    assert_eq!(hello(&[&name[..], &name].concat()), Sniff::Malformed);
    let padding = extension(21, &[0; 9]);
    assert_eq!(hello(&[&padding[..], &padding].concat()), Sniff::Malformed);
    assert!(sni(hello(&[&padding[..], &name].concat())).is_some());
    assert_eq!(hello(&[&name[..], &[0]].concat()), Sniff::Malformed);
    assert_eq!(hello(&extension(16, &vector(&[]))), Sniff::Malformed);
    assert_eq!(hello(&extension(16, &vector(&[0]))), Sniff::Malformed);
    assert!(matches!(hello(&extension(0xfe0d, &[0])), Sniff::Tls(hello) if hello.encrypted));
}

#[test]
fn what_begins_as_tls_is_tls_or_nothing() {
    let good = record(&message(&server_name(b"example.com")));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        classify(&bytes)
    };
    assert!(matches!(classify(&good), Sniff::Tls(_)));
    assert!(matches!(changed(2, 3), Sniff::Tls(_)));
    assert_eq!(changed(1, 2), Sniff::Malformed);
    assert_eq!(changed(3, 0x41), Sniff::Malformed); // a record of 16 KiB and more
    assert_eq!(changed(5, 2), Sniff::Malformed); // a ServerHello
    assert_eq!(changed(5 + 4 + 34, 200), Sniff::Malformed); // the session's name
    assert_eq!(changed(8, good[8] + 1), Sniff::NeedMore); // a longer message
    assert_eq!(changed(8, good[8] - 1), Sniff::Malformed);
    assert_eq!(classify(b"\x16GET / HTTP/1.1\r\n"), Sniff::Malformed);
    // A hello of which the end never comes.
    let endless = record(&[&[1, 0, 0xff, 0xff][..], &[0; 12_000]].concat());
    assert_eq!(classify(&endless), Sniff::NeedMore);
    let more: Vec<u8> = endless
        .iter()
        .copied()
        .chain(record(&[0; 16_000]).repeat(4))
        .collect();
    assert_eq!(classify(&more[..MAX_PEEK - 1]), Sniff::NeedMore);
    assert_eq!(classify(&more[..MAX_PEEK]), Sniff::Malformed);
}

#[test]
fn http() {
    for text in [
        "GET / HTTP/1.1",
        "\r\n\n \tGET / HTTP/1.1",
        "get\t/\tHTTP/1.1",
        "GET\r/\x0bhttp/1.0",
        "FOO-BAR x HtTp/",
        "!#$ a HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /\r\n",
        "get /\n",
        "GET a\n",
        "GET http://example.com/\n",
        "get HTTPS:x\n",
        "GET /\0",
        "OPTIONS *\n",
        "PRI * HTTP/2.0\r\n\r\nXX",
        " PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:",
    ] {
        assert_eq!(classify(text.as_bytes()), Sniff::Http1, "{text:?}");
    }
    for text in [
        "",
        "\r\n",
        "G",
        "GET",
        "GET ",
        "GET / HTTP",
        "FOO anything at all",
        "PRI * ",
        "  \n",
    ] {
        assert_eq!(classify(text.as_bytes()), Sniff::NeedMore, "{text:?}");
    }
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(classify(preface), Sniff::Http2);
    assert_eq!(
        classify(&[&preface[..], &[0, 0, 0, 4]].concat()),
        Sniff::Http2
    );
    for length in 0..preface.len() {
        assert_eq!(classify(&preface[..length]), Sniff::NeedMore);
    }
    let long = vec![b'a'; MAX_PEEK];
    assert_eq!(classify(&long[1..]), Sniff::NeedMore);
    assert_eq!(classify(&long), Sniff::Malformed);
}

#[test]
fn other_protocols() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.9 comment\r\n"[..],
        b"SSH-2.0-x\r\n",
        b"*1\r\n$4\r\nPING\r\n", // Redis
        b"PING\r\n",
        b"get key\r\n",                          // memcached
        b"\x00\x00\x00\x08\x04\xd2\x16\x2f",     // PostgreSQL, SSLRequest
        b"0033git-upload-pack /a.git\0host=a\0", // git
        b"AMQP\0\0\x09\x01",
        b"\x10\x0c\0\x04MQTT",
        b"\x30\x0c\x02\x01\x01\x60\x07",    // LDAP
        b"CONNECT {\"verbose\":false}\r\n", // NATS
        b"CONNECT\naccept-version:1.2\n",   // STOMP
        b"<stream:stream",
        b"{\"id\": 1}",
        b"EHLO example.com\r\n",
        b"\x80",
    ] {
        assert_eq!(classify(bytes), Sniff::Other, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn more_bytes_change_no_answer(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..80),
            "[ \r\n]{0,3}(GET|get|FOO|PRI)?[ \t]{0,2}[/*a-z\0é]{0,9} ?(HTTP/1.1|http)?[\r\n]{0,2}"
                .prop_map(String::into_bytes),
        ],
        more in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let early = classify(&bytes);
        let late = classify(&[&bytes[..], &more].concat());
        match early {
            Sniff::NeedMore | Sniff::Tls(_) => {}
            early => prop_assert_eq!(early, late),
        }
    }

    #[test]
    fn a_hello_in_any_pieces_is_never_taken_for_something_else(
        name in "[a-z]{1,20}(\\.[a-z]{1,9}){1,3}",
        cuts in proptest::collection::vec(1usize..200, 1..20),
        length in any::<proptest::sample::Index>(),
    ) {
        let whole = real(&name, &["h2"]);
        let mut rest = &whole[5..];
        let mut records = Vec::new();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at((*cut).min(rest.len()));
            records.extend(record(piece));
            rest = after;
        }
        prop_assert_eq!(sni(classify(&records)), Some(name));
        prop_assert_eq!(classify(&records[..length.index(records.len())]), Sniff::NeedMore);
    }

    #[test]
    fn what_a_lenient_server_serves_is_http(
        before in "[ \t\r\n]{0,5}",
        method in "[A-Za-z]{1,10}",
        blanks in "[ \t]{1,3}",
        target in "[!-~]{1,30}",
        version in "(?i)http/[0-9.]{1,3}",
        after in any::<Vec<u8>>(),
    ) {
        let mut bytes = format!("{before}{method}{blanks}{target}{blanks}{version}\r\n").into_bytes();
        for length in 0..bytes.len() {
            prop_assert!(matches!(classify(&bytes[..length]), Sniff::NeedMore | Sniff::Http1));
        }
        bytes.extend(after);
        prop_assert!(matches!(classify(&bytes), Sniff::Http1 | Sniff::Http2));
    }
}
