//! Secrets from the HTTP API of OpenBao or Vault.

mod client;

use super::{ProvideError, Provided, Value, place};
use client::Client;
use serde_json::{Value as Json, json};
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

/// How a server is reached and logged in to.
#[derive(Clone, Debug)]
pub struct VaultSettings {
    /// Where it is: `https://NAME[:PORT]`, or `http://` for a loopback address.
    pub address: String,
    /// The namespace (`X-Vault-Namespace`).
    pub namespace: Option<String>,
    /// Who is logged in.
    pub login: Login,
    /// Further certificate authorities (PEM files) beside the host's.
    pub trust: Vec<PathBuf>,
}

/// Who is logged in.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Login {
    /// Whoever has this token.
    Token(Credential),
    /// An AppRole, under `auth/MOUNT/login`.
    AppRole {
        /// The mount; commonly `approle`.
        mount: String,
        /// The role's identifier, which is no secret.
        role: String,
        /// The secret identifier.
        secret: Credential,
    },
}

/// Where a credential for the server is; read whenever it is needed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credential {
    /// A variable of the host's environment.
    Env(String),
    /// A file; one newline at its end is not part of it.
    File(PathBuf),
}

/// A server, from which any number of secrets can come.
pub struct Vault {
    client: Client,
    namespace: Option<String>,
    login: Login,
    token: Mutex<Option<Zeroizing<String>>>,
}

/// A server's secret cannot be had. No text holds any part of a value or token, nor what the server
/// wrote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum VaultError {
    #[error(
        "{0:?} is no address of a server; write https://NAME:PORT, or http:// for a loopback address"
    )]
    Address(String),
    #[error("the namespace or token has characters that a header cannot carry; correct it")]
    Header,
    #[error("{0:?} is no path; write segments separated by one `/` each, none of them `.` or `..`")]
    Path(String),
    #[error("cannot read certificate authorities from {path}: {source}")]
    Trust {
        path: PathBuf,
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    #[error("TLS cannot be set up: {0}")]
    Tls(#[source] rustls::Error),
    #[error("cannot connect to the server: {0}")]
    Connect(#[source] std::io::Error),
    #[error("the server did not answer within {} s; see whether it runs", .0.as_secs())]
    Deadline(Duration),
    #[error("the server's answer cannot be read: {0}")]
    Http(#[source] hyper::Error),
    #[error("the server's answer has more than {0} bytes; ask for something smaller")]
    Long(usize),
    #[error(
        "the server's answer is not the JSON its API describes; see whether the address is that of its API"
    )]
    Answer,
    #[error(
        "the server refuses (403); see whether the login is valid and its policy allows the path"
    )]
    Forbidden,
    #[error("the server has nothing at this path (404); see whether mount and path are right")]
    Missing,
    #[error("the server answered with status {0}; see its log")]
    Status(u16),
    #[error("there is no text field {0:?} there; name one that there is")]
    Field(String),
    #[error("the login cannot be read: {0}")]
    Credential(#[source] Box<ProvideError>),
}

/// The share of a lease in which its secret is used, so that none ends while a request is under way.
const LEASE_USED: f64 = 0.9;

impl Vault {
    /// A server. Nothing is sent to it before a secret is fetched.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn new(settings: VaultSettings) -> Result<Arc<Self>, VaultError> {
        let client = Client::new(&settings.address, &settings.trust)?;
        Ok(Arc::new(Self {
            client,
            namespace: settings.namespace,
            login: settings.login,
            token: Mutex::new(None),
        }))
    }

    /// A field of a secret in a key-value engine of version 2: `GET /v1/MOUNT/data/PATH`.
    ///
    /// # Errors
    /// [`VaultError::Path`].
    pub fn key_value(
        self: &Arc<Self>,
        mount: &str,
        path: &str,
        field: &str,
    ) -> Result<Arc<dyn Provided>, VaultError> {
        let url = format!("/v1/{}/data/{}", encoded(mount)?, encoded(path)?);
        Ok(self.at(url, &["data", "data"], field))
    }

    /// A field of what any engine answers to a read, such as `database/creds/ROLE`. It is used for
    /// nine tenths of its lease.
    ///
    /// # Errors
    /// [`VaultError::Path`].
    pub fn dynamic(
        self: &Arc<Self>,
        path: &str,
        field: &str,
    ) -> Result<Arc<dyn Provided>, VaultError> {
        let url = format!("/v1/{}", encoded(path)?);
        Ok(self.at(url, &["data"], field))
    }

    fn at(
        self: &Arc<Self>,
        url: String,
        within: &'static [&'static str],
        field: &str,
    ) -> Arc<dyn Provided> {
        Arc::new(Read {
            vault: Arc::clone(self),
            url,
            within,
            field: field.to_owned(),
        })
    }

    async fn read(&self, url: &str) -> Result<Json, VaultError> {
        let token = self.token(None).await?;
        match self.send("GET", url, Some(&token), None).await {
            // The token ended, or was replaced in its file: once more with another.
            Err(VaultError::Forbidden) => {
                let token = self.token(Some(&token)).await?;
                self.send("GET", url, Some(&token), None).await
            }
            other => other,
        }
    }

    /// The token in use, where it is not this one that was refused; else a new one.
    async fn token(&self, refused: Option<&str>) -> Result<Zeroizing<String>, VaultError> {
        let mut token = self.token.lock().await;
        if let Some(token) = token.as_ref().filter(|t| refused != Some(t.as_str())) {
            return Ok(token.clone());
        }
        *token = None;
        let new = match &self.login {
            Login::Token(credential) => credential.read().await?,
            Login::AppRole {
                mount,
                role,
                secret,
            } => {
                let secret = secret.read().await?;
                let url = format!("/v1/auth/{}/login", encoded(mount)?);
                let login = json!({"role_id": role, "secret_id": secret.as_str()});
                let body = Zeroizing::new(login.to_string());
                let answer = self.send("POST", &url, None, Some(&body)).await?;
                let token = answer.pointer("/auth/client_token").and_then(Json::as_str);
                Zeroizing::new(token.ok_or(VaultError::Answer)?.to_owned())
            }
        };
        Ok(token.insert(new).clone())
    }

    async fn send(
        &self,
        method: &str,
        url: &str,
        token: Option<&str>,
        body: Option<&str>,
    ) -> Result<Json, VaultError> {
        let mut headers = vec![("x-vault-request", "true")];
        headers.extend(token.map(|token| ("x-vault-token", token)));
        headers.extend(
            self.namespace
                .iter()
                .map(|n| ("x-vault-namespace", n.as_str())),
        );
        let (status, body) = self.client.send(method, url, &headers, body).await?;
        match status {
            200 => serde_json::from_slice(&body).map_err(|_| VaultError::Answer),
            403 => Err(VaultError::Forbidden),
            404 => Err(VaultError::Missing),
            other => Err(VaultError::Status(other)),
        }
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault")
            .field("namespace", &self.namespace)
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

struct Read {
    vault: Arc<Vault>,
    url: String,
    within: &'static [&'static str],
    field: String,
}

impl Provided for Read {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Value, ProvideError>> + Send + '_>> {
        Box::pin(async {
            let answer = self.vault.read(&self.url).await;
            let value = answer.and_then(|answer| self.value(&answer));
            value.map_err(|error| ProvideError::Provider(Box::new(error)))
        })
    }
}

impl Read {
    fn value(&self, answer: &Json) -> Result<Value, VaultError> {
        let mut data = answer;
        for name in self.within {
            data = data.get(name).ok_or(VaultError::Answer)?;
        }
        let text = data.get(&self.field).and_then(Json::as_str);
        let text = text.ok_or_else(|| VaultError::Field(self.field.clone()))?;
        let lease = answer.get("lease_duration").and_then(Json::as_u64);
        Ok(Value {
            bytes: Zeroizing::new(text.as_bytes().to_vec()),
            // Zero stands for no lease.
            ttl: lease
                .filter(|seconds| *seconds > 0)
                .and_then(|seconds| u32::try_from(seconds).ok())
                .map(|seconds| Duration::from_secs(u64::from(seconds)).mul_f64(LEASE_USED)),
        })
    }
}

impl Credential {
    async fn read(&self) -> Result<Zeroizing<String>, VaultError> {
        let value = match self {
            Credential::Env(name) => super::source::Variable(name.clone()).fetch().await,
            Credential::File(path) => super::source::Contents(path.clone()).fetch().await,
        };
        let value = value.map_err(|error| VaultError::Credential(Box::new(error)))?;
        let text = std::str::from_utf8(&value.bytes).map_err(|_| VaultError::Header)?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// A path of the API, its segments percent-encoded.
fn encoded(path: &str) -> Result<String, VaultError> {
    let mut out = String::new();
    for (index, segment) in path.split('/').enumerate() {
        if matches!(segment, "" | "." | "..") {
            return Err(VaultError::Path(path.to_owned()));
        }
        if index > 0 {
            out.push('/');
        }
        place::encode(segment.as_bytes(), &mut out);
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
