//! The host's side of a terminal for tokio.

use crate::pty::PtySize;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The twin of [`Pty`](crate::Pty): what is written here is typed there, and what the command prints is
/// read here. Reading and writing at the same time: `tokio::io::split`.
#[derive(Debug)]
pub struct Pty {
    side: AsyncFd<Side>,
}

/// Owns its descriptor and never changes it.
#[derive(Debug)]
struct Side(crate::Pty);

impl AsRawFd for Side {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Pty {
    // The safe constructor is deprecated because a type may lie about its descriptor, and the new one
    // is unsafe for that reason.
    #[allow(deprecated)]
    pub(super) fn new(pty: crate::Pty) -> io::Result<Self> {
        // The flag belongs to the open file, so a copy sets it for this one, too; the call behind this
        // method (FIONBIO, ioctl(2)) is not about sockets alone.
        UnixStream::from(pty.as_fd().try_clone_to_owned()?).set_nonblocking(true)?;
        Ok(Self {
            side: AsyncFd::new(Side(pty))?,
        })
    }

    /// Gives the terminal a size; the command gets `SIGWINCH` if it changes.
    ///
    /// # Errors
    /// `EIO` when the terminal has hung up.
    pub fn resize(&self, size: PtySize) -> io::Result<()> {
        self.side.get_ref().0.resize(size)
    }

    /// The size that it has.
    ///
    /// # Errors
    /// `EIO` when the terminal has hung up.
    pub fn size(&self) -> io::Result<PtySize> {
        self.side.get_ref().0.size()
    }
}

impl AsyncRead for Pty {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.side.poll_read_ready(context))?;
            let read = guard.try_io(|side| (&side.get_ref().0).read(buffer.initialize_unfilled()));
            match read {
                Ok(Ok(n)) => {
                    buffer.advance(n);
                    return Poll::Ready(Ok(()));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Pty {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.side.poll_write_ready(context))?;
            match guard.try_io(|side| (&side.get_ref().0).write(bytes)) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(written) => return Poll::Ready(written),
                Err(_would_block) => {}
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// A terminal has no half that could be closed; the end of the input is typed (Ctrl-D).
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsFd for Pty {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.side.get_ref().0.as_fd()
    }
}
