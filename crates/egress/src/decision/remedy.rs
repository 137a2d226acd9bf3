//! What a person can do about a denial.

use crate::Host;
use crate::address::Special;
use cofferdam_policy::{Destination, NamePattern, NetworkRule, Ports};

/// About a path that can be read in two ways.
pub(super) const AMBIGUOUS_PATH: &str = "rules about paths hold for this host, and servers read this \
    path in different ways: send it without `.` and `..` segments, `;`, backslashes and escapes of \
    these or of slashes";

/// The rule that allows a host and port.
pub(super) fn rule(host: &Host, port: u16) -> NetworkRule {
    NetworkRule::to(destination(host)).ports(Ports::one(port))
}

/// About what no rule allows.
pub(super) fn allow(
    host: &Host,
    port: Option<u16>,
    request: Option<(&str, &str)>,
    special: Option<Special>,
) -> String {
    let rule = match port {
        Some(port) => rule(host, port),
        None => NetworkRule::to(destination(host)),
    };
    let rule = match request {
        Some((method, path)) => {
            // The text is made to be pasted into a shell, and a program chooses it.
            let methods: Vec<&str> = [method].into_iter().filter(|text| is_plain(text)).collect();
            let paths: Vec<&str> = [path].into_iter().filter(|text| is_plain(text)).collect();
            rule.http(methods, paths)
        }
        None => rule,
    };
    let why = match special {
        Some(special) => {
            format!("{host} is a special address ({special}) that a rule has to name: ")
        }
        None => String::new(),
    };
    format!("{why}allow it with --network '{rule}', or with allow = [\"{rule}\"] in [network]")
}

/// About what a rule denies.
pub(super) fn remove(rule: &NetworkRule) -> String {
    match &rule.to {
        Destination::Unreadable(error) => {
            format!("a rule cannot be read, so all is denied: {error}")
        }
        _ => format!("take {:?} out of deny in [network]", rule.to_string()),
    }
}

fn destination(host: &Host) -> Destination {
    match host {
        Host::Name(name) => Destination::Name(NamePattern::from(name.clone())),
        Host::Address(address) => Destination::Address((*address).into()),
    }
}

/// Whether the text means nothing to a shell or TOML, and is short enough to read.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
    !text.is_empty() && text.len() <= 200 && text.bytes().all(plain)
}
