//! HTTP that is looked into: each request checked, secrets put in, and sent on in one unambiguous
//! form, HTTP/1.1 and HTTP/2 both kept.

mod body;
mod count;
mod fields;
mod forward;
mod refusal;
mod screen;
mod serve;
mod target;
mod tasks;
#[cfg(test)]
pub(crate) mod tests;
mod upgrade;

pub(crate) use count::Totals;
pub(crate) use serve::serve;

use crate::Host;
use crate::decision::Denial;
use crate::secret::Secrets;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What a connection was opened for.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The host.
    pub host: Host,
    /// The TCP port.
    pub port: u16,
    /// Whether TLS was taken off.
    pub tls: bool,
    /// Whether the address that is connected to is the host's loopback.
    pub loopback: bool,
}

/// What is spoken on a connection, on both of its sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// HTTP/1.1 (RFC 9112) and HTTP/1.0.
    Http1,
    /// HTTP/2 (RFC 9113), with prior knowledge where it is in the clear.
    Http2,
}

/// A request that asks to be let through; its authority is already known to be the site's.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The method.
    pub method: String,
    /// The path as it stands in the request, without the query.
    pub path: String,
}

/// Who decides about requests and hears of them.
pub(crate) trait Judge: Send + Sync + 'static {
    /// Decides.
    fn judge(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Result<(), Denial>> + Send + '_>>;
    /// An allowed request is about to be sent on, with these secrets in it. It is not where this fails.
    fn admit(&self, asked: &Asked, secrets: &[String]) -> Result<(), Denial>;
    /// A request was refused for what it is (malformed, other name, secret), or could not be
    /// answered (the server is unreachable).
    fn refused(&self, asked: Option<&Asked>, denial: &Denial);
}

/// What one connection is served with.
#[derive(Clone)]
pub(crate) struct Service {
    /// What it was opened for.
    pub site: Site,
    /// Who decides.
    pub judge: Arc<dyn Judge>,
    /// What is put in; none where the policy has no secrets.
    pub secrets: Option<Arc<Secrets>>,
    /// Where bytes are counted; right also when the connection is cut.
    pub totals: Arc<Totals>,
}
