//! The reading of what init says, for fuzz targets. No part of the interface.

use crate::process::Ended;
use crate::protocol::Reply;
use crate::start::{not_started, receive};
use crate::{Command, SpawnError};
use cofferdam_sys::Errno;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// One reply, and what the host makes of it where it is about an end or a failure.
#[derive(Debug)]
pub struct Heard {
    /// As it came.
    pub bytes: Vec<u8>,
    /// What came with it.
    pub fd: Option<OwnedFd>,
    /// How a program ended.
    pub ended: Ended,
    /// Why it did not start.
    pub refused: SpawnError,
}

/// Waits for one reply; `None` at the end of the socket.
///
/// # Errors
/// The host's.
pub fn reply(socket: BorrowedFd<'_>) -> Result<Option<Heard>, Errno> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let Some(answer) = receive(socket, Some(deadline))? else {
        return Ok(None);
    };
    let mut ended = Ended::default();
    ended.fill(&answer.reply);
    Ok(Some(Heard {
        bytes: answer.reply.to_bytes().to_vec(),
        fd: answer.fd,
        ended,
        refused: not_started(&answer.reply),
    }))
}

/// The length of a reply.
pub const REPLY: usize = size_of::<Reply>();

/// What init is sent to start a program.
pub fn request(command: &Command) -> Vec<u8> {
    command.encode(0, true)
}
