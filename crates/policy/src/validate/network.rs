//! The check of the network part.

use std::collections::BTreeSet;
use std::path::Path;

use super::check_path;
use crate::error::PolicyError;
use crate::network::http::{MOST, is_method};
use crate::{
    Destination, Endpoint, Forward, HostEndpoint, Network, NetworkMode, NetworkRule, Publish,
    SshAgent,
};

/// The longest path of a socket: `sun_path` without the terminating NUL (unix(7)).
const LONGEST_SOCKET: usize = 107;

/// `SHA256:` and 256 bits in base64 without padding (ssh-keygen(1), -l).
const FINGERPRINT: (&str, usize) = ("SHA256:", 43);

pub(super) fn check(network: &Network) -> Result<(), PolicyError> {
    if network.mode != NetworkMode::Host {
        for (what, ports) in [
            ("network.connect", &network.connect),
            ("network.bind", &network.bind),
        ] {
            if ports.is_some() {
                return Err(PolicyError::PortsWithoutHost { what });
            }
        }
    }
    if network.connect.iter().flatten().any(|port| *port == 0) {
        return Err(PolicyError::ConnectPortZero);
    }
    let of_rules = [
        ("network.allow", !network.allow.is_empty()),
        ("network.deny", !network.deny.is_empty()),
        ("network.package_clients", network.package_clients),
        ("network.trust", !network.trust.is_empty()),
        ("network.publish", !network.publish.is_empty()),
        ("network.forward", !network.forward.is_empty()),
        ("network.ssh_agent", network.ssh_agent.is_some()),
    ];
    for (what, used) in of_rules {
        if used && network.mode != NetworkMode::Rules {
            return Err(PolicyError::NeedsRules { what });
        }
    }
    check_rules("network.allow", &network.allow)?;
    check_rules("network.deny", &network.deny)?;
    for path in &network.trust {
        check_path("network.trust", path)?;
    }
    check_published(&network.publish)?;
    check_forwarded(&network.forward)?;
    network.ssh_agent.as_ref().map_or(Ok(()), check_agent)
}

fn check_rules(what: &'static str, rules: &[NetworkRule]) -> Result<(), PolicyError> {
    let paths = |rule: &NetworkRule| rule.http.as_ref().map_or(0, |http| http.paths.len());
    let count = rules.iter().map(|rule| 1 + paths(rule)).sum();
    if count > MOST {
        let max = MOST;
        return Err(PolicyError::TooManyRules { what, count, max });
    }
    for rule in rules {
        if let Destination::Unreadable(error) = &rule.to {
            let error = (**error).clone();
            return Err(PolicyError::UnreadableRule { what, error });
        }
        if rule.ports.is_empty() {
            let rule = rule.to.to_string();
            return Err(PolicyError::NoPorts { what, rule });
        }
        let mut methods = rule.http.iter().flat_map(|http| &http.methods);
        if let Some(method) = methods.find(|method| !is_method(method)) {
            let method = method.clone();
            return Err(PolicyError::HttpMethod { what, method });
        }
    }
    Ok(())
}

fn check_published(published: &[Publish]) -> Result<(), PolicyError> {
    let mut places = BTreeSet::new();
    for publish in published {
        if publish.port == 0 {
            let what = "network.publish";
            return Err(PolicyError::PortZeroInside { what });
        }
        // Each 0 becomes a port of its own.
        if publish.host.port() != 0 && !places.insert(publish.host) {
            let address = publish.host;
            return Err(PolicyError::PublishedTwice { address });
        }
    }
    Ok(())
}

fn check_forwarded(forwarded: &[Forward]) -> Result<(), PolicyError> {
    let what = "network.forward";
    let mut places = BTreeSet::new();
    for forward in forwarded {
        match &forward.inside {
            Endpoint::Tcp(0) => return Err(PolicyError::PortZeroInside { what }),
            Endpoint::Tcp(_) => {}
            Endpoint::Unix(path) => check_socket(what, path)?,
        }
        match &forward.host {
            HostEndpoint::Tcp(address) if address.port() == 0 => {
                return Err(PolicyError::ForwardPortZero);
            }
            HostEndpoint::Tcp(_) => {}
            HostEndpoint::Unix(path) => check_socket(what, path)?,
        }
        if !places.insert(&forward.inside) {
            let inside = forward.inside.to_string();
            return Err(PolicyError::ForwardedTwice { inside });
        }
    }
    Ok(())
}

fn check_socket(what: &'static str, path: &Path) -> Result<(), PolicyError> {
    check_path(what, path)?;
    match path.as_os_str().len() {
        0..=LONGEST_SOCKET => Ok(()),
        length => Err(PolicyError::SocketPathTooLong {
            what,
            path: path.into(),
            length,
            max: LONGEST_SOCKET,
        }),
    }
}

fn check_agent(agent: &SshAgent) -> Result<(), PolicyError> {
    if let Some(socket) = &agent.socket {
        check_socket("network.ssh_agent", socket)?;
    }
    if agent.keys.is_empty() {
        return Err(PolicyError::AgentWithoutKeys);
    }
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    let fingerprint = |key: &&String| {
        key.strip_prefix(FINGERPRINT.0)
            .is_some_and(|hash| hash.len() == FINGERPRINT.1 && hash.bytes().all(base64))
    };
    match agent.keys.iter().find(|key| !fingerprint(key)) {
        Some(key) => Err(PolicyError::AgentKey { key: key.clone() }),
        None => Ok(()),
    }
}
