//! The decision: a function of rules and a request, with no socket, clock or file.

mod path;
mod remedy;

use crate::{Host, address};
use cofferdam_policy::{AddressRange, Destination, NetworkRule, Ports};
use path::Path;
use std::fmt;
use std::net::IpAddr;

/// The rules in force. Deny comes first; what no rule allows is denied.
///
/// Rules about names are about hosts that are asked for by name, rules about addresses about those
/// asked for by address. Beside that, rules about addresses hold for the addresses that a name leads
/// to: those that deny, and of those that allow the ones that open a special address
/// ([`address::special`]) to it. A special address is only opened by a rule whose range lies within
/// the range that makes it special, so `0.0.0.0/0` opens no loopback, and `169.254.0.0/16` no
/// metadata service.
///
/// A rule that cannot be read ([`Destination::Unreadable`]) allows nothing, and denies everything.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    allow: Vec<NetworkRule>,
    deny: Vec<NetworkRule>,
}

/// What becomes of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectVerdict {
    /// It passes through; the text of the rule.
    Allow(String),
    /// It is looked into, as rules ask about its requests.
    Inspect,
    /// It is denied.
    Deny(Denial),
}

/// What becomes of one HTTP request of a connection that is looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestVerdict {
    /// It passes; the text of the rule.
    Allow(String),
    /// It is denied.
    Deny(Denial),
}

/// Why something is denied, and what would allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why.
    pub reason: Reason,
    /// The text of the rule that denies it, where one does.
    pub rule: Option<String>,
    /// What a person can do to allow it.
    pub remedy: String,
}

/// Why something is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No rule allows it. Only of this a decision hook is asked.
    NotAllowed,
    /// A rule denies it.
    Denied,
    /// The address, or each one that the name leads to, is of a special range (private, loopback,
    /// link-local, metadata, …) that no rule names.
    SpecialAddress,
    /// The name of the TLS handshake or of the HTTP request is not the one that was connected to.
    OtherName,
    /// Bytes that can be read in two ways, or in none.
    Malformed,
    /// The connection has to be looked into and cannot be: neither HTTP nor TLS.
    NotHttp,
    /// The server's certificate does not hold for the name.
    Certificate,
    /// The name does not resolve, or no address of it answers.
    Unreachable,
    /// The decision hook said no.
    Refused,
    /// The decision hook did not answer in time.
    NoAnswer,
    /// A protocol that has no way out: DNS for another kind of record, SOCKS BIND, UDP.
    Protocol,
    /// A limit of the gate: connections, names, events, size or time of a head.
    Limit,
    /// A secret could not be had.
    Secret,
    /// What would have been allowed could not be recorded.
    Unrecorded,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::NotAllowed => "no rule allows it",
            Reason::Denied => "a rule denies it",
            Reason::SpecialAddress => "the name leads to a private or otherwise special address",
            Reason::OtherName => "it asks for another name than the one that was connected to",
            Reason::Malformed => "it is malformed",
            Reason::NotHttp => "it has to be looked into and is neither HTTP nor TLS",
            Reason::Certificate => "the server's certificate does not hold",
            Reason::Unreachable => "the server cannot be reached",
            Reason::Refused => "the decision hook said no",
            Reason::NoAnswer => "the decision hook did not answer in time",
            Reason::Protocol => "this protocol has no way out",
            Reason::Limit => "a limit of the gate is reached",
            Reason::Secret => "a secret could not be had",
            Reason::Unrecorded => "it cannot be recorded",
        })
    }
}

impl Rules {
    /// Whether any rule asks about requests, so that connections are looked into.
    pub fn asks_about_requests(&self) -> bool {
        let mut all = self.allow.iter().chain(&self.deny);
        all.any(|rule| rule.http.is_some())
    }

    /// Rules from the policy's lists.
    pub fn new(allow: Vec<NetworkRule>, deny: Vec<NetworkRule>) -> Self {
        Self { allow, deny }
    }

    /// Adds a rule that allows this host and port, as the answer of a hook does. What is denied stays
    /// so.
    pub fn allow(&mut self, host: &Host, port: u16) {
        self.allow.push(remedy::rule(host, port));
    }

    /// A connection to this host and port. `inspect` is whether something beside the rules needs it
    /// looked into (a secret).
    ///
    /// Rules that deny it whole come first; rules that deny some requests make it looked into, and
    /// so do rules that allow some requests, where none allows it whole.
    pub fn connect(&self, host: &Host, port: u16, inspect: bool) -> ConnectVerdict {
        let mut inspect = inspect;
        for rule in self.denies(host, port) {
            match rule.http {
                None => return ConnectVerdict::Deny(Denial::denied(rule)),
                Some(_) => inspect = true,
            }
        }
        let mut some = false;
        for rule in self.allows(host, port) {
            match rule.http {
                None if !inspect => return ConnectVerdict::Allow(rule.to_string()),
                _ => some = true,
            }
        }
        match some {
            true => ConnectVerdict::Inspect,
            false => ConnectVerdict::Deny(not_allowed(host, Some(port), None)),
        }
    }

    /// A request on a connection to this host and port, its path as it stands in the request, without
    /// the query.
    ///
    /// Where a rule about this host is about paths, a path that servers read in different ways (dot
    /// segments, encoded slashes, backslashes, parameters of segments, …) is refused. Empty segments
    /// count for nothing, also at the end.
    pub fn request(&self, host: &Host, port: u16, method: &str, path: &str) -> RequestVerdict {
        let path_matters = self
            .denies(host, port)
            .chain(self.allows(host, port))
            .any(|rule| {
                rule.http
                    .as_ref()
                    .is_some_and(|http| !http.paths.is_empty())
            });
        if let Some(rule) = self.denies(host, port).find(|rule| rule.http.is_none()) {
            return RequestVerdict::Deny(Denial::denied(rule));
        }
        let path = match Path::read(path) {
            Path::Ambiguous if path_matters => return RequestVerdict::Deny(Denial::malformed()),
            // Nothing is compared with it.
            Path::Ambiguous => String::new(),
            Path::Clear(path) => path,
        };
        let upper = method.to_ascii_uppercase();
        let denied = self.denies(host, port).find(|rule| match &rule.http {
            None => true,
            // A server may take `get` for GET. What is allowed is meant to the letter.
            Some(http) => http.matches(method, &path) || http.matches(&upper, &path),
        });
        if let Some(rule) = denied {
            return RequestVerdict::Deny(Denial::denied(rule));
        }
        let allowed = self.allows(host, port).find(|rule| match &rule.http {
            None => true,
            Some(http) => http.matches(method, &path),
        });
        match allowed {
            Some(rule) => RequestVerdict::Allow(rule.to_string()),
            None => RequestVerdict::Deny(not_allowed(host, Some(port), Some((method, &path)))),
        }
    }

    /// Whether a name may be looked up: some port of it could be allowed.
    ///
    /// # Errors
    /// [`Denial`].
    pub fn lookup(&self, host: &Host) -> Result<(), Denial> {
        let whole: Vec<&NetworkRule> = self
            .deny
            .iter()
            .filter(|rule| denies(rule, host) && rule.http.is_none())
            .collect();
        let left = |ports: &Ports| {
            let left = whole
                .iter()
                .fold(ports.clone(), |left, rule| left.difference(&rule.ports));
            !left.is_empty()
        };
        let allow: Vec<&NetworkRule> = self
            .allow
            .iter()
            .filter(|rule| allows(rule, host))
            .collect();
        if allow.iter().any(|rule| left(&rule.ports)) {
            return Ok(());
        }
        match whole.first() {
            Some(rule) if !allow.is_empty() || !left(&Ports::ANY) => Err(Denial::denied(rule)),
            _ => Err(not_allowed(host, None, None)),
        }
    }

    /// Whether a name's address may be connected to: no rule denies it, and where it is special, a
    /// rule opens it for all requests. (What requests to the name may be is a matter of the rules
    /// about the name, so one about some requests to an address denies it here and opens nothing.)
    ///
    /// # Errors
    /// [`Denial`].
    pub fn address(&self, address: IpAddr, port: u16) -> Result<(), Denial> {
        let host = Host::from_address(address);
        if let Some(rule) = self.denies(&host, port).next() {
            return Err(Denial::denied(rule));
        }
        match address::special(address) {
            Some(_) if !self.allows(&host, port).any(|rule| rule.http.is_none()) => {
                Err(not_allowed(&host, Some(port), None))
            }
            _ => Ok(()),
        }
    }

    /// Whether a connection that was opened under other rules may stay: to this host and port, at
    /// this address; `inspected` is whether it is looked into. One that passed through and that these
    /// rules want looked into may not.
    pub fn still_allows(&self, host: &Host, port: u16, address: IpAddr, inspected: bool) -> bool {
        let connect = match self.connect(host, port, inspected) {
            ConnectVerdict::Allow(_) => true,
            ConnectVerdict::Inspect => inspected,
            ConnectVerdict::Deny(_) => false,
        };
        match host {
            Host::Name(_) => connect && self.address(address, port).is_ok(),
            Host::Address(_) => connect,
        }
    }

    fn denies(&self, host: &Host, port: u16) -> impl Iterator<Item = &NetworkRule> {
        self.deny
            .iter()
            .filter(move |rule| rule.ports.contains(port) && denies(rule, host))
    }

    fn allows(&self, host: &Host, port: u16) -> impl Iterator<Item = &NetworkRule> {
        self.allow
            .iter()
            .filter(move |rule| rule.ports.contains(port) && allows(rule, host))
    }
}

fn denies(rule: &NetworkRule, host: &Host) -> bool {
    matches!(rule.to, Destination::Unreadable(_)) || about(rule, host, AddressRange::contains)
}

fn allows(rule: &NetworkRule, host: &Host) -> bool {
    about(rule, host, address::names)
}

fn about(rule: &NetworkRule, host: &Host, within: fn(&AddressRange, IpAddr) -> bool) -> bool {
    match (&rule.to, host) {
        (Destination::Name(pattern), Host::Name(name)) => pattern.matches(name),
        (Destination::Address(range), Host::Address(address)) => within(range, *address),
        _ => false,
    }
}

/// No rule allows it. A special address is never a matter of asking.
fn not_allowed(host: &Host, port: Option<u16>, request: Option<(&str, &str)>) -> Denial {
    let special = match host {
        Host::Address(address) if request.is_none() => address::special(*address),
        _ => None,
    };
    Denial {
        reason: match special {
            Some(_) => Reason::SpecialAddress,
            None => Reason::NotAllowed,
        },
        rule: None,
        remedy: remedy::allow(host, port, request, special),
    }
}

impl Denial {
    fn denied(rule: &NetworkRule) -> Self {
        Denial {
            reason: Reason::Denied,
            rule: Some(rule.to_string()),
            remedy: remedy::remove(rule),
        }
    }

    fn malformed() -> Self {
        Denial {
            reason: Reason::Malformed,
            rule: None,
            remedy: remedy::AMBIGUOUS_PATH.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
