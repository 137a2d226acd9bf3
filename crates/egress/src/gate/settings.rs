//! What a gate is started with.

use super::{Admit, Ask, Resolve};
use crate::secret::{Learned, Provided, SecretsError};
use crate::{AuthorityError, Events, Rules};
use cofferdam_policy::{Forward, Secret, SshAgent};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a gate is started with.
#[derive(Clone)]
pub struct Settings {
    /// The rules at the start.
    pub rules: Rules,
    /// The secrets.
    pub secrets: Vec<Secret>,
    /// Providers of secrets by name.
    pub providers: BTreeMap<String, Arc<dyn Provided>>,
    /// Further certificate authorities (PEM files).
    pub trust: Vec<PathBuf>,
    /// Asked about what no rule allows and none denies.
    pub ask: Option<Arc<dyn Ask>>,
    /// How long an answer may take before it is no.
    pub ask_deadline: Duration,
    /// Where events go.
    pub events: Option<Events>,
    /// Asked before anything is let through.
    pub admit: Option<Admit>,
    /// Told of the value of a secret when it was fetched.
    pub learned: Option<Learned>,
    /// Services of the host that can be reached from inside; the index of each is that of its socket.
    pub forward: Vec<Forward>,
    /// The ssh-agent.
    pub ssh_agent: Option<SshAgent>,
    /// Looks names up; the host's resolver, where it is left out.
    pub resolve: Option<Arc<dyn Resolve>>,
}

/// How long a person or a model may take where nothing else is said.
const ASK_DEADLINE: Duration = Duration::from_secs(60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: Rules::default(),
            secrets: Vec::new(),
            providers: BTreeMap::new(),
            trust: Vec::new(),
            ask: None,
            ask_deadline: ASK_DEADLINE,
            events: None,
            admit: None,
            learned: None,
            forward: Vec::new(),
            ssh_agent: None,
            resolve: None,
        }
    }
}

/// A gate could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum StartError {
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error(
        "the policy gives keys of an ssh-agent, and there is none: SSH_AUTH_SOCK is not set; start \
         an agent, or name its socket"
    )]
    NoAgent,
}
