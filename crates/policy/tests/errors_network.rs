//! Defects of network rules and secrets, and what their texts say.

#[macro_use]
mod refused;

use cofferdam_policy::{
    Environment, Layer, Layers, Network, NetworkRule, Policy, PolicyError, Ports, Secret,
    SecretPlace,
};

fn network(part: impl FnOnce(Network) -> Network) -> Policy {
    Policy {
        network: part(Network::default()),
        ..Policy::default()
    }
}

/// A policy with a secret that is fine but for what is changed.
fn secret(part: impl FnOnce(Secret) -> Secret) -> Policy {
    let fine = Secret::default().env("TOKEN").bearer_for("api.example.com");
    Policy {
        secrets: vec![part(fine)],
        ..network(|net| net.allow("*.example.com:443"))
    }
}

fn key() -> String {
    format!("SHA256:{}", "aB3+/".repeat(8) + "xyz")
}

#[test]
fn the_usual_is_fine() {
    let policy = network(|net| {
        let net = net
            .package_clients()
            .allow("*.github.example:443")
            .deny("a.test");
        let net = net
            .allow_http("api.test", ["GET"], ["/repos/**"])
            .trust("/ca.pem");
        let net = net
            .publish(([127, 0, 0, 1], 0).into(), 80)
            .publish(([127, 0, 0, 1], 0).into(), 81);
        net.forward_tcp(1, ([127, 0, 0, 1], 2).into())
            .forward_unix("/a", "/b")
            .ssh_agent([key()])
    });
    assert_eq!(policy.validate(), Ok(()));
    assert_eq!(network(Network::rules).validate(), Ok(()));
    assert_eq!(secret(|one| one).validate(), Ok(()));
    assert_eq!(
        secret(|one| one.header_for("X-Key", "a.example.com")).validate(),
        Ok(())
    );
    assert_eq!(
        secret(|one| one.query_for("api_key", "a.example.com")).validate(),
        Ok(())
    );
    assert_eq!(
        secret(|one| one.from_command(["/bin/tool", "./a"])).validate(),
        Ok(())
    );
    assert_eq!(
        secret(|one| one.from_provider("vault").prefix("ghp_")).validate(),
        Ok(())
    );
}

#[test]
fn rules_need_their_mode() {
    let host = |part: fn(Network) -> Network| network(|net| part(net.host()));
    refused!(
        host(|net| net.allow("a.test")),
        PolicyError::NeedsRules {
            what: "network.allow"
        },
        "rules"
    );
    refused!(
        host(|net| net.deny("a.test")),
        PolicyError::NeedsRules {
            what: "network.deny"
        },
        "rules"
    );
    for part in [
        Network::package_clients as fn(Network) -> Network,
        |net| net.trust("/ca"),
        |net| net.publish(([127, 0, 0, 1], 1).into(), 1),
        |net| net.forward_unix("/a", "/b"),
        |net| net.ssh_agent([key()]),
    ] {
        refused!(host(part), PolicyError::NeedsRules { .. }, "set the mode");
        assert_eq!(network(part).validate(), Ok(()));
    }
    let mut none = secret(|one| one);
    none.network = Network::default();
    refused!(none, PolicyError::NeedsRules { what: "secrets" }, "rules");
    let off = Policy {
        layers: Layers::default().off(Layer::Network),
        ..network(Network::rules)
    };
    refused!(
        off,
        PolicyError::NeedsLayer {
            layer: Layer::Network,
            ..
        },
        "network"
    );
    refused!(
        network(|net| net.rules().connect([1])),
        PolicyError::PortsWithoutHost { .. },
        "host"
    );
}

#[test]
fn rules() {
    for (text, says) in [
        ("https://example.com/x", "write `example.com:443`"),
        ("2130706433", "127.0.0.1"),
        ("*example.com", "whole labels"),
        ("10.0.0.1/8", "10.0.0.0/8"),
    ] {
        refused!(
            network(|net| net.allow(text)),
            PolicyError::UnreadableRule { .. },
            says
        );
        refused!(
            network(|net| net.deny(text)),
            PolicyError::UnreadableRule { .. },
            "network.deny"
        );
    }
    let bad = network(|net| net.allow_http("a.test", ["GET"], ["repos"]));
    refused!(bad, PolicyError::UnreadableRule { .. }, "begin with `/`");
    let bad = network(|net| net.allow_http("a.test", ["get"], ["/"]));
    refused!(bad, PolicyError::HttpMethod { .. }, "upper case");
    let rule = NetworkRule::from("a.test").ports(Ports::of([]));
    refused!(
        network(|net| net.allow(rule)),
        PolicyError::NoPorts { .. },
        "a.test"
    );
    let many =
        |count| network(|net| (0..count).fold(net, |net, n| net.allow(format!("h{n}.test"))));
    refused!(
        many(4097),
        PolicyError::TooManyRules { count: 4097, .. },
        "patterns"
    );
    assert_eq!(many(4096).validate(), Ok(()));
}

#[test]
fn ways_in_and_out() {
    let local = |port| ([127, 0, 0, 1], port).into();
    refused!(
        network(|net| net.publish(local(1), 0)),
        PolicyError::PortZeroInside { .. },
        "publish"
    );
    refused!(
        network(|net| net.publish(local(1), 1).publish(local(1), 2)),
        PolicyError::PublishedTwice { .. },
        "127.0.0.1:1"
    );
    refused!(
        network(|net| net.forward_tcp(0, local(1))),
        PolicyError::PortZeroInside { .. },
        "forward"
    );
    refused!(
        network(|net| net.forward_tcp(1, local(0))),
        PolicyError::ForwardPortZero,
        "port 0"
    );
    refused!(
        network(|net| net.forward_unix("/a", "/b").forward_unix("/a", "/c")),
        PolicyError::ForwardedTwice { .. },
        "`/a`"
    );
    refused!(
        network(|net| net.forward_unix("/a", "b")),
        PolicyError::RelativePath { .. },
        "rebase"
    );
    refused!(
        network(|net| net.forward_unix("a", "/b")),
        PolicyError::RelativePath { .. },
        "network.forward"
    );
    let long = format!("/{}", "a".repeat(107));
    refused!(
        network(|net| net.forward_unix("/a", &long)),
        PolicyError::SocketPathTooLong { .. },
        "107"
    );
    assert_eq!(
        network(|net| net.forward_unix("/a", &long[..107])).validate(),
        Ok(())
    );
    refused!(
        network(|net| net.trust("ca")),
        PolicyError::RelativePath { .. },
        "network.trust"
    );
    refused!(
        network(|net| net.ssh_agent::<String>([])),
        PolicyError::AgentWithoutKeys,
        "fingerprint"
    );
    for bad in [
        key() + "a",
        key().replace("SHA256", "MD5"),
        key().replace('B', "-"),
    ] {
        refused!(
            network(|net| net.ssh_agent([bad])),
            PolicyError::AgentKey { .. },
            "ssh-add -l"
        );
    }
}

#[test]
fn secrets() {
    for name in ["", "1A", "A-B", "A=B", "Ä", "A\0"] {
        refused!(
            secret(|one| Secret {
                name: name.into(),
                ..one
            }),
            PolicyError::SecretName { .. },
            "letters"
        );
    }
    let mut twice = secret(|one| one);
    twice.secrets.push(twice.secrets[0].clone());
    refused!(twice, PolicyError::DuplicateSecret { .. }, "twice");
    for environment in [
        Environment::default().inherit("TOKEN"),
        Environment::default().set("TOKEN", "x"),
    ] {
        let both = Policy {
            environment,
            ..secret(|one| one)
        };
        refused!(
            both,
            PolicyError::SecretInEnvironment { .. },
            "[environment]"
        );
    }
    refused!(
        secret(|one| one.prefix("a b")),
        PolicyError::SecretPrefix { .. },
        "letters"
    );
    refused!(
        secret(|one| one.prefix("a".repeat(33))),
        PolicyError::SecretPrefix { .. },
        "32"
    );
    refused!(
        secret(|one| one.ttl(std::time::Duration::ZERO)),
        PolicyError::ZeroLimit { .. },
        "ttl"
    );
}

#[test]
fn sources_of_secrets() {
    refused!(
        secret(|one| one.from_env("A=B")),
        PolicyError::SecretVariable { .. },
        "A=B"
    );
    refused!(
        secret(|one| one.from_env("")),
        PolicyError::SecretWithoutSource { .. },
        "empty"
    );
    refused!(
        secret(|one| one.from_provider("")),
        PolicyError::SecretWithoutSource { .. },
        "empty"
    );
    refused!(
        secret(|one| one.from_command::<String>([])),
        PolicyError::SecretWithoutSource { .. },
        "empty"
    );
    refused!(
        secret(|one| one.from_command(["./tool"])),
        PolicyError::SecretProgram { .. },
        "PATH"
    );
    refused!(
        secret(|one| one.from_command(["tool", "\0"])),
        PolicyError::SecretArgument { .. },
        "NUL"
    );
    refused!(
        secret(|one| one.from_file("token")),
        PolicyError::RelativePath { .. },
        "file of a secret"
    );
}

#[test]
fn places_of_secrets() {
    for header in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "CONNECTION",
        "Upgrade",
        "TE",
    ] {
        let policy = secret(|one| one.place(SecretPlace::Header(header.into())));
        refused!(policy, PolicyError::SecretFraming { .. }, header);
    }
    for header in ["", ":authority", "X Key", "X-Key:", "X\r\nY"] {
        let policy = secret(|one| one.place(SecretPlace::Header(header.into())));
        refused!(policy, PolicyError::SecretHeader { .. }, "X-Api-Key");
    }
    for parameter in ["", "a=b", "a&b", "a b", "%61"] {
        let policy = secret(|one| one.place(SecretPlace::Query(parameter.into())));
        refused!(policy, PolicyError::SecretParameter { .. }, "letters");
    }
}

#[test]
fn hosts_of_secrets() {
    refused!(
        secret(|one| Secret {
            hosts: vec![],
            ..one
        }),
        PolicyError::SecretWithoutHost { .. },
        "name the hosts"
    );
    refused!(
        secret(|one| one.host("10.0.0.1")),
        PolicyError::SecretHost { .. },
        "bound to names"
    );
    refused!(
        secret(|one| one.host("https://a.test")),
        PolicyError::SecretHost { .. },
        "`a.test:443`"
    );
    for host in ["*", "example.*", "*.*"] {
        refused!(
            secret(|one| one.host(host)),
            PolicyError::SecretForEverybody { .. },
            host
        );
    }
    refused!(
        secret(|one| one.host("a.test")),
        PolicyError::SecretUnreachable { .. },
        "add `a.test:443`"
    );
    refused!(
        secret(|one| one.host("a.example.com:80")),
        PolicyError::SecretUnreachable { .. },
        "no rule"
    );
    assert_eq!(
        secret(|one| one.host("*.api.example.com")).validate(),
        Ok(())
    );
    // Where the package clients lead is known only on the host.
    let mut policy = secret(|one| one.host("a.test"));
    policy.network = policy.network.package_clients();
    assert_eq!(policy.validate(), Ok(()));
    let mut policy = secret(|one| one);
    policy.secrets[0].hosts[0].ports = Ports::of([]);
    refused!(policy, PolicyError::SecretWithoutPort { .. }, "443");
}
