//! What the gate denied while a program ran, told when it has ended.

use crate::text;
use cofferdam::{NetworkDecision, NetworkEvent, NetworkEventKind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Refusals that are listed.
const LISTED: usize = 20;

/// Refusals that are told apart. A program may make up as many as it likes.
const KEPT: usize = 1000;

/// What was denied, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denied(Arc<Mutex<BTreeMap<(String, String), usize>>>);

impl Denied {
    /// Notes an event of the gate.
    pub(crate) fn hear(&self, event: &NetworkEvent) {
        let NetworkDecision::Denied(denial) = &event.decision else {
            return;
        };
        let what = match &event.kind {
            // Programs ask for both kinds of address.
            NetworkEventKind::Lookup { name, record } => match record.as_str() {
                "A" | "AAAA" => format!("lookup of {name}"),
                record => format!("lookup of {name} ({record})"),
            },
            NetworkEventKind::Connection { host, port, .. } => {
                format!("connection to {host}:{port}")
            }
            NetworkEventKind::Request {
                host, method, path, ..
            } => format!("{method} {path} at {host}"),
            NetworkEventKind::Signature { key } => format!("signature by the key {key}"),
            _ => return,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = format!("{what}: {}", denial.reason);
        let key = (line, denial.remedy.clone());
        let known = all.len();
        match all.get_mut(&key) {
            Some(count) => *count += 1,
            None if known < KEPT => drop(all.insert(key, 1)),
            None => {}
        }
    }

    /// Tells of all of them on standard error.
    pub(crate) fn tell(&self) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for ((what, remedy), count) in all.iter().take(LISTED) {
            let times = match count {
                1 => String::new(),
                count => format!(" {count} times"),
            };
            // The program chose the names: they must not act on this terminal.
            let what = format!("the network denied the {}{times}", text::escape(what));
            let hints = match remedy.is_empty() {
                true => Vec::new(),
                false => vec![text::escape(remedy).to_string()],
            };
            text::complain(what, &hints);
        }
        if all.len() > LISTED {
            let more = all.len() - LISTED;
            text::note(&format!("cofferdam: and {more} more were denied\n"));
        }
    }
}
