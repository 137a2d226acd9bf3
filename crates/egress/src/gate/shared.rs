//! What all environments of a gate have in common.

use super::ask::Asking;
use super::resolve::{Resolver, System};
use super::{Admit, Settings, StartError};
use crate::decision::{Denial, Reason};
use crate::secret::Secrets;
use crate::tls::Interception;
use crate::{Authority, Event, Events, Rules};
use cofferdam_policy::{Forward, SshAgent};
use rustix::process::{Resource, getrlimit};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Semaphore, watch};

/// What all environments of a gate have in common.
pub(super) struct Shared {
    pub(super) rules: watch::Sender<Arc<Rules>>,
    pub(super) secrets: Arc<Secrets>,
    pub(super) interception: Option<Interception>,
    pub(super) asking: Option<Asking>,
    pub(super) resolver: Resolver,
    pub(super) forward: Vec<Forward>,
    /// The agent's socket on the host and the keys.
    pub(super) ssh_agent: Option<(PathBuf, Vec<String>)>,
    /// Places for connections of all environments; more wait in the listeners' queues.
    pub(super) places: Arc<Semaphore>,
    events: Option<Events>,
    pub(super) admit: Option<Admit>,
}

/// The most connections at one time.
const CONNECTIONS: u64 = 4096;

impl Shared {
    pub(super) fn new(settings: Settings) -> Result<Self, StartError> {
        let needs_tls = !settings.secrets.is_empty() || settings.rules.asks_about_requests();
        let interception = match needs_tls {
            true => Some(Interception::new(
                Arc::new(Authority::generate()?),
                settings.trust,
            )),
            false => None,
        };
        let resolve = settings.resolve.unwrap_or_else(|| Arc::new(System));
        Ok(Self {
            rules: watch::Sender::new(Arc::new(settings.rules)),
            secrets: Arc::new(
                Secrets::new(settings.secrets, settings.providers)?.learned(settings.learned),
            ),
            interception,
            asking: settings
                .ask
                .map(|ask| Asking::new(ask, settings.ask_deadline)),
            resolver: Resolver::new(resolve),
            forward: settings.forward,
            ssh_agent: settings.ssh_agent.map(agent).transpose()?,
            places: Arc::new(Semaphore::new(places())),
            events: settings.events,
            admit: settings.admit,
        })
    }

    /// The rules as they are now.
    pub(super) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.borrow())
    }

    pub(super) fn replace(&self, rules: Rules) {
        self.rules.send_replace(Arc::new(rules));
    }

    pub(super) fn authority(&self) -> Option<&Authority> {
        let interception = self.interception.as_ref()?;
        Some(interception.authority())
    }

    /// Whether anybody hears of events.
    pub(super) fn is_heard(&self) -> bool {
        self.events.is_some()
    }

    /// Tells of events. What the listener does wrong is not to end what is served.
    pub(super) fn tell(&self, told: Vec<Event>) {
        let Some(events) = &self.events else { return };
        for event in told {
            let _ = catch_unwind(AssertUnwindSafe(|| events(event)));
        }
    }
}

/// Each connection takes two of the host's descriptors, and a pipe for a while. The host needs
/// descriptors for other things, whatever the sandbox does: an eighth is left to it.
fn places() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let places = (limit / 16 * 7).min(CONNECTIONS);
    usize::try_from(places.max(1)).unwrap_or(1)
}

fn agent(agent: SshAgent) -> Result<(PathBuf, Vec<String>), StartError> {
    let socket = agent.socket.or_else(|| {
        let variable = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty());
        variable.map(PathBuf::from)
    });
    Ok((socket.ok_or(StartError::NoAgent)?, agent.keys))
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// A denial for a reason that no rule has, with what helps.
pub(super) fn denial(reason: Reason, remedy: impl Into<String>) -> Denial {
    Denial {
        reason,
        rule: None,
        remedy: remedy.into(),
    }
}
