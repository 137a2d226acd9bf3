//! What is told of what happens: all of it, unless a program makes it too much. No clock and no I/O.

use super::shared::denial;
use crate::decision::Reason;
use crate::{Decision, Event, EventKind, Host};
use cofferdam_policy::{Endpoint, HostEndpoint};
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant, SystemTime};

/// What is counted together, from the first event on.
const WINDOW: Duration = Duration::from_secs(1);

/// Denials of the same thing that are told one by one: a name is looked up for IPv4 and IPv6 and tried
/// again, and each of these is of interest.
const FEW: u32 = 3;

/// Events in one window of what was allowed, and as many of what was denied, so that a flood of
/// denials hides nothing that went out. Written down they are some hundred bytes each: a thousand in
/// a second are half a megabyte, which any receiver keeps up with, and more than people read.
const EACH: u32 = 500;

/// Things that are told apart in one window.
const SUBJECTS: usize = 256;

/// The longest text of one, in bytes: with [`SUBJECTS`], what is kept stays below two megabytes.
const TEXT: usize = 2048;

/// Decides what is told of one environment.
#[derive(Debug)]
pub(super) struct Telling {
    environment: u64,
    window: Option<Window>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    allowed: Share,
    denied: Share,
    seen: HashMap<Subject, Repeated>,
    /// Whether anything is to be told at its end.
    holds: bool,
}

/// What was told, and what was left out.
#[derive(Debug, Default)]
struct Share {
    told: u32,
    left: u64,
    sent: u64,
    received: u64,
    last: Option<SystemTime>,
}

/// One thing that is denied.
#[derive(Debug)]
struct Repeated {
    told: u32,
    /// What stands for those that were not told.
    held: Option<Event>,
}

/// What makes two denials the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Subject(Reason, About);

#[derive(Debug, PartialEq, Eq, Hash)]
enum About {
    Lookup(String, String),
    Connection(Host, u16),
    Request(Host, u16, String, String),
    Signature(String),
    Forward(Endpoint, HostEndpoint),
    Publish(IpAddr, u16),
    Proxy(&'static str, String),
}

impl Telling {
    pub(super) fn new(environment: u64) -> Self {
        let window = None;
        Self {
            environment,
            window,
        }
    }

    /// Something was decided; what is to be told now.
    pub(super) fn hear(&mut self, event: Event, now: Instant) -> Vec<Event> {
        let mut told = self.due(now);
        let window = self.window.get_or_insert_with(|| Window::new(now));
        if let Some(subject) = subject(&event) {
            let known = window.seen.len();
            match window.seen.get_mut(&subject) {
                Some(repeated) if repeated.told >= FEW => {
                    repeated.hold(event);
                    window.holds = true;
                    return told;
                }
                Some(repeated) => repeated.told += 1,
                None if known < SUBJECTS => drop(window.seen.insert(subject, Repeated::told(1))),
                None => {}
            }
        }
        let share = match event.decision {
            Decision::Allowed(_) => &mut window.allowed,
            Decision::Denied(_) => &mut window.denied,
        };
        match share.told < EACH {
            true => {
                share.told += 1;
                told.push(event);
            }
            false => {
                share.leave(event);
                window.holds = true;
            }
        }
        told
    }

    /// When something will be due, if nothing else happens.
    pub(super) fn next(&self) -> Option<Instant> {
        let window = self.window.as_ref()?;
        window.holds.then_some(window.since + WINDOW)
    }

    /// What has become due.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Event> {
        let over = |window: &mut Window| now.saturating_duration_since(window.since) >= WINDOW;
        match self.window.take_if(over) {
            Some(window) => self.close(window, Some(now)),
            None => Vec::new(),
        }
    }

    /// All that is left to tell: the environment has ended.
    pub(super) fn end(&mut self) -> Vec<Event> {
        let Some(window) = self.window.take() else {
            return Vec::new();
        };
        self.close(window, None)
    }

    /// What was held back in a window. What was denied over and over in it has had its first times:
    /// in the next one it is told once, and is part of what is told there. Without a next one it is part of
    /// what this one may tell.
    fn close(&mut self, mut window: Window, next: Option<Instant>) -> Vec<Event> {
        let mut next = next.map(Window::new);
        let mut told = Vec::new();
        for (subject, repeated) in window.seen {
            let Some(held) = repeated.held else { continue };
            match &mut next {
                Some(next) => {
                    next.denied.told += 1;
                    next.seen.insert(subject, Repeated::told(FEW));
                    told.push(held);
                }
                None if window.denied.told < EACH => {
                    window.denied.told += 1;
                    told.push(held);
                }
                None => window.denied.leave(held),
            }
        }
        told.sort_by_key(|event| event.at);
        self.window = next.filter(|_| !told.is_empty());
        let allowed = Decision::Allowed("the rules, the policy or the decision hook".into());
        let remedy = "each was denied as ever; find out what asks for so much";
        let denied = Decision::Denied(denial(Reason::Limit, remedy));
        told.extend(window.allowed.suppressed(self.environment, allowed));
        told.extend(window.denied.suppressed(self.environment, denied));
        told
    }
}

impl Window {
    fn new(since: Instant) -> Self {
        Self {
            since,
            allowed: Share::default(),
            denied: Share::default(),
            seen: HashMap::new(),
            holds: false,
        }
    }
}

impl Share {
    fn leave(&mut self, mut event: Event) {
        self.left += event.times;
        self.last = self.last.max(Some(event.at));
        if let Some((sent, received, _)) = flow(&mut event.kind) {
            self.sent += *sent;
            self.received += *received;
        }
    }

    fn suppressed(&self, environment: u64, decision: Decision) -> Option<Event> {
        Some(Event {
            at: self.last?,
            environment,
            kind: EventKind::Suppressed {
                count: self.left,
                sent: self.sent,
                received: self.received,
            },
            decision,
            times: 1,
        })
    }
}

impl Repeated {
    fn told(told: u32) -> Self {
        Self { told, held: None }
    }

    fn hold(&mut self, mut event: Event) {
        if let Some(mut held) = self.held.take() {
            event.times += held.times;
            if let (Some(all), Some(further)) = (flow(&mut event.kind), flow(&mut held.kind)) {
                *all.0 += *further.0;
                *all.1 += *further.1;
                *all.2 = (*all.2).max(*further.2);
            }
        }
        self.held = Some(event);
    }
}

/// What a denial is about; nothing, where it is none or too long to keep.
fn subject(event: &Event) -> Option<Subject> {
    let Decision::Denied(denied) = &event.decision else {
        return None;
    };
    let about = match &event.kind {
        EventKind::Lookup { name, record } if name.len() + record.len() <= TEXT => {
            About::Lookup(name.clone(), record.clone())
        }
        EventKind::Connection { host, port, .. } => About::Connection(host.clone(), *port),
        EventKind::Request {
            host,
            port,
            method,
            path,
            ..
        } if method.len() + path.len() <= TEXT => {
            About::Request(host.clone(), *port, method.clone(), path.clone())
        }
        EventKind::Signature { key } if key.len() <= TEXT => About::Signature(key.clone()),
        EventKind::Forward { inside, host, .. } => About::Forward(inside.clone(), host.clone()),
        EventKind::Publish { from, port, .. } => About::Publish(from.ip(), *port),
        // Of one reason there are several mistakes.
        EventKind::Proxy { protocol } => About::Proxy(protocol, denied.remedy.clone()),
        _ => return None,
    };
    Some(Subject(denied.reason, about))
}

/// Bytes from the program and to it, and how long that took, where there are any.
fn flow(kind: &mut EventKind) -> Option<(&mut u64, &mut u64, &mut Duration)> {
    match kind {
        EventKind::Connection {
            sent,
            received,
            duration,
            ..
        }
        | EventKind::Forward {
            sent,
            received,
            duration,
            ..
        }
        | EventKind::Publish {
            sent,
            received,
            duration,
            ..
        } => Some((sent, received, duration)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
