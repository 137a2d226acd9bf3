//! The host's resolver: each name looked up once, its addresses kept for a while.

use cofferdam_policy::HostName;
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// How long addresses are used. getaddrinfo(3) tells no time; half a minute is what programs
/// without a cache of their own would cause in lookups, and short against changes of addresses.
const KEPT: Duration = Duration::from_secs(30);

/// How long "no address" is believed.
const KEPT_FAILURE: Duration = Duration::from_secs(5);

/// Names that are kept. A program that looks up more has the oldest looked up again.
const NAMES: usize = 4096;

/// How long a lookup may take: two rounds of a resolver that asks three servers in turn.
const DEADLINE: Duration = Duration::from_secs(30);

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum NoAddress {
    #[error("the name does not exist or has no address")]
    NotFound,
    #[error("the host's resolver does not answer")]
    NoAnswer,
    #[error("the host's resolver failed: {0}")]
    Failed(String),
}

/// Looks names up, on the host.
pub trait Resolve: Send + Sync + 'static {
    /// Every address of the name, IPv4 and IPv6.
    fn resolve(
        &self,
        name: HostName,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>>;
}

/// A table of names in the place of a resolver: what is not in it does not exist.
impl<const N: usize> Resolve for [(&'static str, Vec<IpAddr>); N] {
    fn resolve(
        &self,
        name: HostName,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>> {
        let found = self.iter().find(|(known, _)| *known == name.as_str());
        let found = found.map(|(_, addresses)| addresses.clone());
        Box::pin(async move { found.ok_or(NoAddress::NotFound) })
    }
}

/// getaddrinfo(3), with all that the host has configured for it.
pub(super) struct System;

impl Resolve for System {
    fn resolve(
        &self,
        name: HostName,
    ) -> Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, NoAddress>> + Send>> {
        Box::pin(async move {
            let lookup = move || (name.as_str(), 0).to_socket_addrs();
            let answer = tokio::task::spawn_blocking(lookup).await;
            let found = match answer.unwrap_or_else(|_| Err(io::ErrorKind::Other.into())) {
                Ok(found) => found,
                // std keeps the code of getaddrinfo in the text only.
                Err(error) if error.to_string().contains("Temporary failure") => {
                    return Err(NoAddress::NoAnswer);
                }
                Err(_) => return Err(NoAddress::NotFound),
            };
            let mut addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
            addresses.dedup();
            match addresses.is_empty() {
                true => Err(NoAddress::NotFound),
                false => Ok(addresses),
            }
        })
    }
}

type Answer = Result<Arc<[IpAddr]>, NoAddress>;

/// A lookup, under way or done, and when it began.
struct Entry {
    since: Instant,
    answer: Arc<OnceCell<Answer>>,
}

impl Entry {
    fn is_fresh(&self) -> bool {
        let kept = match self.answer.get() {
            Some(Err(_)) => KEPT_FAILURE,
            Some(Ok(_)) => KEPT,
            None => DEADLINE,
        };
        self.since.elapsed() < kept
    }
}

/// A resolver and what it has answered.
pub(super) struct Resolver {
    resolve: Arc<dyn Resolve>,
    known: Mutex<HashMap<HostName, Entry>>,
}

impl Resolver {
    pub(super) fn new(resolve: Arc<dyn Resolve>) -> Self {
        let known = Mutex::new(HashMap::new());
        Self { resolve, known }
    }

    /// The addresses of a name. Lookups of one name at one time are one.
    pub(super) async fn addresses(&self, name: &HostName) -> Answer {
        let answer = self.entry(name);
        let lookup = async {
            let found = self.resolve.resolve(name.clone());
            match tokio::time::timeout(DEADLINE, found).await {
                Ok(found) => found.map(Arc::from),
                Err(_) => Err(NoAddress::NoAnswer),
            }
        };
        answer.get_or_init(|| lookup).await.clone()
    }

    fn entry(&self, name: &HostName) -> Arc<OnceCell<Answer>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.get(name).filter(|entry| entry.is_fresh()) {
            return Arc::clone(&entry.answer);
        }
        if known.len() >= NAMES {
            known.retain(|_, entry| entry.is_fresh());
        }
        if known.len() >= NAMES {
            known.clear();
        }
        let entry = Entry {
            since: Instant::now(),
            answer: Arc::default(),
        };
        let answer = Arc::clone(&entry.answer);
        known.insert(name.clone(), entry);
        answer
    }
}
