//! Network rules and secrets as TOML and JSON.

use std::path::Path;
use std::time::Duration;

use cofferdam_policy::{FormatError, Network, Policy, Ports, Secret};

const GATE: &str = r#"
[network]
mode = "rules"
allow = [
    "*.example.com:80,443,8443",
    "10.0.0.0/8:5432",
    "[2001:db8::]/32",
    "www.example.com *",
    { to = "api.example.com:443", methods = ["GET", "HEAD"], paths = ["/repos/**", "/a%20b%2Fc"] },
]
deny = ["ads.example.com"]
package_clients = true
trust = ["/etc/corp.pem"]
publish = ["8080", "[::1]:3000:80"]
forward = ["5432", "/run/in.sock=/run/out.sock"]
ssh_agent = { keys = ["SHA256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], socket = "/run/agent" }
[secrets.API_TOKEN]
from = { command = ["tool", "token"] }
hosts = ["api.example.com", "*.example.com:8443"]
place = { header = "X-Api-Key" }
ttl = "10m"
prefix = "tok_"
[secrets.OTHER]
hosts = ["www.example.com:443"]
"#;

fn gate() -> Policy {
    let address = |text: &str| text.parse().expect("an address");
    let key = format!("SHA256:{}", "a".repeat(43));
    let mut network = Network::default()
        .allow("*.example.com:443,80,8443")
        .allow("10.0.0.0/8:5432")
        .allow("2001:db8::/32")
        .allow("www.example.com *")
        .allow_http(
            "api.example.com:443",
            ["GET", "HEAD"],
            ["/repos/**", "/a%20b%2Fc"],
        )
        .deny("ads.example.com")
        .package_clients()
        .trust("/etc/corp.pem")
        .publish(address("127.0.0.1:8080"), 8080)
        .publish(address("[::1]:3000"), 80)
        .forward_tcp(5432, address("127.0.0.1:5432"))
        .forward_unix("/run/in.sock", "/run/out.sock")
        .ssh_agent([key]);
    network.ssh_agent.as_mut().expect("an agent").socket = Some("/run/agent".into());
    let token = Secret::default()
        .env("API_TOKEN")
        .from_command(["tool", "token"])
        .ttl(Duration::from_secs(600))
        .prefix("tok_")
        .header_for("X-Api-Key", "api.example.com")
        .host("*.example.com:8443");
    let other = Secret::default().env("OTHER").bearer_for("www.example.com");
    Policy {
        network,
        secrets: vec![token, other],
        ..Policy::default()
    }
}

#[test]
fn rules_and_secrets_are_read_and_written() {
    assert_eq!(Policy::from_toml(GATE), Ok(gate()));
    assert_eq!(gate().validate(), Ok(()));
    let toml = gate().to_toml().expect("writable");
    assert_eq!(Policy::from_toml(&toml), Ok(gate()), "{toml}");
    let json = gate().to_json().expect("writable");
    assert_eq!(Policy::from_json(&json), Ok(gate()), "{json}");

    let relative = GATE.replace("\"/etc/corp.pem", "\"corp.pem");
    let relative = relative
        .replace("=/run/out.sock", "=./out.sock")
        .replace("\"/run/agent", "\"agent")
        .replace(
            "{ command = [\"tool\", \"token\"] }",
            "{ file = \"token\" }",
        );
    let based = Policy::from_toml(&relative)
        .expect("fine")
        .rebase(Path::new("/w"));
    assert_eq!(based.validate(), Ok(()));
    let written = based.to_toml().expect("writable");
    for path in [
        "/w/corp.pem",
        "/run/in.sock=/w/out.sock",
        "/w/agent",
        "/w/token",
    ] {
        assert!(
            written.contains(&format!("\"{path}\"")),
            "{path}: {written}"
        );
    }
}

#[test]
fn what_is_no_rule_has_no_text() {
    let network = |network| Policy {
        network,
        ..Policy::default()
    };
    let mut no_ports = Network::default().allow("a.test");
    no_ports.allow[0].ports = Ports::of([]);
    for policy in [
        network(Network::default().allow("127.1")),
        network(Network::default().deny_http("a.test", ["GET"], ["x"])),
        network(no_ports),
        network(Network::default().forward_unix("/a=b", "/c")),
    ] {
        assert!(
            matches!(policy.to_toml(), Err(FormatError::Value { .. })),
            "{policy:?}"
        );
        assert!(matches!(policy.to_json(), Err(FormatError::Value { .. })));
    }
    let secrets = |secrets: &[Secret]| Policy {
        secrets: secrets.into(),
        ..Policy::default()
    };
    let one = Secret::default().env("A").bearer_for("a.test");
    assert!(secrets(std::slice::from_ref(&one)).to_toml().is_ok());
    let twice = secrets(&[one.clone(), one.clone()]).to_toml();
    assert!(matches!(twice, Err(FormatError::DuplicateSecret { name }) if name == "A"));
    let bad = secrets(&[one.host("10.0.0.1")]).to_toml();
    assert!(matches!(bad, Err(FormatError::Value { .. })));
}

#[test]
fn a_policy_is_a_value_for_serde() {
    let value = serde_json::to_value(gate()).expect("writable");
    assert_eq!(value["network"]["mode"], "rules");
    assert_eq!(
        serde_json::from_value::<Policy>(value).expect("readable"),
        gate()
    );
}
