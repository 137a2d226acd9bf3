//! `restrict` and `is_within` of network rules and secrets, against a model that asks every rule
//! about every connection of a small world.

mod common;

use std::net::IpAddr;

use cofferdam_policy::{
    Destination, HostName, Network, NetworkMode, NetworkRule, Policy, Secret, SecretPlace,
};
use common::{network, network_rule, secrets};
use proptest::prelude::*;

/// Something that a program tries: to whom, at which port, with which request if any.
#[derive(Clone, Debug)]
struct Attempt {
    host: Host,
    port: u16,
    request: Option<(&'static str, &'static str)>,
}

#[derive(Clone, Debug)]
enum Host {
    Name(&'static str),
    Address(IpAddr),
}

/// Names deeper and wider than any rule, addresses in and beside each range, a port more than any
/// list, and requests of each kind.
fn world() -> Vec<Attempt> {
    let names = [
        "t", "a.t", "b.t", "b.a.t", "a.b.t", "c.b.a.t", "b.a.a.t", "u", "a.u", "b.a.u",
    ];
    let addresses = [
        "10.1.0.1",
        "10.1.0.2",
        "10.2.0.1",
        "11.0.0.1",
        "::1",
        "::2",
        "::ffff:10.1.0.1",
    ];
    let hosts = names.map(Host::Name).into_iter();
    let hosts = hosts.chain(addresses.map(|text| Host::Address(text.parse().expect("an address"))));
    let mut requests = vec![None];
    for method in ["GET", "PUT", "POST"] {
        for path in ["/", "/a", "/b", "/a/b", "/b/b", "/a/b/c"] {
            requests.push(Some((method, path)));
        }
    }
    let mut world = Vec::new();
    for host in hosts {
        for port in [1, 2, 3, 4, 65_535] {
            world.extend(requests.iter().map(|request| Attempt {
                host: host.clone(),
                port,
                request: *request,
            }));
        }
    }
    world
}

/// Whether a pattern means a name: written anew, by trying all ways.
fn name_matches(pattern: &[&str], name: &[&str]) -> bool {
    let one = |pattern: &str, label: &str| pattern == "*" || pattern == label;
    match pattern {
        ["*", rest @ ..] => (1..=name.len()).any(|taken| {
            let name = &name[taken..];
            rest.len() == name.len() && rest.iter().zip(name).all(|(a, b)| one(a, b))
        }),
        _ => pattern.len() == name.len() && pattern.iter().zip(name).all(|(a, b)| one(a, b)),
    }
}

fn path_matches(pattern: &[&str], path: &[&str]) -> bool {
    match (pattern, path) {
        (["**"], _) | ([], []) => true,
        (["*", pattern @ ..], [_, path @ ..]) => path_matches(pattern, path),
        ([a, pattern @ ..], [b, path @ ..]) => a == b && path_matches(pattern, path),
        _ => false,
    }
}

fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty()).collect()
}

/// Whether a rule is about an attempt: by its text, as a person would read it.
fn is_about(rule: &NetworkRule, attempt: &Attempt) -> bool {
    let place = match (&rule.to, &attempt.host) {
        (Destination::Name(pattern), Host::Name(name)) => {
            let pattern: Vec<&str> = pattern.as_str().split('.').collect();
            name_matches(&pattern, &name.split('.').collect::<Vec<_>>())
        }
        (Destination::Address(range), Host::Address(address)) => {
            let text = range.to_string();
            let address = match address {
                IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(*address, IpAddr::V4),
                IpAddr::V4(_) => *address,
            };
            match (text.as_str(), address) {
                ("10.0.0.0/8", IpAddr::V4(v4)) => v4.octets()[0] == 10,
                ("10.1.0.0/16", IpAddr::V4(v4)) => v4.octets()[..2] == [10, 1],
                ("0.0.0.0/0", address) => address.is_ipv4(),
                ("::/0", address) => address.is_ipv6(),
                (one, address) => address.to_string() == one,
            }
        }
        _ => false,
    };
    let port = rule
        .ports
        .ranges()
        .any(|range| range.contains(&attempt.port));
    let request = match (&rule.http, attempt.request) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(http), Some((method, path))) => {
            let paths = http.paths.iter().map(ToString::to_string);
            let paths: Vec<String> = paths.collect();
            (http.methods.is_empty() || http.methods.iter().any(|one| one == method))
                && (paths.is_empty()
                    || paths
                        .iter()
                        .any(|one| path_matches(&parts(one), &parts(path))))
        }
    };
    place && port && request
}

fn allows(network: &Network, attempt: &Attempt) -> bool {
    let about = |rules: &[NetworkRule]| rules.iter().any(|rule| is_about(rule, attempt));
    match network.mode {
        NetworkMode::None => false,
        NetworkMode::Rules => about(&network.allow) && !about(&network.deny),
        NetworkMode::Host => {
            let listed = |ports: &Vec<u16>| ports.contains(&attempt.port);
            network.connect.as_ref().is_none_or(listed)
        }
        other => panic!("{other:?}"),
    }
}

fn with(network: Network) -> Policy {
    Policy {
        network,
        ..Policy::default()
    }
}

fn rules(allow: &[&str], deny: &[&str]) -> Policy {
    let network = allow
        .iter()
        .fold(Network::default().rules(), |net, rule| net.allow(*rule));
    with(deny.iter().fold(network, |net, rule| net.deny(*rule)))
}

proptest! {
    #[test]
    fn a_rule_is_about_what_its_text_says(rule in network_rule()) {
        for attempt in world() {
            let (place, port) = (&attempt.host, attempt.port);
            let connection = match place {
                Host::Name(name) => rule.is_name(&HostName::parse(name).expect("a name"), port),
                Host::Address(address) => rule.is_address(*address, port),
            };
            let request = match (&rule.http, attempt.request) {
                (Some(http), Some((method, path))) => http.matches(method, path),
                (http, request) => http.is_none() || request.is_some(),
            };
            prop_assert_eq!(connection && request, is_about(&rule, &attempt), "{} {:?}", rule, attempt);
        }
    }

    #[test]
    fn what_is_left_is_what_both_allow(a in network(), b in network()) {
        let both = with(a.clone()).restrict(&with(b.clone())).network;
        for attempt in world() {
            let left = allows(&both, &attempt);
            prop_assert_eq!(left, allows(&a, &attempt) && allows(&b, &attempt), "{:?}", attempt);
        }
    }

    #[test]
    fn what_is_within_allows_no_more(a in network(), b in network(), c in network()) {
        let tight = with(a.clone()).restrict(&with(c)).network;
        for (tight, wide) in [(&a, &b), (&tight, &a), (&a, &tight)] {
            if with(tight.clone()).is_within(&with(wide.clone())) {
                for attempt in world() {
                    prop_assert!(!allows(tight, &attempt) || allows(wide, &attempt), "{:?}", attempt);
                }
            }
        }
    }

    #[test]
    fn the_normal_form_allows_the_same(a in network()) {
        let normal = with(a.clone()).normalize().network;
        for attempt in world() {
            prop_assert_eq!(allows(&normal, &attempt), allows(&a, &attempt), "{:?}", attempt);
        }
    }

    #[test]
    fn a_secret_goes_nowhere_that_it_did_not(
        (a, own) in (network(), secrets()), (b, others) in (network(), secrets()),
    ) {
        let policy = |network: &Network, secrets: &[Secret]| Policy {
            network: network.clone(), secrets: secrets.to_vec(), ..Policy::default()
        };
        let both = policy(&a, &own).restrict(&policy(&b, &others));
        for attempt in world() {
            let Host::Name(name) = &attempt.host else { continue };
            let name = HostName::parse(name).expect("a name");
            for secret in both.secrets.iter().filter(|secret| secret.is_for(&name, attempt.port)) {
                for all in [&own, &others] {
                    let same = all.iter().find(|one| one.name == secret.name).expect("known");
                    prop_assert!(same.is_for(&name, attempt.port));
                    prop_assert_eq!(&same.source, &secret.source);
                    prop_assert!(secret.ttl.is_some_and(|ttl| same.ttl.is_none_or(|own| ttl <= own))
                        || same.ttl.is_none());
                }
            }
        }
    }
}

#[test]
fn rules_are_between_none_and_the_host() {
    let (none, host) = (Policy::default(), with(Network::default().host()));
    let some = rules(&["a.test:443", "10.0.0.0/8:5432"], &[]);
    assert!(none.is_within(&some) && some.is_within(&host) && none.is_within(&host));
    assert!(!some.is_within(&none) && !host.is_within(&some));
    assert_eq!(some.restrict(&host), some.normalize());
    assert_eq!(host.restrict(&some), some.normalize());
    assert_eq!(some.restrict(&none), none);

    let ports = with(Network::default().host().connect([443]));
    assert!(!some.is_within(&ports));
    assert_eq!(some.restrict(&ports), rules(&["a.test:443"], &[]));
    let clients = with(Network::default().package_clients());
    assert!(clients.is_within(&host) && !clients.is_within(&ports));
    assert!(!clients.restrict(&ports).network.package_clients);
    // What the host's network does not bring.
    let sockets = with(Network::default().rules().forward_unix("/a", "/b"));
    assert!(!sockets.is_within(&host));
    assert_eq!(sockets.restrict(&host), rules(&[], &[]));
    let agent = with(Network::default().ssh_agent(["SHA256:x"]));
    assert!(!agent.is_within(&host));
    assert_eq!(agent.restrict(&host), rules(&[], &[]));
}

#[test]
fn two_lists_leave_what_both_allow() {
    for (a, b, both) in [
        (
            &["*.a.test"][..],
            &["*.test:443"][..],
            &["*.a.test:443"][..],
        ),
        (&["b.*.test"], &["*.a.test:1-9"], &["b.a.test:1-9"]),
        (&["a.test:80"], &["a.test:443"], &[]),
        (&["*"], &["10.0.0.0/8"], &[]),
        (
            &["10.0.0.0/8:1-5"],
            &["10.1.0.0/16:5-9"],
            &["10.1.0.0/16:5"],
        ),
        (
            &["a.test GET,PUT /x/**"],
            &["a.test"],
            &["a.test GET,PUT /x/**"],
        ),
        (
            &["a.test GET,PUT /x/**"],
            &["a.test:1 GET /*/y"],
            &["a.test:1 GET /x/y"],
        ),
        (&["a.test GET"], &["a.test PUT"], &[]),
    ] {
        let (a, b, both) = (rules(a, &[]), rules(b, &[]), rules(both, &[]));
        assert_eq!(a.restrict(&b), both);
        assert_eq!(b.restrict(&a), both);
        assert!(both.is_within(&a) && both.is_within(&b));
    }
    let (a, b) = (
        rules(&["*.test"], &["a.test"]),
        rules(&["*.test"], &["b.test:1"]),
    );
    assert_eq!(a.restrict(&b), rules(&["*.test"], &["a.test", "b.test:1"]));
    assert!(!a.is_within(&b) && !b.is_within(&a));
}

#[test]
fn rules_that_change_nothing_are_left_out() {
    let normal = |allow: &[&str], deny: &[&str]| rules(allow, deny).normalize();
    assert_eq!(
        normal(&["a.test:1", "a.test:2", "*.test:2"], &[]),
        rules(&["*.test:2", "a.test:1"], &[])
    );
    assert_eq!(
        normal(&["a.test", "b.test"], &["*.test"]),
        rules(&[], &["*.test"])
    );
    assert_eq!(normal(&["a.test /**"], &[]), rules(&["a.test *"], &[]));
    assert_eq!(
        normal(&["a.test /x /x/**", "a.test *"], &[]),
        rules(&["a.test *"], &[])
    );
    // Two that only together cover a third are not added up.
    assert!(!rules(&["10.0.0.0/8"], &[]).is_within(&rules(&["10.0.0.0/9", "10.128.0.0/9"], &[])));
}

#[test]
fn a_text_that_is_no_rule_is_not_lost() {
    let (bad, good) = (
        rules(&["https://a.test"], &["b..test"]),
        rules(&["a.test"], &[]),
    );
    for both in [bad.restrict(&good), good.restrict(&bad), bad.normalize()] {
        assert_eq!((both.network.allow.len(), both.network.deny.len()), (1, 1));
        assert!(both.validate().is_err());
    }
}

#[test]
fn a_project_cannot_send_a_secret_elsewhere() {
    let policy = |allow: &[&str], secret: Secret| Policy {
        secrets: vec![secret],
        ..rules(allow, &[])
    };
    let secret = |host| Secret::default().env("S").bearer_for(host);
    let user = policy(&["*.a.test"], secret("api.a.test"));
    let both = user.restrict(&policy(&["*"], secret("*.a.test")));
    assert_eq!(both.secrets, [secret("api.a.test")]);
    assert_eq!(both.validate(), Ok(()));
    assert!(both.is_within(&user));
    for other in [
        secret("evil.test"),
        secret("api.a.test").from_env("OTHER"),
        secret("api.a.test").place(SecretPlace::Query("q".into())),
        secret("api.a.test").prefix("p"),
        Secret {
            name: "T".into(),
            ..secret("api.a.test")
        },
    ] {
        let other = policy(&["*"], other);
        assert_eq!(user.restrict(&other).secrets, []);
        assert!(!other.is_within(&user) && !user.is_within(&other));
    }
    // Nor does one stay whose hosts are out of reach.
    assert_eq!(
        user.restrict(&policy(&["www.a.test"], secret("api.a.test")))
            .secrets,
        []
    );
    let header = |name: &str| {
        policy(
            &["a.test"],
            Secret::default().env("S").header_for(name, "a.test"),
        )
    };
    assert!(
        header("X-Key").is_within(&header("x-key")) && header("x-key").is_within(&header("X-Key"))
    );
}
