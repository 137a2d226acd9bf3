//! Sockets made inside for the host to connect, on demand.

use crate::protocol::{self, MAKE, Request};
use crate::start::{Answer, receive};
use crate::supervisor::Control;
use cofferdam_sys::{Errno, fd, socket};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Weak;
use std::time::{Duration, Instant};

/// Makes sockets in the network namespace of a running sandbox, which connect to what listens there. It
/// keeps nothing alive: once the sandbox has ended it makes no more.
#[derive(Clone, Debug)]
pub struct Connector {
    control: Weak<Control>,
}

/// Why [`Connector::socket`] made none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The sandbox has ended.
    #[error("the sandbox has ended: start another")]
    Ended,
    /// The host could not ask.
    #[error("init could not be asked for a socket; raise the limit of open files: {0}")]
    Host(#[source] Errno),
    /// The kernel refused init the socket: `EPERM` where the filter of system calls allows no network,
    /// `EMFILE` at its limit of open files.
    #[error(
        "no socket could be made inside; choose a profile of system calls that allows the network: {0}"
    )]
    Refused(#[source] Errno),
    /// init did not answer.
    #[error("init did not answer within {} s; end the sandbox", PATIENCE.as_secs())]
    Silent,
}

/// How long init, which does one thing at a time and none that waits, gets for its answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Connector {
    pub(crate) fn new(control: Weak<Control>) -> Self {
        Self { control }
    }

    /// A new TCP socket over IPv4 that is not connected (tcp(7)): close-on-exec and non-blocking.
    /// Takes a round trip to init, and waits until a request that is being sent has gone out.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub fn socket(&self) -> Result<OwnedFd, ConnectError> {
        let (ours, theirs) = socket::stream_pair().map_err(ConnectError::Host)?;
        let request = Request {
            kind: MAKE,
            ..Request::default()
        };
        // Held no longer than this: the last to let go of it closes the socket.
        let control = self.control.upgrade().ok_or(ConnectError::Ended)?;
        let until = Instant::now() + PATIENCE;
        control
            .send_whole(&request.to_bytes(), theirs.as_fd(), until)
            .map_err(|errno| match errno.raw() {
                libc::EPIPE | libc::ECONNRESET => ConnectError::Ended,
                libc::ETIMEDOUT => ConnectError::Silent,
                _ => ConnectError::Host(errno),
            })?;
        drop((control, theirs));
        match receive(ours.as_fd(), Some(until)) {
            Ok(Some(Answer { reply, fd })) if reply.kind == protocol::MADE => {
                fd.ok_or(ConnectError::Host(Errno(libc::EMFILE)))
            }
            Ok(Some(Answer { reply, .. })) => Err(ConnectError::Refused(Errno(reply.value))),
            Ok(None) => Err(self.unanswered()),
            Err(Errno(libc::EMSGSIZE)) => Err(ConnectError::Host(Errno(libc::EMFILE))),
            Err(Errno(libc::ETIMEDOUT)) => Err(ConnectError::Silent),
            Err(errno) => Err(ConnectError::Host(errno)),
        }
    }

    /// The answer's socket has closed without a word: init has ended, or could not take it.
    fn unanswered(&self) -> ConnectError {
        let control = self.control.upgrade();
        let quiet = |control: &Control| {
            let socket = control.socket.as_fd();
            fd::wait_readable(socket, Some(Duration::ZERO)) == Ok(false)
        };
        match control.is_some_and(|control| quiet(&control)) {
            true => ConnectError::Refused(Errno(libc::EMFILE)),
            false => ConnectError::Ended,
        }
    }
}
