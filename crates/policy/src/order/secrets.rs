//! The order of secrets. They are only of use where rules lead to their hosts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::network::{Reach, allowed};
use super::{limit_within, tightest};
use crate::{
    Destination, Network, NetworkMode, NetworkRule, Policy, Secret, SecretHost, SecretHostError,
    SecretPlace, SecretSource,
};

pub(super) fn within(a: &Policy, b: &Policy) -> bool {
    let others = effective(&b.network, &b.secrets);
    effective(&a.network, &a.secrets)
        .into_iter()
        .all(|(key, own)| {
            others.get(&key).is_some_and(|other| {
                limit_within(own.ttl, other.ttl) && own.hosts.within(&other.hosts)
            })
        })
}

/// The secrets that both have, for the hosts that both have and `network`, which is that of the
/// result, leads to.
pub(super) fn restrict(a: &Policy, b: &Policy, network: &Network) -> Vec<Secret> {
    let bindings = |policy: &Policy| effective(&policy.network, &policy.secrets);
    let (own, mut others) = (bindings(a), bindings(b));
    let mut both = Vec::new();
    for (key, own) in own {
        let Some(other) = others.remove(&key) else {
            continue;
        };
        let (name, source, place, prefix) = key;
        let mut unreadable = own.unreadable;
        unreadable.extend(other.unreadable);
        unreadable.sort();
        unreadable.dedup();
        both.push(Secret {
            name,
            source,
            place,
            prefix,
            unreadable,
            ttl: tightest(own.ttl, other.ttl),
            hosts: hosts(own.hosts.intersection(&other.hosts).pruned()),
        });
    }
    let secrets = effective(network, &both);
    let secret = |((name, source, place, prefix), binding): (Key, Binding)| Secret {
        name,
        source,
        place,
        prefix,
        unreadable: binding.unreadable,
        ttl: binding.ttl,
        hosts: hosts(binding.hosts),
    };
    secrets.into_iter().map(secret).collect()
}

/// What must be equal for two secrets to be the same.
type Key = (String, SecretSource, SecretPlace, String);

/// How far a secret goes.
struct Binding {
    ttl: Option<Duration>,
    hosts: Reach,
    unreadable: Vec<SecretHostError>,
}

/// The secrets with the hosts, at the ports, that the network leads to, in normal form; those with
/// none are none.
fn effective(network: &Network, secrets: &[Secret]) -> BTreeMap<Key, Binding> {
    let mut found = BTreeMap::new();
    if network.mode != NetworkMode::Rules {
        return found;
    }
    let reach = allowed(network);
    for secret in secrets {
        let key = (
            secret.name.clone(),
            secret.source.clone(),
            canonical(&secret.place),
            secret.prefix.clone(),
        );
        let rules: Vec<NetworkRule> = secret
            .hosts
            .iter()
            .map(|host| {
                let rule = NetworkRule::from(host.name.clone());
                let ports = match network.package_clients {
                    true => host.ports.clone(),
                    false => reach.ports_to(&rule.to).intersection(&host.ports),
                };
                rule.ports(ports)
            })
            .filter(|rule| !rule.ports.is_empty())
            .collect();
        if rules.is_empty() && secret.unreadable.is_empty() {
            continue;
        }
        let binding = Binding {
            ttl: secret.ttl,
            hosts: Reach::of(&rules).pruned(),
            unreadable: secret.unreadable.clone(),
        };
        // Of two under one name, which validation refuses, the first counts.
        found.entry(key).or_insert(binding);
    }
    found
}

/// Names of headers are the same in any case (RFC 9110 section 5.1).
fn canonical(place: &SecretPlace) -> SecretPlace {
    match place {
        SecretPlace::Header(name) => SecretPlace::Header(name.to_ascii_lowercase()),
        other => other.clone(),
    }
}

fn hosts(reach: Reach) -> Vec<SecretHost> {
    let host = |rule: NetworkRule| match rule.to {
        Destination::Name(name) => Some(SecretHost {
            name,
            ports: rule.ports,
        }),
        _ => None,
    };
    reach.rules().filter_map(host).collect()
}
