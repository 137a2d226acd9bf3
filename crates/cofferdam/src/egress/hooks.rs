//! What an embedding program decides and hears of while a sandbox runs.

use cofferdam_egress::secret::Provided;
use cofferdam_egress::{Ask, Events, Resolve};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What a builder was given beside the policy.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub events: Option<Events>,
    /// The hook, and how long its answer may take.
    pub ask: Option<(Arc<dyn Ask>, Duration)>,
    pub providers: BTreeMap<String, Arc<dyn Provided>>,
    /// Looks names up in the place of the host's resolver.
    pub resolve: Option<Arc<dyn Resolve>>,
    /// As on a host that cannot redirect connections.
    pub without_redirect: bool,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("events", &self.events.is_some())
            .field("ask", &self.ask.as_ref().map(|(_, deadline)| deadline))
            .field("providers", &self.providers.keys())
            .field("resolve", &self.resolve.is_some())
            .finish()
    }
}
