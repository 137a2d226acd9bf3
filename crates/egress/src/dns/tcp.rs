//! Messages over TCP: two bytes of length before each (RFC 1035, section 4.2.2).

/// A message is longer than what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a DNS message of {0} bytes; at most {max} are read", max = super::MAX_QUERY)]
pub struct TooLong(pub usize);

/// The message with its length before it.
pub fn frame(message: &[u8]) -> Vec<u8> {
    // An answer is far shorter than 64 KiB; what were longer would be cut, not wrapped round.
    let length = u16::try_from(message.len()).unwrap_or(u16::MAX);
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend(&message[..length.into()]);
    framed
}

/// The first message of what has been read, and how many bytes it and its length take; nothing
/// while it is not whole.
///
/// # Errors
/// [`TooLong`]; the connection cannot go on.
pub fn unframe(bytes: &[u8]) -> Result<Option<(&[u8], usize)>, TooLong> {
    let Some((length, rest)) = bytes.split_first_chunk() else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes(*length));
    if length > super::MAX_QUERY {
        return Err(TooLong(length));
    }
    Ok(rest.get(..length).map(|message| (message, 2 + length)))
}
