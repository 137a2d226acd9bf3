//! The messages read back by their lengths, and their contents against what nft(8) and ip(8) send.

use super::*;

const V4: Redirect = Redirect {
    port: 53,
    ipv6: false,
};
const BOTH: Redirect = Redirect { ipv6: true, ..V4 };

struct Message<'a> {
    kind: u16,
    flags: i32,
    sequence: u32,
    body: &'a [u8],
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn read(messages: &Messages) -> Vec<Message<'_>> {
    let (mut rest, mut found) = (&messages.bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = u32_at(rest, 0) as usize;
        assert!(length >= HEADER && length.is_multiple_of(4) && length <= rest.len());
        found.push(Message {
            kind: u16_at(rest, 4),
            flags: i32::from(u16_at(rest, 6)),
            sequence: u32_at(rest, 8),
            body: &rest[HEADER..length],
        });
        rest = &rest[length..];
    }
    found
}

/// Type without the bit for nesting, and value, of each attribute.
fn attributes(mut rest: &[u8]) -> Vec<(u16, &[u8])> {
    let mut found = Vec::new();
    while !rest.is_empty() {
        let length = usize::from(u16_at(rest, 0));
        let padded = length.next_multiple_of(4);
        assert!(length >= 4 && padded <= rest.len());
        assert!(rest[length..padded].iter().all(|&byte| byte == 0));
        found.push((
            u16_at(rest, 2) & !(libc::NLA_F_NESTED as u16),
            &rest[4..length],
        ));
        rest = &rest[padded..];
    }
    found
}

fn get<'a>(attributes: &[(u16, &'a [u8])], kind: u16) -> &'a [u8] {
    let found: Vec<_> = attributes.iter().filter(|(k, _)| *k == kind).collect();
    assert_eq!(found.len(), 1, "attribute {kind}");
    found[0].1
}

/// An expression as nft(8) prints it with `--debug=netlink`.
fn shown(element: &[u8]) -> String {
    let element = attributes(element);
    let name = get(&element, NFTA_EXPR_NAME);
    let data = attributes(get(&element, NFTA_EXPR_DATA));
    let number = |kind| u32::from_be_bytes(get(&data, kind).try_into().expect("four bytes"));
    let value = |kind| {
        let value = attributes(get(&data, kind));
        let bytes = get(&value, NFTA_DATA_VALUE);
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    match name {
        b"meta\0" => format!("meta {} => {}", number(2), number(1)),
        b"payload\0" => {
            let (base, offset, length) = (number(2), number(3), number(4));
            format!("payload {length}b @ {base} + {offset} => {}", number(1))
        }
        b"cmp\0" => {
            let operation = ["eq", "neq"][number(2) as usize];
            format!("cmp {operation} {} {}", number(1), value(3))
        }
        b"immediate\0" => format!("immediate {} {}", number(1), value(2)),
        b"redir\0" => format!("redir {}", number(1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_family_has_a_table_a_chain_and_two_rules() {
    for (redirect, families) in [
        (V4, &[libc::AF_INET][..]),
        (BOTH, &[libc::AF_INET, libc::AF_INET6]),
    ] {
        let messages = rules(redirect);
        let read = read(&messages);
        let kinds: Vec<u16> = read.iter().map(|message| message.kind).collect();
        let mut expected = vec![0x10];
        families
            .iter()
            .for_each(|_| expected.extend([0xa00, 0xa03, 0xa06, 0xa06]));
        expected.push(0x11);
        assert_eq!(kinds, expected);
        let sequences: Vec<u32> = read.iter().map(|message| message.sequence).collect();
        assert_eq!(sequences, (1..=read.len() as u32).collect::<Vec<_>>());
        // Begin and end are not acknowledged (`nfnetlink_rcv_batch`).
        let wanted = read.iter().filter(|message| message.flags & NLM_F_ACK != 0);
        assert_eq!(wanted.count(), messages.acknowledged);
        assert_eq!(messages.acknowledged, read.len() - 2);
        assert_eq!(read[0].body, [0, 0, 0, 10]);
        for (place, message) in read[1..read.len() - 1].iter().enumerate() {
            assert_eq!(message.body[..4], [families[place / 4] as u8, 0, 0, 0]);
            let expected = match message.kind {
                0xa00 => Makes::Table,
                0xa03 => Makes::Chain,
                _ => Makes::Rule,
            };
            assert_eq!(makes(message.sequence), expected, "{place}");
        }
        assert_eq!(makes(1), Makes::Table);
    }
}

#[test]
fn chains_change_destinations_of_what_processes_send() {
    let messages = rules(V4);
    let read = read(&messages);
    assert_eq!(get(&attributes(&read[1].body[4..]), NFTA_TABLE_NAME), TABLE);
    let chain = attributes(&read[2].body[4..]);
    assert_eq!(get(&chain, NFTA_CHAIN_TABLE), TABLE);
    assert_eq!(get(&chain, NFTA_CHAIN_NAME), CHAIN);
    assert_eq!(get(&chain, NFTA_CHAIN_TYPE), b"nat\0");
    let hook = attributes(get(&chain, NFTA_CHAIN_HOOK));
    assert_eq!(get(&hook, NFTA_HOOK_HOOKNUM), [0, 0, 0, 3]);
    assert_eq!(get(&hook, NFTA_HOOK_PRIORITY), (-100_i32).to_be_bytes());
}

#[test]
fn rules_say_what_is_redirected() {
    let messages = rules(Redirect {
        port: 0x1234,
        ..BOTH
    });
    let read = read(&messages);
    let expressions = |place: usize| -> Vec<String> {
        let rule = attributes(&read[place].body[4..]);
        assert_eq!(get(&rule, NFTA_RULE_TABLE), TABLE);
        assert_eq!(get(&rule, NFTA_RULE_CHAIN), CHAIN);
        let list = attributes(get(&rule, NFTA_RULE_EXPRESSIONS));
        list.iter().map(|(_, element)| shown(element)).collect()
    };
    let v4 = ["payload 1b @ 1 + 16 => 1", "cmp neq 1 7f"];
    let v6 = [
        "payload 16b @ 1 + 24 => 1",
        "cmp neq 1 00000000000000000000000000000001",
    ];
    let tcp = ["meta 16 => 1", "cmp eq 1 06"];
    let udp = [
        "meta 16 => 1",
        "cmp eq 1 11",
        "payload 2b @ 2 + 2 => 1",
        "cmp eq 1 0035",
    ];
    let to = ["immediate 1 1234", "redir 1"];
    assert_eq!(expressions(3), [&v4[..], &tcp, &to].concat());
    assert_eq!(expressions(4), [&v4[..], &udp, &to].concat());
    assert_eq!(expressions(7), [&v6[..], &tcp, &to].concat());
    assert_eq!(expressions(8), [&v6[..], &udp, &to].concat());
}

#[test]
fn every_address_is_local() {
    assert_eq!(routes(V4).acknowledged, 1);
    let messages = routes(BOTH);
    assert_eq!(messages.acknowledged, 2);
    let read = read(&messages);
    let sources = [
        &Ipv4Addr::LOCALHOST.octets()[..],
        &Ipv6Addr::LOCALHOST.octets(),
    ];
    // Family, lengths, table, protocol, scope, type.
    let heads = [
        [2, 0, 0, 0, 255, 4, 254, 2, 0, 0, 0, 0],
        [10, 0, 0, 0, 255, 4, 0, 2, 0, 0, 0, 0],
    ];
    for ((message, source), head) in read.iter().zip(sources).zip(heads) {
        assert_eq!(message.kind, 24);
        assert_eq!(message.body[..12], head);
        let route = attributes(&message.body[12..]);
        assert_eq!(get(&route, libc::RTA_OIF), 1_u32.to_ne_bytes());
        assert_eq!(get(&route, libc::RTA_PREFSRC), source);
    }
}
