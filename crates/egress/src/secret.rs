//! Secrets: fetched on the host, put into requests at the edge, taken out of everything else.

mod body;
mod cache;
mod error;
mod place;
mod scrub;
mod source;
#[cfg(feature = "vault")]
pub mod vault;

pub use body::{BodyError, Scrubbed};
pub use error::{ProvideError, ScrubError, SecretsError, SwapError};
pub use scrub::Scrubber;

use crate::Host;
use cache::Cache;
use cofferdam_policy::{Secret, SecretHost, SecretPlace, SecretSource};
use http::HeaderValue;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, HeaderName, PROXY_AUTHORIZATION,
    SEC_WEBSOCKET_EXTENSIONS, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use place::{Misfit, Place};
use scrub::Needles;
use source::{Contents, Output, Variable};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The shortest value, in bytes. A shorter one, and its parts in base64, would be found by chance
/// in answers that have nothing to do with it.
const MIN_VALUE: usize = 8;

/// The longest value, in bytes: the longest header that common servers take.
const MAX_VALUE: usize = 16 * 1024;

/// The characters of a placeholder after its prefix; of 62 letters and digits each, 214 bits.
const PLACEHOLDER: usize = 36;

/// The longest prefix of a placeholder, in bytes; those of known services have 20 at most.
const MAX_PREFIX: usize = 64;

/// A value, and how long it may be used.
pub struct Value {
    /// The bytes.
    pub bytes: Zeroizing<Vec<u8>>,
    /// How long it holds, where its source knows.
    pub ttl: Option<Duration>,
}

/// Where values of secrets come from.
pub trait Provided: Send + Sync + 'static {
    /// Fetches the value. Dropping the future ends the fetch.
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Value, ProvideError>> + Send + '_>>;
}

/// The secrets of one gate.
pub struct Secrets {
    bound: Vec<Bound>,
}

/// Told of a secret's name and value when it was fetched: whoever writes something down has to leave it out.
pub type Learned = Arc<dyn Fn(&str, &[u8]) + Send + Sync>;

/// What [`Secrets::swap`] put into a request.
#[derive(Debug, Default)]
pub struct Used {
    names: Vec<String>,
    scrubber: Scrubber,
}

struct Bound {
    name: String,
    placeholder: String,
    hosts: Vec<SecretHost>,
    place: Place,
    cache: Cache,
}

impl Secrets {
    /// Secrets as a policy has them, each with a placeholder made anew. No value is fetched.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn new(
        secrets: Vec<Secret>,
        providers: BTreeMap<String, Arc<dyn Provided>>,
    ) -> Result<Self, SecretsError> {
        let mut bound: Vec<Bound> = Vec::with_capacity(secrets.len());
        for secret in secrets {
            if bound.iter().any(|other| other.name == secret.name) {
                return Err(SecretsError::Twice(secret.name));
            }
            let source = source(&secret.name, secret.source, &providers)?;
            bound.push(Bound {
                placeholder: placeholder(&secret.name, &secret.prefix)?,
                place: place(&secret.name, secret.place)?,
                name: secret.name,
                hosts: secret.hosts,
                cache: Cache::new(source, secret.ttl),
            });
        }
        Ok(Self { bound })
    }

    /// The same with somebody who is told of each value when it was fetched.
    #[must_use]
    pub fn learned(mut self, learned: Option<Learned>) -> Self {
        for secret in &mut self.bound {
            let learned = learned.clone();
            secret.cache.learned = learned.map(|learned| (secret.name.clone(), learned));
        }
        self
    }

    /// The variable of each secret and the placeholder it has inside: the prefix and random letters
    /// and digits, so that it needs no escaping anywhere.
    pub fn placeholders(&self) -> Vec<(String, String)> {
        self.bound
            .iter()
            .map(|secret| (secret.name.clone(), secret.placeholder.clone()))
            .collect()
    }

    /// Whether a secret is bound to this host and port, so that its connections are looked into.
    pub fn wants(&self, host: &Host, port: u16) -> bool {
        self.at(host, port).next().is_some()
    }

    /// Puts values where the request has placeholders: only of secrets bound to this host and port,
    /// in the place each is bound to, and over TLS or to a loopback address. Where nothing of that
    /// holds, nothing is fetched and every placeholder stays one.
    ///
    /// Once a value of a host's secrets was fetched, its requests ask for answers without
    /// compression, as the answers are then looked into. (An answer in parts, `Range`, is asked for
    /// as the program wishes.)
    ///
    /// # Errors
    /// [`SwapError`]; the request must not be sent then.
    pub async fn swap(
        &self,
        host: &Host,
        port: u16,
        tls: bool,
        loopback: bool,
        parts: &mut http::request::Parts,
    ) -> Result<Used, SwapError> {
        let mut names = Vec::new();
        for secret in self.at(host, port).filter(|_| tls || loopback) {
            if !secret.place.holds(parts, &secret.placeholder) {
                continue;
            }
            let name = secret.name.clone();
            let known = match secret.cache.get().await {
                Ok(known) => known,
                Err(source) => return Err(SwapError::Provide { name, source }),
            };
            match secret.place.put(parts, &secret.placeholder, &known.bytes) {
                Ok(()) => names.push(name),
                Err(Misfit::Illegal) => return Err(SwapError::Illegal(name)),
                Err(Misfit::Long) => return Err(SwapError::Long(name)),
            }
        }
        let needles = needles(self.at(host, port));
        if needles.is_some() {
            ask_for_plain(&mut parts.headers);
        }
        let scrubber = Scrubber::new(needles, !names.is_empty());
        Ok(Used { names, scrubber })
    }

    /// The text without any value that was fetched, in whatever encoding [`Scrubber`] knows. For
    /// events, logs and errors.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let clean = needles(self.bound.iter()).and_then(|n| n.scrub(text.as_bytes()));
        match clean {
            Some(clean) => Cow::Owned(String::from_utf8_lossy(&clean).into_owned()),
            None => Cow::Borrowed(text),
        }
    }

    fn at(&self, host: &Host, port: u16) -> impl Iterator<Item = &Bound> {
        let name = match host {
            Host::Name(name) => Some(name),
            Host::Address(_) => None,
        };
        self.bound.iter().filter(move |secret| {
            let mut hosts = secret.hosts.iter();
            hosts.any(|host| {
                host.ports.contains(port) && name.is_some_and(|name| host.name.matches(name))
            })
        })
    }
}

impl Used {
    /// The names of the secrets that were put in.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What keeps the values out of the response.
    pub fn scrubber(&self) -> Scrubber {
        self.scrubber.clone()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Value")
            .field("ttl", &self.ttl)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.bound.iter().map(|secret| &secret.name))
            .finish()
    }
}

fn needles<'a>(secrets: impl Iterator<Item = &'a Bound>) -> Option<Needles> {
    let known: Vec<_> = secrets.flat_map(|secret| secret.cache.known()).collect();
    Needles::of(known.iter().map(|k| (k.bytes.as_slice(), &k.needles)))
}

/// Asks for an answer that can be looked into: without compression of HTTP, gRPC or WebSocket.
fn ask_for_plain(headers: &mut http::HeaderMap) {
    const GRPC: HeaderName = HeaderName::from_static("grpc-accept-encoding");
    let identity = HeaderValue::from_static("identity");
    headers.insert(ACCEPT_ENCODING, identity.clone());
    if headers.contains_key(GRPC) {
        headers.insert(GRPC, identity);
    }
    headers.remove(SEC_WEBSOCKET_EXTENSIONS);
}

fn source(
    name: &str,
    source: SecretSource,
    providers: &BTreeMap<String, Arc<dyn Provided>>,
) -> Result<Arc<dyn Provided>, SecretsError> {
    match source {
        SecretSource::Env(variable) => Ok(Arc::new(Variable(variable))),
        SecretSource::File(path) => Ok(Arc::new(Contents(path))),
        SecretSource::Command(command) => {
            let mut words = command.into_iter();
            let program = words.next().filter(|program| !program.is_empty());
            Ok(Arc::new(Output {
                program: program.ok_or_else(|| SecretsError::Command(name.to_owned()))?,
                arguments: words.collect(),
            }))
        }
        SecretSource::Provider(provider) => match providers.get(&provider) {
            Some(source) => Ok(Arc::clone(source)),
            None => Err(SecretsError::Provider {
                name: name.to_owned(),
                provider,
            }),
        },
        // The policy's list of sources may grow; what is not known here comes from nowhere.
        other => Err(SecretsError::Source {
            name: name.to_owned(),
            source_text: format!("{other:?}"),
        }),
    }
}

fn place(name: &str, place: SecretPlace) -> Result<Place, SecretsError> {
    // Headers that say where a request goes and where it ends.
    const FRAMING: [HeaderName; 8] = [
        CONNECTION,
        CONTENT_LENGTH,
        HOST,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    match place {
        SecretPlace::Header(header) => match HeaderName::try_from(header.as_str()) {
            Ok(header) if !FRAMING.contains(&header) => Ok(Place::Header(header)),
            _ => Err(SecretsError::Header {
                name: name.to_owned(),
                header,
            }),
        },
        SecretPlace::Bearer => Ok(Place::Bearer),
        SecretPlace::Basic => Ok(Place::Basic),
        SecretPlace::Query(parameter) if parameter.is_empty() => {
            Err(SecretsError::Parameter(name.to_owned()))
        }
        SecretPlace::Query(parameter) => Ok(Place::Query(parameter)),
        other => Err(SecretsError::Place {
            name: name.to_owned(),
            place: format!("{other:?}"),
        }),
    }
}

fn placeholder(name: &str, prefix: &str) -> Result<String, SecretsError> {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    if prefix.len() > MAX_PREFIX || !prefix.bytes().all(legal) {
        return Err(SecretsError::Prefix(name.to_owned()));
    }
    let mut text = prefix.to_owned();
    while text.len() < prefix.len() + PLACEHOLDER {
        let mut random = [0; PLACEHOLDER];
        let got = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|errno| SecretsError::Random(errno.into()))?;
        let missing = prefix.len() + PLACEHOLDER - text.len();
        // Six bits each; the two numbers beyond the letters are drawn again, so that each letter
        // is as likely.
        let letters = random[..got]
            .iter()
            .filter_map(|b| LETTERS.get(usize::from(b & 63)));
        text.extend(letters.take(missing).map(|letter| char::from(*letter)));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
