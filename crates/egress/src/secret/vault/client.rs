//! One request to a server, over a connection of its own.

use super::VaultError;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// How long one request may take, with connecting.
const DEADLINE: Duration = Duration::from_secs(10);

/// The longest answer, in bytes: room for a secret with many fields.
const MAX_ANSWER: usize = 256 * 1024;

/// Where requests go.
pub(super) struct Client {
    host: String,
    port: u16,
    authority: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Client {
    /// A client for this address, trusting the host's authorities and these.
    pub fn new(address: &str, trust: &[PathBuf]) -> Result<Self, VaultError> {
        let wrong = || VaultError::Address(address.to_owned());
        let uri: Uri = address.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let bare = matches!(uri.path(), "" | "/") && uri.query().is_none();
        if !bare || authority.as_str().contains('@') {
            return Err(wrong());
        }
        let host = authority.host().trim_matches(['[', ']']).to_owned();
        let (port, tls) = match uri.scheme_str() {
            Some("https") => {
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
                (443, Some((connector(trust)?, name)))
            }
            // An address, as a name may lead elsewhere tomorrow.
            Some("http") if host.parse().is_ok_and(|a: IpAddr| a.is_loopback()) => (80, None),
            _ => return Err(wrong()),
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(port),
            authority: authority.as_str().to_owned(),
            host,
            tls,
        })
    }

    /// Sends a request; the status and body of its answer. Redirects are not followed.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&'static str, &str)],
        body: Option<&str>,
    ) -> Result<(u16, Zeroizing<Vec<u8>>), VaultError> {
        let body = Full::new(Bytes::from(body.unwrap_or_default().to_owned()));
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header("host", &self.authority);
        for (name, value) in headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| VaultError::Header)?;
            value.set_sensitive(true);
            request = request.header(HeaderName::from_static(name), value);
        }
        let request = request.body(body).map_err(|_| VaultError::Header)?;
        let sending = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(VaultError::Connect)?;
            match &self.tls {
                Some((connector, name)) => {
                    let stream = connector.connect(name.clone(), stream).await;
                    exchange(stream.map_err(VaultError::Connect)?, request).await
                }
                None => exchange(stream, request).await,
            }
        };
        timeout(DEADLINE, sending)
            .await
            .map_err(|_| VaultError::Deadline(DEADLINE))?
    }
}

async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Zeroizing<Vec<u8>>), VaultError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(VaultError::Http)?;
    let exchange = async {
        let answer = sender.send_request(request).await;
        let (parts, body) = answer.map_err(VaultError::Http)?.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        let body = body.map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(error) => VaultError::Http(*error),
            Err(other) if other.is::<LengthLimitError>() => VaultError::Long(MAX_ANSWER),
            Err(_) => VaultError::Answer,
        })?;
        Ok((
            parts.status.as_u16(),
            Zeroizing::new(body.to_bytes().to_vec()),
        ))
    };
    // The connection is driven here and ends with the exchange; no task outlives it.
    tokio::pin!(exchange);
    tokio::select! {
        done = &mut exchange => done,
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(VaultError::Http(error)),
        },
    }
}

fn connector(trust: &[PathBuf]) -> Result<TlsConnector, VaultError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for path in trust {
        let failed = |source| VaultError::Trust {
            path: path.clone(),
            source,
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(failed)? {
            let certificate = certificate.map_err(failed)?;
            roots.add(certificate).map_err(VaultError::Tls)?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(VaultError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
