//! The ClientHello of TLS (RFC 8446, section 4.1.2; RFC 5246, section 7.4.1.2).
//!
//! What a client may say in a second ClientHello, if the server asks for one, is not seen; the server
//! has to hold it to the first (RFC 8446, section 4.1.2).

use super::MAX_PEEK;
use crate::Host;
use cofferdam_policy::HostName;
use std::collections::BTreeSet;

/// The type of a record that holds handshake messages (RFC 8446, section 5.1).
pub(super) const HANDSHAKE: u8 = 22;

/// The longest record (RFC 8446, section 5.1).
const MAX_RECORD: usize = 1 << 14;

const CLIENT_HELLO: u8 = 1;
const MAX_SESSION_ID: usize = 32;

/// Extensions: the name, protocols, and a hidden ClientHello as RFC 9849 and its first drafts
/// have it.
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
const ENCRYPTED_SERVER_NAME: u16 = 0xffce;

/// What a client says before anything is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The name it asks for (RFC 6066, section 3).
    pub sni: Option<HostName>,
    /// The protocols it speaks, as it prefers them (RFC 7301).
    pub alpn: Vec<Vec<u8>>,
    /// Whether a second ClientHello may be hidden in it (RFC 9849, Encrypted Client Hello), or
    /// noise in its place; the two cannot be told apart.
    pub encrypted: bool,
}

/// It can be read in two ways, or in none.
#[derive(Debug)]
pub(super) struct Malformed;

/// The ClientHello that a connection begins with; nothing while it is not whole.
pub(super) fn read(bytes: &[u8]) -> Result<Option<ClientHello>, Malformed> {
    let mut message = Vec::new();
    let mut rest = bytes;
    loop {
        // Each byte is judged when it is there, so that no more than needed is waited for.
        let [_, _, _, high, low] = match rest {
            [] => return Ok(None),
            [kind, ..] if *kind != HANDSHAKE => return Err(Malformed),
            [_, major, ..] if *major != 3 => return Err(Malformed),
            _ => match rest.first_chunk::<5>() {
                Some(header) => *header,
                None => return Ok(None),
            },
        };
        let record_length = usize::from(u16::from_be_bytes([high, low]));
        if record_length == 0 || record_length > MAX_RECORD {
            return Err(Malformed);
        }
        let record = &rest[5..];
        message.extend(&record[..record_length.min(record.len())]);
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Err(Malformed);
        }
        if let [_, length @ ..] = &message[..]
            && let Some(([a, b, c], body)) = length.split_first_chunk()
        {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if length > MAX_PEEK || body.len() > length {
                return Err(Malformed);
            }
            if body.len() == length {
                return match record.get(record_length..) {
                    // The record says that more handshake messages follow.
                    None => Err(Malformed),
                    Some([HANDSHAKE, ..]) => Err(Malformed),
                    Some(_) => hello(body).map(Some),
                };
            }
        }
        match record.get(record_length..) {
            Some(next) => rest = next,
            None => return Ok(None),
        }
    }
}

fn hello(body: &[u8]) -> Result<ClientHello, Malformed> {
    let mut reader = Reader(body);
    let _version = reader.take(2)?;
    let _random = reader.take(32)?;
    let session_id = reader.short()?;
    let suites = reader.long()?;
    let compressions = reader.short()?;
    if session_id.len() > MAX_SESSION_ID
        || suites.is_empty()
        || suites.len() % 2 != 0
        || compressions.is_empty()
    {
        return Err(Malformed);
    }
    let mut hello = ClientHello::default();
    if reader.0.is_empty() {
        return Ok(hello);
    }
    let mut extensions = Reader(reader.long()?);
    if !reader.0.is_empty() {
        return Err(Malformed);
    }
    let mut seen = BTreeSet::new();
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let data = extensions.long()?;
        if !seen.insert(kind) {
            return Err(Malformed);
        }
        match kind {
            SERVER_NAME => hello.sni = Some(server_name(data)?),
            ALPN => hello.alpn = protocols(data)?,
            ENCRYPTED_CLIENT_HELLO | ENCRYPTED_SERVER_NAME => hello.encrypted = true,
            _ => {}
        }
    }
    Ok(hello)
}

/// One name of the one type that there is. An address is none (RFC 6066, section 3).
fn server_name(data: &[u8]) -> Result<HostName, Malformed> {
    let mut reader = Reader(data);
    let mut list = Reader(reader.long()?);
    let kind = list.take(1)?;
    let name = list.long()?;
    if kind != [0] || !list.0.is_empty() || !reader.0.is_empty() {
        return Err(Malformed);
    }
    let name = str::from_utf8(name).map_err(|_| Malformed)?;
    match Host::parse(name) {
        Ok(Host::Name(name)) => Ok(name),
        _ => Err(Malformed),
    }
}

fn protocols(data: &[u8]) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut reader = Reader(data);
    let mut list = Reader(reader.long()?);
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        match list.short()? {
            [] => return Err(Malformed),
            protocol => protocols.push(protocol.to_vec()),
        }
    }
    match protocols.is_empty() || !reader.0.is_empty() {
        true => Err(Malformed),
        false => Ok(protocols),
    }
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?.try_into().map_err(|_| Malformed)?;
        Ok(u16::from_be_bytes(bytes))
    }

    /// A vector with one byte of length before it.
    fn short(&mut self) -> Result<&'a [u8], Malformed> {
        match self.take(1)? {
            [length] => self.take(usize::from(*length)),
            _ => Err(Malformed),
        }
    }

    /// A vector with two.
    fn long(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u16()?;
        self.take(length.into())
    }
}
