//! The order of network parts.

use std::collections::{BTreeMap, BTreeSet};

use crate::network::http::MOST;
use crate::{
    Destination, Endpoint, Forward, HostEndpoint, HttpMatch, Network, NetworkMode, NetworkRule,
    Ports, Publish, SshAgent,
};

pub(super) fn within(a: &Network, b: &Network) -> bool {
    match (a.mode, b.mode) {
        (NetworkMode::None, _) => true,
        (NetworkMode::Rules, NetworkMode::Rules) => rules_within(a, b),
        (NetworkMode::Rules, NetworkMode::Host) => rules_within_host(a, b),
        (NetworkMode::Host, NetworkMode::Host) => {
            ports_within(&a.connect, &b.connect) && ports_within(&a.bind, &b.bind)
        }
        _ => false,
    }
}

pub(super) fn restrict(a: &Network, b: &Network) -> Network {
    match (a.mode, b.mode) {
        (NetworkMode::Host, NetworkMode::Host) => Network {
            mode: NetworkMode::Host,
            connect: restrict_ports(&a.connect, &b.connect),
            bind: restrict_ports(&a.bind, &b.bind),
            ..Network::default()
        },
        (NetworkMode::Rules, NetworkMode::Rules) => restrict_rules(a, b),
        (NetworkMode::Rules, NetworkMode::Host) => restrict_to_host(a, b),
        (NetworkMode::Host, NetworkMode::Rules) => restrict_to_host(b, a),
        _ => Network::default(),
    }
}

/// What is left of the allowed connections when the denied ones are taken away, in normal form.
pub(super) fn allowed(network: &Network) -> Reach {
    Reach::of(&network.allow).without(&Reach::of(&network.deny))
}

fn rules_within(a: &Network, b: &Network) -> bool {
    allowed(a).within(&Reach::of(&b.allow))
        && Reach::of(&b.deny).within(&Reach::of(&a.deny))
        && a.package_clients <= b.package_clients
        && all_in(&a.trust, &b.trust)
        && all_in(&a.publish, &b.publish)
        && all_in(&a.forward, &b.forward)
        && agent_within(a.ssh_agent.as_ref(), b.ssh_agent.as_ref())
}

/// On the host's network any name and address can be connected to at the ports of the list; the
/// host's sockets with paths cannot.
fn rules_within_host(a: &Network, b: &Network) -> bool {
    let connect = host_ports(&b.connect);
    allowed(a).0.values().all(|ports| connect.covers(ports))
        && (!a.package_clients || connect == Ports::ANY)
        && a.publish.iter().all(|port| can_publish(b, port))
        && a.forward
            .iter()
            .all(|service| can_forward(&connect, service))
        && agent_keys(a.ssh_agent.as_ref()).is_none()
}

fn restrict_rules(a: &Network, b: &Network) -> Network {
    let deny: Vec<NetworkRule> = a.deny.iter().chain(&b.deny).cloned().collect();
    let both = Reach::of(&a.allow).intersection(&Reach::of(&b.allow));
    let unreadable = a.allow.iter().chain(&b.allow);
    rules(
        both.without(&Reach::of(&deny)),
        unreadable,
        &deny,
        Network {
            package_clients: a.package_clients && b.package_clients,
            trust: common(&a.trust, &b.trust),
            publish: common(&a.publish, &b.publish),
            forward: common(&a.forward, &b.forward),
            ssh_agent: restrict_agent(a.ssh_agent.as_ref(), b.ssh_agent.as_ref()),
            ..Network::default()
        },
    )
}

fn restrict_to_host(a: &Network, host: &Network) -> Network {
    let connect = host_ports(&host.connect);
    let mut reach = allowed(a);
    reach.0.retain(|_, ports| {
        *ports = ports.intersection(&connect);
        !ports.is_empty()
    });
    let mut network = Network {
        package_clients: a.package_clients && connect == Ports::ANY,
        trust: common(&a.trust, &a.trust),
        publish: common(&a.publish, &a.publish),
        forward: common(&a.forward, &a.forward),
        ..Network::default()
    };
    network.publish.retain(|port| can_publish(host, port));
    network
        .forward
        .retain(|service| can_forward(&connect, service));
    rules(reach, a.allow.iter(), &a.deny, network)
}

/// The network part with these rules. What cannot be read is not lost: it is left for validation to
/// report.
fn rules<'a>(
    allow: Reach,
    unreadable: impl Iterator<Item = &'a NetworkRule>,
    deny: &[NetworkRule],
    rest: Network,
) -> Network {
    let listed = |reach: Reach, unreadable: BTreeSet<&NetworkRule>| {
        let unreadable = unreadable.into_iter().cloned();
        reach.rules().chain(unreadable).collect()
    };
    let is_unreadable = |rule: &&NetworkRule| matches!(rule.to, Destination::Unreadable(_));
    Network {
        mode: NetworkMode::Rules,
        allow: listed(allow, unreadable.filter(is_unreadable).collect()),
        deny: listed(
            Reach::of(deny).pruned(),
            deny.iter().filter(is_unreadable).collect(),
        ),
        ..rest
    }
}

/// Where connections go and with which requests, and to which ports.
type Reaches = BTreeMap<Key, Ports>;

/// A set of connections as rules describe it: each destination, with each choice of requests, once.
///
/// Of two that are compared, one covers the other where it does so for each port by a rule of its
/// own: two rules that only together cover a third are not added up.
pub(super) struct Reach(Reaches);

impl Reach {
    pub(super) fn of<'a>(rules: impl IntoIterator<Item = &'a NetworkRule>) -> Self {
        let mut reach = Reach(BTreeMap::new());
        for rule in rules {
            if !matches!(rule.to, Destination::Unreadable(_)) {
                let http = rule.http.as_ref().map(HttpMatch::normalized);
                reach.add(rule.to.clone(), http, &rule.ports);
            }
        }
        reach
    }

    fn add(&mut self, to: Destination, http: Option<HttpMatch>, ports: &Ports) {
        if ports.is_empty() {
            return;
        }
        self.0
            .entry((to, http))
            .and_modify(|known| *known = known.union(ports))
            .or_insert_with(|| ports.clone());
    }

    pub(super) fn rules(self) -> impl Iterator<Item = NetworkRule> {
        let rule = |((to, http), ports)| NetworkRule { to, ports, http };
        self.0.into_iter().map(rule)
    }

    pub(super) fn within(&self, other: &Reach) -> bool {
        self.left(other, |_, _| true).next().is_none()
    }

    /// Without what `other` covers, and without what is covered within it.
    fn without(&self, other: &Reach) -> Reach {
        let left = self.left(other, |_, _| true);
        Reach(left.map(|(key, ports)| (key.clone(), ports)).collect()).pruned()
    }

    /// The normal form: without what is covered by others of it.
    pub(super) fn pruned(self) -> Reach {
        if self.0.len() > MOST {
            // Refused by validation; to look at all the pairs would only take time.
            return self;
        }
        let left = self.left(&self, |own, other| own != other);
        Reach(left.map(|(key, ports)| (key.clone(), ports)).collect())
    }

    pub(super) fn intersection(&self, other: &Reach) -> Reach {
        let mut both = Reach(BTreeMap::new());
        let (own_odd, other_odd) = (self.odd(), other.odd());
        // Of two that meet one covers the other, unless one of them is odd.
        for (key, ports) in &self.0 {
            for (cover, cover_ports) in other.candidates(key, &other_odd) {
                both.add_both((key, ports), (cover, cover_ports));
            }
        }
        for (key, ports) in &other.0 {
            for (cover, cover_ports) in self.candidates(key, &own_odd) {
                both.add_both((key, ports), (cover, cover_ports));
            }
        }
        both
    }

    fn add_both(&mut self, (a, a_ports): (&Key, &Ports), (b, b_ports): (&Key, &Ports)) {
        let Some(to) = a.0.intersection(&b.0) else {
            return;
        };
        let http = match (&a.1, &b.1) {
            (None, None) => None,
            (Some(http), None) | (None, Some(http)) => Some(http.clone()),
            (Some(http), Some(other)) => match http.intersection(other) {
                Some(both) => Some(both),
                None => return,
            },
        };
        self.add(to, http, &a_ports.intersection(b_ports));
    }

    /// The entries to names with a `*` that is not in front, of which no two need to be one in the
    /// other to meet.
    fn odd(&self) -> Vec<(&Key, &Ports)> {
        let is_odd = |(to, _): &Key| match to {
            Destination::Name(name) => name.has_inner_wildcard(),
            _ => false,
        };
        self.0.iter().filter(|(key, _)| is_odd(key)).collect()
    }

    /// The entries whose destination may cover that of the key, found without a look at each; among
    /// them all the odd ones.
    fn candidates<'a>(
        &'a self,
        (to, _): &Key,
        odd: &[(&'a Key, &'a Ports)],
    ) -> Vec<(&'a Key, &'a Ports)> {
        let mut places = vec![to.clone()];
        match to {
            Destination::Name(name) => places.extend(name.above().map(Destination::Name)),
            Destination::Address(range) => places.extend(range.above().map(Destination::Address)),
            Destination::Unreadable(_) => {}
        }
        places.dedup();
        let mut found = odd.to_vec();
        for place in places {
            // Nothing sorts before no requests.
            let entries = self.0.range((place.clone(), None)..);
            let entries = entries.take_while(|((to, _), _)| *to == place);
            // An odd one that is found again changes nothing.
            found.extend(entries);
        }
        found
    }

    /// At which ports it leads to some of `to`.
    pub(super) fn ports_to(&self, to: &Destination) -> Ports {
        let meets = |(own, _): &Key| own.intersection(to).is_some();
        let found = self.0.iter().filter(|(key, _)| meets(key));
        found.fold(Ports::of([]), |all, (_, ports)| all.union(ports))
    }

    /// What of it `other` does not cover, looking only at pairs that are `compared`.
    fn left<'a>(
        &'a self,
        other: &'a Reach,
        compared: impl Fn(&Key, &Key) -> bool,
    ) -> impl Iterator<Item = (&'a Key, Ports)> {
        let odd = other.odd();
        self.0.iter().filter_map(move |(key, ports)| {
            let mut left = ports.clone();
            for (cover, cover_ports) in other.candidates(key, &odd) {
                if covers(cover, key) && compared(key, cover) {
                    left = left.difference(cover_ports);
                }
            }
            (!left.is_empty()).then_some((key, left))
        })
    }
}

type Key = (Destination, Option<HttpMatch>);

/// Whether all connections of `b` are of `a`: a rule without requests also means what is not HTTP.
fn covers((a, a_http): &Key, (b, b_http): &Key) -> bool {
    a.covers(b)
        && match (a_http, b_http) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(a), Some(b)) => a.covers(b),
        }
}

/// The ports that a list of the mode `host` lets be connected to.
fn host_ports(list: &Option<Vec<u16>>) -> Ports {
    match list {
        None => Ports::ANY,
        Some(ports) => Ports::of(ports.iter().map(|port| *port..=*port)),
    }
}

fn can_publish(host: &Network, publish: &Publish) -> bool {
    let listed = |ports: &Vec<u16>| ports.contains(&publish.host.port());
    host.bind.as_ref().is_none_or(listed)
}

/// Whether the program could connect there by itself, were it on the host's network.
fn can_forward(connect: &Ports, service: &Forward) -> bool {
    match (&service.inside, &service.host) {
        (Endpoint::Tcp(_) | Endpoint::Unix(_), HostEndpoint::Tcp(address)) => {
            connect.contains(address.port())
        }
        (_, HostEndpoint::Unix(_)) => false,
    }
}

/// The keys of an agent that has any.
fn agent_keys(agent: Option<&SshAgent>) -> Option<BTreeSet<&String>> {
    agent
        .map(|agent| agent.keys.iter().collect::<BTreeSet<_>>())
        .filter(|keys| !keys.is_empty())
}

fn agent_within(a: Option<&SshAgent>, b: Option<&SshAgent>) -> bool {
    match (agent_keys(a), agent_keys(b)) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(keys), Some(others)) => {
            keys.is_subset(&others) && a.map(|a| &a.socket) == b.map(|b| &b.socket)
        }
    }
}

fn restrict_agent(a: Option<&SshAgent>, b: Option<&SshAgent>) -> Option<SshAgent> {
    let (a, b) = (a?, b?);
    let (keys, others) = (agent_keys(Some(a))?, agent_keys(Some(b))?);
    let keys: Vec<String> = keys
        .intersection(&others)
        .map(|key| (*key).clone())
        .collect();
    (a.socket == b.socket && !keys.is_empty()).then(|| SshAgent {
        socket: a.socket.clone(),
        keys,
    })
}

/// What is in both, sorted and without repetitions.
fn common<T: Clone + Ord>(a: &[T], b: &[T]) -> Vec<T> {
    let (a, b): (BTreeSet<&T>, BTreeSet<&T>) = (a.iter().collect(), b.iter().collect());
    a.intersection(&b).map(|one| (*one).clone()).collect()
}

fn all_in<T: Ord>(a: &[T], b: &[T]) -> bool {
    let b: BTreeSet<&T> = b.iter().collect();
    a.iter().all(|one| b.contains(one))
}

fn ports_within(a: &Option<Vec<u16>>, b: &Option<Vec<u16>>) -> bool {
    match (a, b) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(a), Some(b)) => {
            let b: BTreeSet<u16> = b.iter().copied().collect();
            a.iter().all(|port| b.contains(port))
        }
    }
}

fn restrict_ports(a: &Option<Vec<u16>>, b: &Option<Vec<u16>>) -> Option<Vec<u16>> {
    let set = |ports: &Vec<u16>| -> BTreeSet<u16> { ports.iter().copied().collect() };
    match (a, b) {
        (None, None) => None,
        (Some(ports), None) | (None, Some(ports)) => Some(set(ports).into_iter().collect()),
        (Some(a), Some(b)) => Some(set(a).intersection(&set(b)).copied().collect()),
    }
}
