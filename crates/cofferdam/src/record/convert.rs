//! What the facade knows, as the record has it.

use crate::enforcement::{LayerReport, State};
use crate::output::Usage;
use cofferdam_audit::event::{LayerState, Usage as Used};
use cofferdam_policy::Policy;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

impl LayerReport {
    /// The layer's state in the record's words.
    pub(super) fn state_of(&self) -> LayerState {
        let state = match self.state() {
            State::Full => "enforced",
            State::Partial => "partial",
            State::Absent => "absent",
            State::Off => "off",
        };
        LayerState {
            layer: self.layer.name().to_owned(),
            state: state.to_owned(),
            weaknesses: self.weaker.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Usage {
    /// The same in the record's units.
    pub(crate) fn recorded(&self) -> Used {
        Used {
            wall_us: micros(self.wall),
            user_us: micros(self.user),
            system_us: micros(self.system),
            max_rss: self.max_rss,
            peak_memory: self.peak_memory,
            peak_processes: self.peak_processes,
        }
    }
}

/// In microseconds; what is longer than the figure holds (half a million years) is as long as it does.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Text of the system's.
pub(super) fn text(text: &OsStr) -> String {
    cofferdam_audit::text(text.as_bytes())
}

/// A path of the system's.
pub(super) fn path(path: &Path) -> String {
    text(path.as_os_str())
}

/// SHA-256 of the policy as JSON, in hexadecimal; empty where a path in it is not UTF-8, and JSON has no
/// form for it.
#[cfg(feature = "log")]
pub(super) fn digest(policy: &Policy) -> String {
    let json = policy.to_json();
    json.map_or_else(
        |_| String::new(),
        |json| cofferdam_audit::digest(json.as_bytes()),
    )
}

/// Without the log there is nothing that computes one.
#[cfg(not(feature = "log"))]
pub(super) fn digest(_: &Policy) -> String {
    String::new()
}

#[cfg(all(test, feature = "log"))]
mod tests {
    use super::digest;
    use cofferdam_policy::Policy;

    #[test]
    fn each_policy_has_a_digest_of_its_own() {
        let one = Policy::default();
        let mut other = Policy::default();
        other.limits = other.limits.processes(7);
        assert_eq!(digest(&one), digest(&Policy::default()));
        assert_ne!(digest(&one), digest(&other));
        assert_eq!(digest(&one).len(), 64);
    }
}
