//! Questions and answers, checked with another reader of DNS.

use super::*;
use proptest::prelude::*;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, TYPE, rdata::RData};
use std::net::IpAddr;

fn asked(name: &str, kind: QTYPE, edns: bool) -> Vec<u8> {
    let mut packet = Packet::new_query(0x1234);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(name).unwrap();
    packet
        .questions
        .push(Question::new(name, kind, CLASS::IN.into(), false));
    if edns {
        *packet.opt_mut() = Some(simple_dns::rdata::OPT {
            opt_codes: Vec::new(),
            udp_packet_size: 4096,
            version: 0,
        });
    }
    packet.build_bytes_vec().unwrap()
}

fn query(name: &str, kind: TYPE) -> Query {
    Query::parse(&asked(name, kind.into(), false)).unwrap()
}

fn reply_code(message: &[u8]) -> RCODE {
    let Err(Malformed {
        reply: Some(reply), ..
    }) = Query::parse(message)
    else {
        panic!("{message:?}");
    };
    assert!(reply.len() <= MAX_REPLY);
    let reply = Packet::parse(&reply).unwrap();
    assert!(reply.has_flags(PacketFlag::RESPONSE));
    assert_eq!(reply.id(), 0x1234);
    reply.rcode()
}

#[test]
fn a_question_and_its_answers() {
    for edns in [false, true] {
        let message = asked("WwW.eXample.com", TYPE::A.into(), edns);
        let query = Query::parse(&message).unwrap();
        assert_eq!((query.id, query.record), (0x1234, Record::A));
        assert_eq!(query.name.as_str(), "www.example.com");
        let both: [IpAddr; 2] = ["198.18.0.2".parse().unwrap(), "2001:2::2".parse().unwrap()];
        let reply = query.addresses(&both, 30);
        let reply = Packet::parse(&reply).unwrap();
        assert!(reply.has_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_AVAILABLE));
        assert!(reply.has_flags(PacketFlag::RECURSION_DESIRED));
        assert!(!reply.has_flags(PacketFlag::TRUNCATION));
        assert_eq!(reply.rcode(), RCODE::NoError);
        assert_eq!(reply.opt().is_some(), edns);
        assert_eq!(reply.questions[0].qname.to_string(), "WwW.eXample.com");
        assert_eq!(reply.answers.len(), 1);
        assert_eq!(reply.answers[0].ttl, 30);
        assert_eq!(reply.answers[0].name.to_string(), "WwW.eXample.com");
        assert!(matches!(&reply.answers[0].rdata, RData::A(a) if a.address == 0xc612_0002));
    }
    let reply = query("example.com", TYPE::AAAA).addresses(&["2001:2::2".parse().unwrap()], 1);
    let reply = Packet::parse(&reply).unwrap();
    assert!(
        matches!(&reply.answers[0].rdata, RData::AAAA(a) if a.address == 0x2001_0002 << 96 | 2)
    );
}

#[test]
fn answers_without_addresses() {
    let query = query("example.com", TYPE::HTTPS);
    assert_eq!(query.record.to_string(), "HTTPS");
    for (message, code) in [
        (
            query.addresses(&["198.18.0.2".parse().unwrap()], 1),
            RCODE::NoError,
        ),
        (query.no_data(), RCODE::NoError),
        (query.no_name(), RCODE::NameError),
        (query.failure(), RCODE::ServerFailure),
        (query.refused(), RCODE::Refused),
    ] {
        let reply = Packet::parse(&message).unwrap();
        assert_eq!(reply.rcode(), code);
        assert_eq!((reply.answers.len(), reply.name_servers.len()), (0, 0));
        assert_eq!(reply.questions.len(), 1);
    }
}

#[test]
fn many_addresses_are_cut_to_the_size() {
    let query = query("example.com", TYPE::AAAA);
    let reply = query.addresses(&vec!["2001:2::2".parse().unwrap(); 100], 1);
    assert!(reply.len() <= MAX_REPLY && reply.len() > MAX_REPLY - 64);
    let reply = Packet::parse(&reply).unwrap();
    assert!(reply.has_flags(PacketFlag::TRUNCATION));
}

#[test]
fn localhost_is_local() {
    for name in ["localhost", "LOCALHOST", "a.localhost"] {
        let reply = query(name, TYPE::A).local().unwrap();
        let reply = Packet::parse(&reply).unwrap();
        assert!(matches!(&reply.answers[0].rdata, RData::A(a) if a.address == 0x7f00_0001));
        assert_eq!(
            query(name, TYPE::AAAA).local().unwrap().len(),
            query(name, TYPE::AAAA).no_data().len() + 28
        );
        assert_eq!(
            query(name, TYPE::MX).local(),
            Some(query(name, TYPE::MX).no_data())
        );
    }
    for name in ["notlocalhost", "localhost.example.com"] {
        assert_eq!(query(name, TYPE::A).local(), None);
    }
}

#[test]
fn records_of_any_kind_are_read() {
    let mut message = asked("example.com", TYPE::A.into(), false);
    let end = message.len();
    message[end - 4..end - 2].copy_from_slice(&65_280u16.to_be_bytes());
    let query = Query::parse(&message).unwrap();
    assert_eq!(query.record.to_string(), "TYPE65280");
    assert_eq!(query.no_data()[12..], message[12..]);
}

#[test]
fn what_is_no_question_is_not_answered() {
    let message = asked("example.com", TYPE::A.into(), false);
    for length in 0..12 {
        assert_eq!(Query::parse(&message[..length]).unwrap_err().reply, None);
    }
    let mut answer = message.clone();
    answer[2] |= 0x80;
    assert_eq!(Query::parse(&answer).unwrap_err().reply, None);
    assert!(Query::parse(&message).is_ok());
}

#[test]
fn odd_messages_are_refused() {
    let good = asked("example.com", TYPE::A.into(), true);
    assert!(Query::parse(&good).is_ok());
    let changed = |at: usize, byte: u8| {
        let mut message = good.clone();
        message[at] = byte;
        message
    };
    let class = good.len() - 11 - 1;
    for (message, code) in [
        (changed(2, 0x29), RCODE::NotImplemented), // opcode UPDATE
        (changed(2, 0x09), RCODE::NotImplemented), // opcode IQUERY
        (changed(5, 0), RCODE::FormatError),       // no question
        (changed(5, 2), RCODE::FormatError),       // two
        (changed(7, 1), RCODE::FormatError),       // an answer
        (changed(9, 1), RCODE::FormatError),       // an authority
        (changed(11, 2), RCODE::FormatError),      // two additional records
        (changed(10, 255), RCODE::FormatError),
        (changed(11, 0), RCODE::FormatError), // bytes after the question
        (changed(12, 64), RCODE::FormatError), // an extended label
        (changed(12, 0xc0), RCODE::FormatError), // a pointer
        (changed(class, 3), RCODE::Refused),  // class CH
        (changed(class - 1, 0x80), RCODE::Refused), // mDNS' unicast bit
        (changed(class + 1, 1), RCODE::FormatError), // OPT that is not the root's
        (changed(class + 3, 40), RCODE::FormatError), // no OPT
        (changed(class + 11, 4), RCODE::FormatError), // options that are not there
        (changed(13, 0), RCODE::NameError),
        (changed(13, b'.'), RCODE::NameError),
        (changed(13, 0xff), RCODE::NameError),
        (changed(13, b' '), RCODE::NameError),
    ] {
        assert_eq!(reply_code(&message), code, "{message:?}");
    }
    // EDNS version 1: BADVERS, of which the upper bits are in the OPT record.
    let version = Query::parse(&changed(class + 7, 1))
        .unwrap_err()
        .reply
        .unwrap();
    assert!(version.ends_with(&[0, 0, 41, 4, 0, 1, 0, 0, 0, 0, 0]));
    assert_eq!(version[3] & 0xf, 0);
    let mut long = good.clone();
    long.resize(MAX_QUERY + 1, 0);
    assert_eq!(reply_code(&long), RCODE::FormatError);
    for length in 12..good.len() {
        assert_eq!(reply_code(&good[..length]), RCODE::FormatError, "{length}");
    }
}

#[test]
fn names_are_escaped_for_people() {
    let mut message = asked("example.com", TYPE::A.into(), false);
    message[13..16].copy_from_slice(b".\0\\");
    let malformed = Query::parse(&message).unwrap_err();
    assert_eq!(malformed.name.as_deref(), Some("\\.\\000\\\\mple.com."));
    assert_eq!(malformed.record, Some(Record::A));
}

#[test]
fn the_root_and_overlong_names_are_no_hosts() {
    let message = asked("example.com", TYPE::NS.into(), false);
    let mut root = Packet::parse(&message).unwrap();
    root.questions[0].qname = Name::new("").unwrap();
    assert_eq!(
        reply_code(&root.build_bytes_vec().unwrap()),
        RCODE::NameError
    );
    let label = "a".repeat(61);
    let longest = [label.as_str(); 4].join(".") + ".abc";
    assert!(Query::parse(&asked(&longest, TYPE::A.into(), false)).is_ok());
    let mut long = asked(&longest, TYPE::A.into(), false);
    let at = long.len() - 5;
    long.splice(at..at, [2, b'a', b'a']);
    assert_eq!(reply_code(&long), RCODE::FormatError);
}

#[test]
fn frames() {
    let framed = frame(b"abc");
    assert_eq!(framed, b"\0\x03abc");
    assert_eq!(unframe(b"\0\x03abcd"), Ok(Some((&b"abc"[..], 5))));
    for length in 0..framed.len() {
        assert_eq!(unframe(&framed[..length]), Ok(None));
    }
    assert_eq!(unframe(b"\x04\x00"), Ok(None));
    assert_eq!(unframe(b"\x04\x01"), Err(TooLong(1025)));
}

proptest! {
    #[test]
    fn nothing_panics_and_answers_are_messages(message in proptest::collection::vec(any::<u8>(), 0..600)) {
        let replies = match Query::parse(&message) {
            Ok(query) => vec![query.no_data(), query.no_name()],
            Err(malformed) => malformed.reply.into_iter().collect(),
        };
        for reply in replies {
            prop_assert!(reply.len() <= MAX_REPLY);
            prop_assert_eq!(&reply[..2], &message[..2]);
            prop_assert!(reply[2] & 0x80 != 0);
        }
    }

    #[test]
    fn names_survive(name in "[a-zA-Z0-9_-]{1,63}(\\.[a-zA-Z0-9_-]{1,40}){0,4}\\.[a-z]{2,9}", edns: bool) {
        if let Ok(host) = cofferdam_policy::HostName::parse(&name) {
            let query = Query::parse(&asked(&name, TYPE::A.into(), edns));
            prop_assert_eq!(query.map(|query| query.name), Ok(host));
        }
    }
}
