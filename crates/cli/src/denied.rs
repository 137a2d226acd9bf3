//! What the gate denied while a program ran, told when it has ended.

use crate::text;
use cofferdam::{NetworkDecision, NetworkEvent, NetworkEventKind};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Refusals that are listed.
const LISTED: usize = 20;

/// Refusals that are told apart. A program may make up as many as it likes.
const KEPT: usize = 1000;

/// What was denied, and how often.
#[derive(Clone, Debug, Default)]
pub(crate) struct Denied(Arc<Mutex<Heard>>);

#[derive(Debug, Default)]
struct Heard {
    /// What and why, with what helps.
    all: BTreeMap<(String, String), u64>,
    /// Those that are not among them: too many to be told apart.
    more: u64,
}

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
            NetworkEventKind::Forward { inside, host, .. } => {
                format!("connection to {inside} inside, which is {host} here")
            }
            // Somebody outside came before the program listened: it was denied nothing.
            NetworkEventKind::Publish { .. } => return,
            NetworkEventKind::Proxy { protocol } => format!("use of the proxy by {protocol}"),
            NetworkEventKind::Suppressed { count, .. } => {
                self.lock().more += count;
                return;
            }
            _ => return,
        };
        let mut heard = self.lock();
        let line = format!("{what}: {}", denial.reason);
        let key = (line, denial.remedy.clone());
        let known = heard.all.len();
        match heard.all.get_mut(&key) {
            Some(count) => *count += event.times,
            None if known < KEPT => drop(heard.all.insert(key, event.times)),
            None => heard.more += event.times,
        }
    }

    /// Tells of all of them on standard error.
    pub(crate) fn tell(&self) {
        let heard = self.lock();
        for ((what, remedy), count) in heard.all.iter().take(LISTED) {
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
        let more: u64 = heard.all.values().skip(LISTED).sum::<u64>() + heard.more;
        if more > 0 {
            text::note(&format!("cofferdam: and {more} more were denied\n"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
