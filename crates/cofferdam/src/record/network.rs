//! What the gate decides, as the record and the list of denials have it.

use super::{Recorder, lock};
use cofferdam_audit::event::{Network, NetworkAct};
use cofferdam_audit::{Denial, Event as Recorded};
use cofferdam_egress::decision::Reason;
use cofferdam_egress::{Decision, Event, EventKind, Events, Host};
use cofferdam_policy::{Destination, NamePattern, NetworkRule, Ports};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// Who hears of the gate's events: the record of the environment that each belongs to.
#[derive(Clone, Default)]
pub(crate) struct Routes {
    recorders: Arc<Mutex<HashMap<u64, Recorder>>>,
}

/// A way to a record, until it is dropped.
#[derive(Debug)]
pub(crate) struct Route {
    routes: Routes,
    environment: u64,
}

impl Routes {
    /// Adds the record of an environment that `attach` makes, together with its number.
    ///
    /// # Errors
    /// Those of `attach`.
    pub(crate) fn add<T, E>(
        &self,
        recorder: &Recorder,
        attach: impl FnOnce() -> Result<(T, u64), E>,
    ) -> Result<(T, Route), E> {
        // Held meanwhile: the gate may tell of the environment before its number is known here.
        let mut recorders = lock(&self.recorders);
        let (attached, environment) = attach()?;
        recorders.insert(environment, recorder.clone());
        let route = Route {
            routes: self.clone(),
            environment,
        };
        Ok((attached, route))
    }

    /// What the gate tells: recorded, and told further.
    pub(crate) fn events(&self, further: Option<Events>) -> Events {
        let routes = self.clone();
        Arc::new(move |event: Event| {
            if let Some(recorder) = routes.of(&event) {
                recorder.hear(&event);
            }
            if let Some(further) = &further {
                further(event);
            }
        })
    }

    /// Whether what is allowed could be recorded.
    pub(crate) fn admit(&self, event: &Event) -> bool {
        self.of(event).is_none_or(|recorder| recorder.admit(event))
    }

    fn of(&self, event: &Event) -> Option<Recorder> {
        lock(&self.recorders).get(&event.environment).cloned()
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        let gone = lock(&self.routes.recorders).remove(&self.environment);
        // Its end may be recorded with it, for which the lock is not needed.
        drop(gone);
    }
}

impl Recorder {
    /// Records what is about to be let through; whether that is possible.
    fn admit(&self, event: &Event) -> bool {
        let Some(mut network) = told(event) else {
            return true;
        };
        if is_flow(&event.kind) {
            network.what = NetworkAct::Opening;
        }
        if let EventKind::Request { secrets, .. } = &event.kind {
            for name in secrets {
                let used = Recorded::SecretUsed {
                    name: name.clone(),
                    host: network.host.clone(),
                };
                if self.record(self.context_inside(), || used).is_err() {
                    return false;
                }
            }
        }
        let recorded = self.record(self.context_inside(), || Recorded::Network(network));
        recorded.is_ok()
    }

    /// Adds a denial that belongs to the environment.
    fn deny(&self, denial: Denial) {
        self.inner.denials.add(None, denial);
    }

    /// Records what was decided, and adds what was denied.
    fn hear(&self, event: &Event) {
        if let EventKind::Suppressed { count, .. } = event.kind {
            let _ = self.record(self.context_inside(), || Recorded::Suppressed {
                kind: "network".into(),
                count,
            });
            if matches!(event.decision, Decision::Denied(_)) {
                self.inner.denials.leave_out(count);
            }
            return;
        }
        // What was allowed was recorded before; of a connection, its figures come now.
        let decided = matches!(event.decision, Decision::Allowed(_));
        if decided && !is_flow(&event.kind) {
            return;
        }
        let Some(network) = told(event) else { return };
        // Whoever came to a published port before a program listened there is somebody outside.
        if let Some(denial) = &network.denial
            && !matches!(event.kind, EventKind::Publish { .. })
        {
            self.deny(denial.clone());
        }
        // It has happened already.
        let _ = self.record(self.context_inside(), || Recorded::Network(network));
    }
}

/// Whether it is about a connection, which is told of when it has ended.
fn is_flow(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::Connection { .. } | EventKind::Forward { .. } | EventKind::Publish { .. }
    )
}

/// An event in the record's words.
fn told(event: &Event) -> Option<Network> {
    let mut network = match &event.kind {
        EventKind::Lookup { name, .. } => Network::new(NetworkAct::Lookup, name.clone(), None),
        EventKind::Connection {
            host,
            port,
            address,
            sent,
            received,
            duration,
        } => Network {
            address: address.map(|address| address.to_string()),
            sent: *sent,
            received: *received,
            duration_us: super::convert::micros(*duration),
            ..Network::new(NetworkAct::Connection, host.to_string(), Some(*port))
        },
        EventKind::Request {
            host,
            port,
            method,
            path,
            ..
        } => Network {
            request: Some([method.clone(), path.clone()]),
            ..Network::new(NetworkAct::Request, host.to_string(), Some(*port))
        },
        EventKind::Signature { key } => Network::new(NetworkAct::Signature, key.clone(), None),
        EventKind::Forward {
            host,
            sent,
            received,
            duration,
            ..
        } => Network {
            sent: *sent,
            received: *received,
            duration_us: super::convert::micros(*duration),
            ..Network::new(NetworkAct::Forward, host.to_string(), None)
        },
        EventKind::Publish {
            from,
            port,
            sent,
            received,
            duration,
        } => Network {
            address: Some(from.to_string()),
            sent: *sent,
            received: *received,
            duration_us: super::convert::micros(*duration),
            ..Network::new(NetworkAct::Publish, from.ip().to_string(), Some(*port))
        },
        EventKind::Proxy { protocol } => Network::new(NetworkAct::Proxy, *protocol, None),
        _ => return None,
    };
    network.times = event.times;
    match &event.decision {
        Decision::Allowed(rule) => network.rule.clone_from(rule),
        Decision::Denied(denied) => network.denial = Some(denial(&event.kind, denied)),
        _ => return None,
    }
    Some(network)
}

/// A denial of the gate's.
fn denial(kind: &EventKind, denied: &cofferdam_egress::decision::Denial) -> Denial {
    let what = match kind {
        EventKind::Lookup { name, record } => match record.as_str() {
            // Programs ask for both kinds of address.
            "A" | "AAAA" => format!("look up {name}"),
            record => format!("look up {name} ({record})"),
        },
        EventKind::Connection { host, port, .. } => format!("connect to {host}:{port}"),
        EventKind::Request {
            host, method, path, ..
        } => format!("send {method} {path} to {host}"),
        EventKind::Signature { key } => format!("sign with the key {key}"),
        EventKind::Forward { inside, host, .. } => {
            format!("connect to {inside} inside, which is {host} on the host")
        }
        EventKind::Publish { port, .. } => format!("connect to the published port {port}"),
        EventKind::Proxy { protocol } => format!("use the proxy by {protocol}"),
        _ => "use the network".into(),
    };
    let layer = match denied.reason {
        Reason::Secret => "secrets",
        _ => "network",
    };
    let told = Denial::certain(layer, what, denied.reason.to_string())
        .by(denied.rule.clone().unwrap_or_default());
    let rule = match (kind, denied.reason) {
        (
            EventKind::Connection { host, port, .. } | EventKind::Request { host, port, .. },
            Reason::NotAllowed,
        )
        // Of a name that leads to such an address, the rule has to name the address.
        | (
            EventKind::Connection {
                host: host @ Host::Address(_),
                port,
                ..
            },
            Reason::SpecialAddress,
        ) => Some(rule(host, *port)),
        (EventKind::Lookup { name, .. }, Reason::NotAllowed) => {
            Host::parse(name).ok().map(|host| destination(&host).to_string())
        }
        _ => None,
    };
    match rule {
        // The gate names the option and the policy file.
        Some(rule) => told.remedy(format!(
            "{}, or with .network(|net| net.allow(\"{rule}\")) on the builder",
            denied.remedy
        )),
        None => told.remedy(denied.remedy.clone()),
    }
}

fn rule(host: &Host, port: u16) -> String {
    destination(host).ports(Ports::one(port)).to_string()
}

fn destination(host: &Host) -> NetworkRule {
    NetworkRule::to(match host {
        Host::Name(name) => Destination::Name(NamePattern::from(name.clone())),
        Host::Address(address) => Destination::Address((*address).into()),
    })
}
