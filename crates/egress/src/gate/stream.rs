//! What the relay and the gate need of a stream, TCP or unix.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

/// A stream whose readiness the runtime knows.
pub(super) trait Stream: AsFd + Send + Sync {
    /// Waits until it can be read or written.
    fn until(&self, interest: Interest) -> impl Future<Output = io::Result<Ready>> + Send;
    /// Does something that may say it would block; then readiness is waited for anew.
    fn attempt<T>(&self, interest: Interest, act: impl FnOnce() -> io::Result<T>) -> io::Result<T>;
}

impl Stream for TcpStream {
    async fn until(&self, interest: Interest) -> io::Result<Ready> {
        self.ready(interest).await
    }

    fn attempt<T>(&self, interest: Interest, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.try_io(interest, act)
    }
}

impl Stream for UnixStream {
    async fn until(&self, interest: Interest) -> io::Result<Ready> {
        self.ready(interest).await
    }

    fn attempt<T>(&self, interest: Interest, act: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.try_io(interest, act)
    }
}

/// Has the kernel close the connection with a reset (socket(7), `SO_LINGER` of zero): the program
/// gets an error, not the end of an answer.
pub(super) fn reset(stream: impl AsFd) {
    let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
}
