//! The messages of a redirect, byte by byte.
//!
//! Sources: netlink(7), rtnetlink(7), and the kernel's `include/uapi/linux/netfilter/nf_tables.h` and
//! `nfnetlink.h`, whose names are used here. Numbers of nf_tables are in network byte order, those of
//! rtnetlink in the machine's.

use super::{Messages, Redirect};
use libc::{NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST};
use std::net::{Ipv4Addr, Ipv6Addr};

/// Table and chain, as `nft list ruleset` shows them.
const TABLE: &[u8] = b"cofferdam\0";
const CHAIN: &[u8] = b"output\0";

/// `lo` is the first interface of every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

/// The port of DNS (RFC 1035, 4.2).
const DNS: u16 = 53;

/// Routes that make every address local.
pub(super) fn routes(redirect: Redirect) -> Messages {
    let mut messages = Messages::default();
    let v4 = Ipv4Addr::LOCALHOST.octets();
    let v6 = Ipv6Addr::LOCALHOST.octets();
    let mut route = |family: i32, scope: u8, source: &[u8]| {
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        messages.add(libc::RTM_NEWROUTE, flags, |body| {
            // rtmsg: family, three lengths and types of the address, which is any, then the rest.
            let table = libc::RT_TABLE_LOCAL;
            body.extend([family as u8, 0, 0, 0, table, libc::RTPROT_STATIC, scope]);
            body.push(libc::RTN_LOCAL);
            body.extend(0_u32.to_ne_bytes());
            attribute(body, libc::RTA_OIF, &LOOPBACK.to_ne_bytes());
            // Without it the source would be the destination itself, and a port could connect to itself.
            attribute(body, libc::RTA_PREFSRC, source);
        });
    };
    route(libc::AF_INET, libc::RT_SCOPE_HOST, &v4);
    if redirect.ipv6 {
        route(libc::AF_INET6, libc::RT_SCOPE_UNIVERSE, &v6);
    }
    messages
}

/// One table for each family, in one transaction. (A table for both needs `CONFIG_NF_TABLES_INET`.)
pub(super) fn rules(redirect: Redirect) -> Messages {
    let mut messages = Messages::default();
    let subsystem = (libc::NFNL_SUBSYS_NFTABLES as u16).to_be();
    let border = |body: &mut Vec<u8>| nfgenmsg(body, libc::AF_UNSPEC, subsystem);
    messages.add(libc::NFNL_MSG_BATCH_BEGIN as u16, NLM_F_REQUEST, border);
    family(&mut messages, redirect.port, Family::V4);
    if redirect.ipv6 {
        family(&mut messages, redirect.port, Family::V6);
    }
    messages.add(libc::NFNL_MSG_BATCH_END as u16, NLM_F_REQUEST, border);
    messages
}

/// What a message of [`rules`] makes, by its place in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Makes {
    /// The transaction or a table.
    Table,
    Chain,
    Rule,
}

pub(super) fn makes(sequence: u32) -> Makes {
    // After the message that begins: table, chain, two rules, for each family.
    match sequence.checked_sub(FIRST + 1).map(|place| place % 4) {
        Some(1) => Makes::Chain,
        Some(2 | 3) => Makes::Rule,
        _ => Makes::Table,
    }
}

/// Sequence number of the first message; 0 stands for none.
const FIRST: u32 = 1;

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

/// Priority of chains that change destinations (`NF_IP_PRI_NAT_DST`).
const PRIORITY: i32 = -100;
/// `NF_INET_LOCAL_OUT`: what processes send.
const LOCAL_OUT: u32 = 3;

fn family(messages: &mut Messages, port: u16, family: Family) {
    let number = match family {
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    messages.nf_tables(libc::NFT_MSG_NEWTABLE, number, |body| {
        attribute(body, NFTA_TABLE_NAME, TABLE);
    });
    messages.nf_tables(libc::NFT_MSG_NEWCHAIN, number, |body| {
        attribute(body, NFTA_CHAIN_TABLE, TABLE);
        attribute(body, NFTA_CHAIN_NAME, CHAIN);
        nested(body, NFTA_CHAIN_HOOK, |hook| {
            attribute(hook, NFTA_HOOK_HOOKNUM, &LOCAL_OUT.to_be_bytes());
            attribute(hook, NFTA_HOOK_PRIORITY, &PRIORITY.to_be_bytes());
        });
        attribute(body, NFTA_CHAIN_TYPE, b"nat\0");
    });
    let mut rule = |matches: &dyn Fn(&mut Vec<u8>)| {
        messages.nf_tables(libc::NFT_MSG_NEWRULE, number, |body| {
            attribute(body, NFTA_RULE_TABLE, TABLE);
            attribute(body, NFTA_RULE_CHAIN, CHAIN);
            nested(body, NFTA_RULE_EXPRESSIONS, |list| {
                not_loopback(list, family);
                matches(list);
                immediate(list, &port.to_be_bytes());
                expression(list, b"redir\0", |data| {
                    attribute(data, NFTA_REDIR_REG_PROTO_MIN, &REGISTER);
                });
            });
        });
    };
    rule(&|list| protocol(list, libc::IPPROTO_TCP));
    rule(&|list| {
        protocol(list, libc::IPPROTO_UDP);
        // The port is the second field of a UDP header (RFC 768).
        payload(list, NFT_PAYLOAD_TRANSPORT_HEADER, 2, 2);
        compare(list, NFT_CMP_EQ, &DNS.to_be_bytes());
    });
}

/// Matches destinations outside of 127.0.0.0/8 and `::1` (RFC 1122, 3.2.1.3; RFC 4291, 2.5.3). Everything
/// is sent over `lo`, so the interface says nothing.
fn not_loopback(list: &mut Vec<u8>, family: Family) {
    match family {
        // The first byte of the destination address (RFC 791, 3.1).
        Family::V4 => {
            payload(list, NFT_PAYLOAD_NETWORK_HEADER, 16, 1);
            compare(list, NFT_CMP_NEQ, &[127]);
        }
        // The destination address (RFC 8200, 3).
        Family::V6 => {
            payload(list, NFT_PAYLOAD_NETWORK_HEADER, 24, 16);
            compare(list, NFT_CMP_NEQ, &Ipv6Addr::LOCALHOST.octets());
        }
    }
}

fn protocol(list: &mut Vec<u8>, protocol: i32) {
    expression(list, b"meta\0", |data| {
        attribute(data, NFTA_META_DREG, &REGISTER);
        attribute(data, NFTA_META_KEY, &NFT_META_L4PROTO.to_be_bytes());
    });
    compare(list, NFT_CMP_EQ, &[protocol as u8]);
}

fn payload(list: &mut Vec<u8>, base: u32, offset: u32, length: u32) {
    expression(list, b"payload\0", |data| {
        attribute(data, NFTA_PAYLOAD_DREG, &REGISTER);
        attribute(data, NFTA_PAYLOAD_BASE, &base.to_be_bytes());
        attribute(data, NFTA_PAYLOAD_OFFSET, &offset.to_be_bytes());
        attribute(data, NFTA_PAYLOAD_LEN, &length.to_be_bytes());
    });
}

fn compare(list: &mut Vec<u8>, operation: u32, with: &[u8]) {
    expression(list, b"cmp\0", |data| {
        attribute(data, NFTA_CMP_SREG, &REGISTER);
        attribute(data, NFTA_CMP_OP, &operation.to_be_bytes());
        nested(data, NFTA_CMP_DATA, |value| {
            attribute(value, NFTA_DATA_VALUE, with);
        });
    });
}

fn immediate(list: &mut Vec<u8>, bytes: &[u8]) {
    expression(list, b"immediate\0", |data| {
        attribute(data, NFTA_IMMEDIATE_DREG, &REGISTER);
        nested(data, NFTA_IMMEDIATE_DATA, |value| {
            attribute(value, NFTA_DATA_VALUE, bytes);
        });
    });
}

fn expression(list: &mut Vec<u8>, name: &[u8], data: impl FnOnce(&mut Vec<u8>)) {
    nested(list, NFTA_LIST_ELEM, |element| {
        attribute(element, NFTA_EXPR_NAME, name);
        nested(element, NFTA_EXPR_DATA, data);
    });
}

impl Messages {
    fn add(&mut self, kind: u16, flags: i32, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut body = Vec::new();
        fill(&mut body);
        let sequence = FIRST + self.count;
        self.count += 1;
        self.acknowledged += usize::from(flags & NLM_F_ACK != 0);
        // nlmsghdr: length, type, flags, sequence, port. Bodies are padded to four bytes already.
        let length = HEADER + body.len();
        self.bytes.extend((length as u32).to_ne_bytes());
        self.bytes.extend(kind.to_ne_bytes());
        self.bytes.extend((flags as u16).to_ne_bytes());
        self.bytes.extend(sequence.to_ne_bytes());
        self.bytes.extend(0_u32.to_ne_bytes());
        self.bytes.append(&mut body);
    }

    fn nf_tables(&mut self, kind: i32, family: i32, fill: impl FnOnce(&mut Vec<u8>)) {
        let kind = (libc::NFNL_SUBSYS_NFTABLES << 8 | kind) as u16;
        let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND;
        self.add(kind, flags, |body| {
            nfgenmsg(body, family, 0);
            fill(body);
        });
    }
}

/// Length of `nlmsghdr`.
const HEADER: usize = 16;

/// nfgenmsg: family, version, resource.
fn nfgenmsg(body: &mut Vec<u8>, family: i32, resource: u16) {
    body.extend([family as u8, libc::NFNETLINK_V0 as u8]);
    body.extend(resource.to_ne_bytes());
}

/// nlattr: length, type, then the value, padded to four bytes (`NLA_ALIGNTO`).
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend((4 + value.len() as u16).to_ne_bytes());
    body.extend(kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

fn nested(body: &mut Vec<u8>, kind: u16, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut value = Vec::new();
    fill(&mut value);
    attribute(body, kind | libc::NLA_F_NESTED as u16, &value);
}

/// `NFT_REG_1`, the one register that is used.
const REGISTER: [u8; 4] = 1_u32.to_be_bytes();

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;
const NFTA_RULE_TABLE: u16 = 1;
const NFTA_RULE_CHAIN: u16 = 2;
const NFTA_RULE_EXPRESSIONS: u16 = 4;
const NFTA_LIST_ELEM: u16 = 1;
const NFTA_EXPR_NAME: u16 = 1;
const NFTA_EXPR_DATA: u16 = 2;
const NFTA_META_DREG: u16 = 1;
const NFTA_META_KEY: u16 = 2;
const NFT_META_L4PROTO: u32 = 16;
const NFTA_PAYLOAD_DREG: u16 = 1;
const NFTA_PAYLOAD_BASE: u16 = 2;
const NFTA_PAYLOAD_OFFSET: u16 = 3;
const NFTA_PAYLOAD_LEN: u16 = 4;
const NFT_PAYLOAD_NETWORK_HEADER: u32 = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER: u32 = 2;
const NFTA_CMP_SREG: u16 = 1;
const NFTA_CMP_OP: u16 = 2;
const NFTA_CMP_DATA: u16 = 3;
const NFT_CMP_EQ: u32 = 0;
const NFT_CMP_NEQ: u32 = 1;
const NFTA_DATA_VALUE: u16 = 1;
const NFTA_IMMEDIATE_DREG: u16 = 1;
const NFTA_IMMEDIATE_DATA: u16 = 2;
const NFTA_REDIR_REG_PROTO_MIN: u16 = 1;

#[cfg(test)]
mod tests;
