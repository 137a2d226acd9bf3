//! Connections that become something else (101 Switching Protocols): from there on bytes are passed
//! on as they are.

use crate::secret::Scrubber;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, copy, split};
use tokio::time::timeout;

/// What is read at once from a server whose bytes are kept free of secrets.
const READ: usize = 16 * 1024;
/// How long such a server may be silent before what is held back is passed on.
const PAUSE: Duration = Duration::from_millis(50);

/// Both sides of a connection that is about to change.
pub(super) struct Upgrade {
    pub client: OnUpgrade,
    pub server: OnUpgrade,
    pub scrubber: Option<Scrubber>,
}

impl Upgrade {
    /// Passes bytes on until both sides have ended.
    pub async fn relay(self) -> io::Result<()> {
        let (client, server) =
            tokio::try_join!(self.client, self.server).map_err(io::Error::other)?;
        let (from_client, to_client) = split(TokioIo::new(client));
        let (from_server, to_server) = split(TokioIo::new(server));
        let up = plain(from_client, to_server);
        match self.scrubber {
            Some(scrubber) => tokio::try_join!(up, scrubbed(from_server, to_client, scrubber)),
            None => tokio::try_join!(up, plain(from_server, to_client)),
        }?;
        Ok(())
    }
}

type Io = TokioIo<Upgraded>;

async fn plain(mut from: ReadHalf<Io>, mut to: WriteHalf<Io>) -> io::Result<()> {
    copy(&mut from, &mut to).await?;
    to.shutdown().await
}

async fn scrubbed(
    mut from: ReadHalf<Io>,
    mut to: WriteHalf<Io>,
    mut scrubber: Scrubber,
) -> io::Result<()> {
    let mut data = vec![0; READ];
    loop {
        let mut next = pin!(from.read(&mut data));
        let read = match timeout(PAUSE, next.as_mut()).await {
            Ok(read) => read?,
            Err(_) => {
                to.write_all(&scrubber.release()).await?;
                next.await?
            }
        };
        if read == 0 {
            to.write_all(&scrubber.finish()).await?;
            return to.shutdown().await;
        }
        to.write_all(&scrubber.chunk(&data[..read])).await?;
    }
}
