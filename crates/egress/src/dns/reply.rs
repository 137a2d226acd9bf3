//! Answers.

use super::{Code, EDNS_SIZE, MAX_REPLY, Query, Record};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Flags of a header (RFC 1035, section 4.1.1): an answer, cut short, recursion wanted, recursion had.
const QR: u16 = 0x8000;
const TC: u16 = 0x0200;
const RD: u16 = 0x0100;
const RA: u16 = 0x0080;
const OPCODE: u16 = 0x7800;
const OPCODE_SHIFT: u32 = 11;

/// How long an answer for `localhost` may be kept, in seconds: it never changes.
const LOCAL_TTL: u32 = 86_400;

/// The name of the question, as a pointer to it (RFC 1035, section 4.1.4): it follows the header.
const QUESTION: [u8; 2] = [0xc0, 12];

/// The bytes of an OPT record without options.
const OPT: usize = 11;

impl Query {
    /// Those of the addresses that the question is about (A or AAAA), to be kept for `ttl` seconds;
    /// as [`Query::no_data`] where none is.
    pub fn addresses(&self, addresses: &[IpAddr], ttl: u32) -> Vec<u8> {
        let of_kind: Vec<IpAddr> = addresses
            .iter()
            .copied()
            .filter(|address| match self.record {
                Record::A => address.is_ipv4(),
                Record::Aaaa => address.is_ipv6(),
                Record::Other(_) => false,
            })
            .collect();
        self.echo.reply(Code::NoError, &of_kind, ttl)
    }

    /// The name exists and has no such record. There is no SOA record, so nobody keeps the answer
    /// (RFC 2308, section 5): the rules may change.
    pub fn no_data(&self) -> Vec<u8> {
        self.echo.reply(Code::NoError, &[], 0)
    }

    /// The name does not exist: NXDOMAIN, which nobody keeps either.
    pub fn no_name(&self) -> Vec<u8> {
        self.echo.reply(Code::NxDomain, &[], 0)
    }

    /// The gate could not find out: SERVFAIL.
    pub fn failure(&self) -> Vec<u8> {
        self.echo.reply(Code::ServFail, &[], 0)
    }

    /// REFUSED.
    pub fn refused(&self) -> Vec<u8> {
        self.echo.reply(Code::Refused, &[], 0)
    }

    /// The answer for `localhost` and names below it (RFC 6761, section 6.3); nothing for others.
    pub fn local(&self) -> Option<Vec<u8>> {
        let name = self.name.as_str();
        if name != "localhost" && !name.ends_with(".localhost") {
            return None;
        }
        let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        Some(self.addresses(&loopback, LOCAL_TTL))
    }
}

/// What an answer repeats of its question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    id: u16,
    flags: u16,
    /// The question as it stands in the message, its letters as they are: resolvers that mix upper
    /// and lower case compare them.
    pub(super) question: Vec<u8>,
    /// Whether there was an OPT record; then there has to be one in the answer.
    pub(super) edns: bool,
}

impl Echo {
    pub(super) fn new(id: u16, flags: u16) -> Self {
        Self {
            id,
            flags,
            question: Vec::new(),
            edns: false,
        }
    }

    pub(super) fn opcode(&self) -> u16 {
        (self.flags & OPCODE) >> OPCODE_SHIFT
    }

    /// An answer of at most [`MAX_REPLY`] bytes; addresses that find no room are left out.
    pub(super) fn reply(&self, code: Code, addresses: &[IpAddr], ttl: u32) -> Vec<u8> {
        let mut records = Vec::new();
        let mut count: u16 = 0;
        let mut cut = 0;
        let room = MAX_REPLY - 12 - self.question.len() - OPT;
        for address in addresses {
            let (kind, data) = match address {
                IpAddr::V4(address) => (1u16, address.octets().to_vec()),
                IpAddr::V6(address) => (28u16, address.octets().to_vec()),
            };
            if records.len() + 12 + data.len() > room {
                cut = TC;
                break;
            }
            records.extend(QUESTION);
            records.extend(kind.to_be_bytes());
            records.extend(1u16.to_be_bytes());
            records.extend(ttl.to_be_bytes());
            records.extend((data.len() as u16).to_be_bytes());
            records.extend(data);
            count += 1;
        }
        let code = code as u16;
        let flags = QR | RA | cut | self.flags & (OPCODE | RD) | code & 0xf;
        let questions = u16::from(!self.question.is_empty());
        let mut message = Vec::with_capacity(MAX_REPLY);
        for field in [self.id, flags, questions, count, 0, self.edns.into()] {
            message.extend(field.to_be_bytes());
        }
        message.extend(&self.question);
        message.extend(records);
        if self.edns {
            let [.., upper] = (code >> 4).to_be_bytes();
            message.extend([0, 0, 41]);
            message.extend(EDNS_SIZE.to_be_bytes());
            message.extend([upper, 0, 0, 0, 0, 0]);
        }
        message
    }
}
