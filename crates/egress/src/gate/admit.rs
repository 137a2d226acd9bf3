//! What is let through only if somebody says so first: a record that has to be written before.

use super::environment::Environment;
use super::shared::denial;
use crate::decision::{Denial, Reason};
use crate::{Decision, Event, EventKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

/// Called on the gate's own thread before a connection, a request or a signature that is allowed, so it
/// must be quick. The event is that of its beginning: of a connection, without an address and figures.
/// What it does not say yes to is denied.
pub type Admit = Arc<dyn Fn(&Event) -> bool + Send + Sync>;

/// Programs read this, so it says nothing of the host.
const REMEDY: &str = "whoever runs the sandbox has to see to its record";

impl Environment {
    /// Has something admitted that this rule allows.
    pub(super) fn admit(&self, kind: EventKind, rule: &str) -> Result<(), Denial> {
        let Some(admit) = &self.shared.admit else {
            return Ok(());
        };
        let event = Event {
            at: SystemTime::now(),
            environment: self.id,
            kind,
            decision: Decision::Allowed(rule.to_owned()),
            times: 1,
        };
        // One that panics has not said yes.
        match catch_unwind(AssertUnwindSafe(|| admit(&event))) {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => Err(denial(Reason::Unrecorded, REMEDY)),
        }
    }
}
