//! Taking TLS off: first a handshake with the server, then one with the program, so that the
//! program is told what the server really speaks.

use super::{Authority, AuthorityError, RootsError, roots};
use crate::Host;
use crate::decision::{Denial, Reason};
use crate::http::Version;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::server::{Acceptor, ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::server::StartHandshake;
use tokio_rustls::{LazyConfigAcceptor, TlsConnector};

/// How long both handshakes may take together; the same as programs usually give one.
const HANDSHAKE: Duration = Duration::from_secs(30);
/// How long telling a program why its handshake fails may take.
const ALERT: Duration = Duration::from_secs(1);

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// Takes TLS off connections; one for each gate.
#[derive(Debug)]
pub(crate) struct Interception {
    authority: Arc<Authority>,
    trust: Vec<PathBuf>,
    /// What servers are met with but the protocols; made at the first connection, as it takes tens
    /// of milliseconds.
    upstream: OnceCell<ClientConfig>,
}

/// A connection without its TLS.
pub(crate) struct Halves<C, S> {
    /// The program's side.
    pub client: tokio_rustls::server::TlsStream<C>,
    /// The server's side.
    pub server: tokio_rustls::client::TlsStream<S>,
    /// What both have agreed to speak; HTTP/1.1 also where nothing was agreed on.
    pub version: Version,
}

/// TLS could not be taken off. The connections are closed, the program's with an alert.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum TlsError {
    #[error("the program's handshake failed: {0}")]
    Client(#[source] io::Error),
    #[error("the server's certificate does not hold: {0}")]
    Certificate(rustls::CertificateError),
    #[error("the server's handshake failed: {0}")]
    Server(#[source] io::Error),
    #[error("the handshakes took longer than {} seconds", HANDSHAKE.as_secs())]
    Slow,
    #[error(transparent)]
    Roots(#[from] RootsError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the host has no name that TLS knows")]
    Name,
}

impl Interception {
    /// With this authority, and these files (PEM) of further certificates of authorities for servers.
    pub fn new(authority: Arc<Authority>, trust: Vec<PathBuf>) -> Self {
        Self {
            authority,
            trust,
            upstream: OnceCell::new(),
        }
    }

    /// The authority.
    pub fn authority(&self) -> &Arc<Authority> {
        &self.authority
    }

    /// Takes TLS off a connection to this host: `client` is at the beginning of its ClientHello,
    /// `server` is connected and nothing was sent yet.
    ///
    /// # Errors
    /// [`TlsError`]; both connections are at their end then.
    pub async fn take_off<C, S>(
        &self,
        client: C,
        server: S,
        host: &Host,
    ) -> Result<Halves<C, S>, TlsError>
    where
        C: AsyncRead + AsyncWrite + Unpin,
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let deadline = Instant::now() + HANDSHAKE;
        let hello = timeout_at(
            deadline,
            LazyConfigAcceptor::new(Acceptor::default(), client),
        )
        .await
        .map_err(|_| TlsError::Slow)?
        .map_err(TlsError::Client)?;
        let offered = offered(&hello.client_hello());
        let met = timeout_at(deadline, self.meet(server, host, offered))
            .await
            .unwrap_or(Err(TlsError::Slow));
        let prepared = met.and_then(|server| Ok((server, self.authority.leaf(host)?)));
        let (server, leaf) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => {
                alert(hello).await;
                return Err(error);
            }
        };
        let protocol = server.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        let version = match protocol.as_deref() {
            Some(HTTP2) => Version::Http2,
            _ => Version::Http1,
        };
        let config = downstream(Some(leaf), protocol)?;
        let client = timeout_at(deadline, hello.into_stream(config))
            .await
            .map_err(|_| TlsError::Slow)?
            .map_err(TlsError::Client)?;
        Ok(Halves {
            client,
            server,
            version,
        })
    }

    /// The handshake with the server, whose certificate has to hold for the host.
    async fn meet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        server: S,
        host: &Host,
        protocols: Vec<Vec<u8>>,
    ) -> Result<tokio_rustls::client::TlsStream<S>, TlsError> {
        let mut config = self.config().await?.clone();
        config.alpn_protocols = protocols;
        let name = match host {
            Host::Name(name) => {
                ServerName::try_from(name.as_str().to_owned()).map_err(|_| TlsError::Name)?
            }
            Host::Address(address) => ServerName::IpAddress((*address).into()),
        };
        TlsConnector::from(Arc::new(config))
            .connect(name, server)
            .await
            .map_err(refused)
    }

    async fn config(&self) -> Result<&ClientConfig, TlsError> {
        self.upstream
            .get_or_try_init(|| async {
                let trust = self.trust.clone();
                let roots = tokio::task::spawn_blocking(move || roots(&trust))
                    .await
                    .map_err(|_| RootsError::None)??;
                let mut store = RootCertStore::empty();
                store.add_parsable_certificates(roots);
                let mut config = ClientConfig::builder_with_provider(provider())
                    .with_safe_default_protocol_versions()
                    .map_err(AuthorityError::Key)?
                    .with_root_certificates(store)
                    .with_no_client_auth();
                // A resumed session is not verified again.
                config.resumption = Resumption::disabled();
                Ok(config)
            })
            .await
    }
}

impl TlsError {
    /// Why the connection is denied, as an event tells it.
    pub fn denial(&self) -> Denial {
        let (reason, remedy) = match self {
            Self::Certificate(_) => (
                Reason::Certificate,
                "name the file of the authority that signed it in `trust`",
            ),
            Self::Roots(_) => (
                Reason::Certificate,
                "give the host certificates of authorities",
            ),
            Self::Client(_) => (
                Reason::Protocol,
                "let the program trust the sandbox's authority (SSL_CERT_FILE and its like are set inside), or have no rule look into this host",
            ),
            Self::Slow => (Reason::Limit, "try again"),
            Self::Server(_) | Self::Authority(_) | Self::Name => (
                Reason::Unreachable,
                "see whether the server speaks TLS 1.2 or 1.3",
            ),
        };
        Denial {
            reason,
            rule: None,
            remedy: format!("{self}; {remedy}"),
        }
    }
}

/// The one certificate that a connection is served with, or none, which ends it with an alert.
#[derive(Debug)]
struct One(Option<Arc<CertifiedKey>>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }
}

/// Those of the protocols that the program offers which can be looked into.
fn offered(hello: &ClientHello<'_>) -> Vec<Vec<u8>> {
    let offered: Vec<&[u8]> = hello.alpn().into_iter().flatten().collect();
    [HTTP2, HTTP1]
        .into_iter()
        .filter(|known| offered.contains(known))
        .map(<[u8]>::to_vec)
        .collect()
}

fn downstream(
    certificate: Option<Arc<CertifiedKey>>,
    protocol: Option<Vec<u8>>,
) -> Result<Arc<ServerConfig>, AuthorityError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(One(certificate)));
    config.alpn_protocols = protocol.into_iter().collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Ends the program's handshake with an alert, so that it sees an error of TLS.
async fn alert<C: AsyncRead + AsyncWrite + Unpin>(hello: StartHandshake<C>) {
    if let Ok(config) = downstream(None, None) {
        let _ = timeout_at(Instant::now() + ALERT, hello.into_stream(config)).await;
    }
}

pub(super) fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn refused(error: io::Error) -> TlsError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(reason)) => TlsError::Certificate(reason.clone()),
        _ => TlsError::Server(error),
    }
}
