//! Values are found in every encoding, however the body is cut.

use super::*;
use data_encoding::{BASE64, BASE64_MIME, BASE64_NOPAD, BASE64URL, HEXLOWER, HEXUPPER};
use proptest::prelude::*;

const CANARY: &[u8] = b"c4n/ry+\"Sp ace\\<&>%=~\xc3\xa9-'end";

fn scrubber(value: &[u8]) -> Scrubber {
    let needles = Arc::new(Needle::all(value));
    Scrubber::new(Needles::of([(value, &needles)].into_iter()), true)
}

fn whole(scrubber: &Scrubber, text: &[u8]) -> Vec<u8> {
    let mut scrubber = scrubber.clone();
    let mut out = scrubber.chunk(text).to_vec();
    out.extend_from_slice(&scrubber.finish());
    out
}

/// Each spelling of a value, and how many of its bytes at each end may stay.
fn spellings(value: &[u8]) -> Vec<(&'static str, Vec<u8>, usize)> {
    let each = |spell: &dyn Fn(u8) -> String| -> Vec<u8> {
        value.iter().flat_map(|b| spell(*b).into_bytes()).collect()
    };
    let some = |spell: &dyn Fn(u8) -> String| -> Vec<u8> {
        let one = |b: &u8| match b.is_ascii_alphanumeric() {
            true => vec![*b],
            false => spell(*b).into_bytes(),
        };
        value.iter().flat_map(one).collect()
    };
    let mut all = vec![
        ("raw", value.to_vec(), 0),
        ("hex", HEXLOWER.encode(value).into_bytes(), 0),
        ("HEX", HEXUPPER.encode(value).into_bytes(), 0),
        ("percent, upper case", each(&|b| format!("%{b:02X}")), 0),
        ("percent, lower case", some(&|b| format!("%{b:02x}")), 0),
        ("json \\u", each(&|b| format!("\\u{b:04x}")), 0),
        ("json \\U", some(&|b| format!("\\u{b:04X}")), 0),
        ("\\x", some(&|b| format!("\\x{b:02x}")), 0),
        ("html decimal", some(&|b| format!("&#{b};")), 0),
        ("html hexadecimal", some(&|b| format!("&#x{b:X};")), 0),
    ];
    for (name, before, after) in [
        ("base64 at 0", "", ""),
        ("base64 at 1", "u", "!"),
        ("base64 at 2", "u:", "!!"),
        ("base64 at 3", "u:p", "\n"),
    ] {
        let mut text = before.as_bytes().to_vec();
        text.extend_from_slice(value);
        text.extend_from_slice(after.as_bytes());
        let wide = (before.len() * 8).div_ceil(6) + 6;
        all.push((name, BASE64.encode(&text).into_bytes(), wide));
        all.push((name, BASE64URL.encode(&text).into_bytes(), wide));
        all.push((name, BASE64_NOPAD.encode(&text).into_bytes(), wide));
        let mime = BASE64_MIME.encode(&text).trim_end().to_owned();
        all.push((name, mime.into_bytes(), wide));
        let escaped = BASE64.encode(&text).replace('+', "%2B").replace('/', "%2f");
        all.push((name, escaped.into_bytes(), wide + 6));
    }
    if let Ok(text) = std::str::from_utf8(value) {
        let json = serde_like_json(text);
        all.push(("json", json.clone().into_bytes(), 0));
        all.push(("json with \\/", json.replace('/', "\\/").into_bytes(), 0));
        let form: String = text
            .chars()
            .map(|c| if c == ' ' { "+".into() } else { c.to_string() })
            .collect();
        all.push(("form", form.into_bytes(), 0));
        let html = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', "&#x27;");
        all.push(("html", html.into_bytes(), 0));
        let wide: String = text
            .encode_utf16()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect();
        all.push(("json utf-16", wide.into_bytes(), 0));
    }
    all
}

fn serde_like_json(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

fn assert_gone(name: &str, spelled: &[u8], out: &[u8], filler: u8, wide: usize) {
    let at = out.iter().position(|b| *b == b'[').unwrap_or(0) + 1;
    let inside = &out[at..at + spelled.len()];
    let kept = inside
        .iter()
        .zip(spelled)
        .enumerate()
        .filter(|(index, (new, _))| {
            **new != filler && *index >= wide && *index + wide < spelled.len()
        })
        .count();
    assert_eq!(
        kept,
        0,
        "{name}: {:?} became {:?}",
        String::from_utf8_lossy(spelled),
        String::from_utf8_lossy(inside)
    );
    assert!(inside.iter().filter(|b| **b == filler).count() >= 8.min(spelled.len() - wide));
}

#[test]
fn a_value_is_gone_in_every_spelling() {
    for value in [
        CANARY,
        b"ghp_0123456789abcdef",
        b"\xff\xfe\xfd0123\x80\x81",
        "gr\u{fc}n\u{1f511}key".as_bytes(),
    ] {
        let scrubber = scrubber(value);
        let filler = scrubber.needles.as_ref().unwrap().filler;
        for (name, spelled, wide) in spellings(value) {
            let text = [b"before [".as_slice(), &spelled, b"] after"].concat();
            let out = whole(&scrubber, &text);
            assert_eq!(out.len(), text.len(), "{name}");
            assert!(
                out.starts_with(b"before [") && out.ends_with(b"] after"),
                "{name}"
            );
            assert_gone(name, &spelled, &out, filler, wide);
        }
    }
}

#[test]
fn what_is_almost_a_value_stays() {
    let scrubber = scrubber(b"ghp_0123456789abcdef");
    for text in [
        "ghp_0123456789abcdeg",
        "hp_0123456789abcdef",
        "ghp_0123456789abcde",
        "GHP_0123456789ABCDEF",
        "",
        "%67%68",
    ] {
        assert_eq!(whole(&scrubber, text.as_bytes()), text.as_bytes());
    }
}

#[test]
fn overlapping_values_are_both_overwritten() {
    let values: [&[u8]; 2] = [b"AAAABBBB", b"BBBBCCCCDDDDEEEE"];
    let needles = values.map(|v| Arc::new(Needle::all(v)));
    let pairs = values.into_iter().zip(&needles);
    let scrubber = Scrubber::new(Needles::of(pairs), true);
    let out = whole(&scrubber, b"-AAAABBBBCCCCDDDDEEEE-");
    assert_eq!(out, b"-xxxxxxxxxxxxxxxxxxxx-");
}

#[test]
fn a_server_that_pauses_gets_a_few_bytes_through_and_no_more() {
    let mut scrubber = scrubber(b"ghp_0123456789abcdef");
    assert_eq!(scrubber.chunk(b"hello gh").as_ref(), b"hello ");
    assert_eq!(scrubber.release().as_ref(), b"gh");
    assert_eq!(scrubber.release().as_ref(), b"", "released once");
    assert_eq!(scrubber.chunk(b"p_01234").as_ref(), b"");
    assert_eq!(scrubber.release().as_ref(), b"", "too much of the value");
    // The two bytes are out; of the value that follows none is.
    assert_eq!(
        scrubber.chunk(b"56789abcdef!").as_ref(),
        b"xxxxxxxxxxxxxxxxxx!"
    );
    // The control: what was no value comes out whole.
    assert_eq!(scrubber.chunk(b"gh").as_ref(), b"");
    assert_eq!(scrubber.release().as_ref(), b"gh");
    assert_eq!(scrubber.chunk(b"ost").as_ref(), b"ost");
    assert_eq!(scrubber.finish().as_ref(), b"");
}

fn head(pairs: &[(&str, &str)]) -> http::response::Parts {
    let mut builder = http::Response::builder();
    for (name, value) in pairs {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

#[test]
fn headers_are_gone_over() {
    let scrubber = scrubber(b"ghp_0123456789abcdef");
    let mut parts = head(&[
        ("location", "/?key=ghp_0123456789abcdef&x=1"),
        ("etag", "\"1\""),
    ]);
    scrubber.head(&mut parts).unwrap();
    assert_eq!(parts.headers["location"], "/?key=xxxxxxxxxxxxxxxxxxxx&x=1");
    assert_eq!(parts.headers["etag"], "\"1\"");
    let mut parts = head(&[("x-ghp_0123456789abcdef", "1")]);
    assert!(matches!(
        scrubber.head(&mut parts),
        Err(ScrubError::HeaderName)
    ));
}

#[test]
fn a_compressed_answer_is_refused_where_a_value_was_put_in() {
    let strict = scrubber(b"ghp_0123456789abcdef");
    for (name, value, refused) in [
        ("content-encoding", "gzip", true),
        ("content-encoding", "identity, br", true),
        ("transfer-encoding", "gzip, chunked", true),
        ("content-encoding", "identity", false),
        ("transfer-encoding", "chunked", false),
    ] {
        let result = strict.head(&mut head(&[(name, value)]));
        assert_eq!(
            matches!(result, Err(ScrubError::Encoded)),
            refused,
            "{name}: {value}"
        );
    }
    let mut lenient = strict.clone();
    lenient.strict = false;
    assert!(
        lenient
            .head(&mut head(&[("content-encoding", "gzip")]))
            .is_ok()
    );
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        // Few letters, so that values overlap with themselves and with the text.
        proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'b'), Just(b'%')], 8..14),
        proptest::collection::vec(any::<u8>(), 8..40),
        "[ -~]{8,30}".prop_map(String::into_bytes),
        "[a-z\u{e0}-\u{ff}\u{1f510}-\u{1f520}]{8,12}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn chunks_do_not_matter(
        value in value(),
        pieces in proptest::collection::vec((0usize..32, "[ab%\\\\&u0-9]{0,6}"), 1..6),
        cuts in proptest::collection::vec(0usize..400, 0..12),
    ) {
        let scrubber = scrubber(&value);
        let spelled = spellings(&value);
        let mut text = Vec::new();
        for (index, between) in &pieces {
            text.extend_from_slice(between.as_bytes());
            text.extend_from_slice(&spelled[index % spelled.len()].1);
        }
        let expected = whole(&scrubber, &text);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let mut streamed = scrubber.clone();
        let mut out = Vec::new();
        let mut from = 0;
        for cut in cuts {
            out.extend_from_slice(&streamed.chunk(&text[from..cut]));
            from = cut;
        }
        out.extend_from_slice(&streamed.finish());
        prop_assert_eq!(&out, &expected);
        prop_assert_eq!(out.len(), text.len());
        let filler = scrubber.needles.as_ref().unwrap().filler;
        if !value.contains(&filler) {
            for needle in [value.clone(), HEXLOWER.encode(&value).into_bytes()] {
                prop_assert!(!out.windows(needle.len()).any(|w| w == needle));
            }
        }
    }

    #[test]
    fn text_without_the_value_stays(text in proptest::collection::vec(any::<u8>(), 0..600)) {
        let scrubber = scrubber(b"ghp_0123456789abcdef");
        prop_assert_eq!(whole(&scrubber, &text), text);
    }

    #[test]
    fn what_is_held_is_bounded(text in "[ghp_0-9a-f%\\\\u&#;]{0,300}") {
        let mut scrubber = scrubber(b"ghp_0123456789abcdef");
        for byte in text.as_bytes() {
            scrubber.chunk(&[*byte]);
            prop_assert!(scrubber.held.bytes.len() <= 20 * 2 * 10);
        }
    }
}
