//! What a policy says beside files.

use super::super::danger::{self, Warning};
use super::super::used::Observations;
use super::quote::quote_text;
use super::{LISTED, Text};
use cofferdam_policy::{Environment, NetworkRule, SyscallIntent};
use cofferdam_seccomp::{Intent, reason};
use std::collections::BTreeSet;

pub(super) fn network(all: &Observations, text: &mut Text) {
    let connected: BTreeSet<&str> = all
        .connections
        .iter()
        .map(|(host, _)| host.as_str())
        .collect();
    let unused: Vec<&String> = all
        .names
        .iter()
        .filter(|name| !connected.contains(name.as_str()))
        .collect();
    if connected.is_empty() && unused.is_empty() {
        return;
    }
    let rules: Vec<(String, Option<Warning>)> = all
        .connections
        .iter()
        .map(|(host, port)| {
            let host = if host.parse::<std::net::Ipv6Addr>().is_ok() {
                format!("[{host}]")
            } else {
                host.clone()
            };
            let rule = format!("{host}:{port}");
            let unreadable = || {
                rule.parse::<NetworkRule>().is_err().then(|| Warning {
                    why: "it is no name that a rule can hold".into(),
                    instead: "write the rule by hand",
                })
            };
            let warning = danger::of_host(&host).or_else(unreadable);
            (rule, warning)
        })
        .collect();
    text.line("");
    text.line("[network]");
    text.note("", "What the command asked for. In the run that was learned from every connection was refused.");
    if rules.iter().any(|(_, warning)| warning.is_none()) {
        text.line("mode = \"rules\"");
    } else {
        text.line("# mode = \"rules\"");
    }
    let is_given = rules.iter().any(|(_, warning)| warning.is_none());
    text.line(if is_given { "allow = [" } else { "# allow = [" });
    for (rule, _) in rules.iter().filter(|(_, warning)| warning.is_none()) {
        text.line(&format!("    {},", quote_text(rule)));
        text.hosts += 1;
    }
    for (rule, warning) in &rules {
        if let Some(warning) = warning {
            text.withheld(&quote_text(rule), "", warning);
            text.dangerous.push(rule.clone());
        }
    }
    for name in unused.into_iter().take(LISTED) {
        text.note(
            "    ",
            "Looked up and not connected to; if it is needed, with its port:",
        );
        text.line(&format!("    # {},", quote_text(&format!("{name}:443"))));
    }
    text.line(if is_given { "]" } else { "# ]" });
}

pub(super) fn environment(all: &Observations, text: &mut Text) {
    if all.variables.is_empty() && all.values.is_empty() {
        return;
    }
    const PARTS: [&str; 6] = ["AUTH", "CREDENTIAL", "KEY", "PASS", "SECRET", "TOKEN"];
    // Others no shell could set, and no person would read as what they are.
    let is_plain = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
    };
    let is_secret = |name: &String| {
        let upper = name.to_ascii_uppercase();
        PARTS.iter().any(|part| upper.contains(part))
    };
    let (secret, given): (Vec<&String>, Vec<&String>) = all
        .variables
        .iter()
        .filter(|name| is_plain(name))
        .partition(|name| is_secret(name));
    text.line("");
    text.line("[environment]");
    if !all.values.is_empty() {
        let names: Vec<&String> = all.values.iter().filter(|name| is_plain(name)).collect();
        let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
        let names = names.join(", ");
        let words = format!(
            "Given with a value of their own, which is not written here: {names}. Give them again:"
        );
        text.note("", &words);
        text.line("# set = { NAME = \"value\" }");
    }
    if all.variables.is_empty() {
        return;
    }
    text.note("", "Variables that were given to the command, beside the usual ones; their values are the host's.");
    text.line("inherit = [");
    for name in Environment::default().inherit {
        text.line(&format!("    {},", quote_text(&name)));
    }
    for name in given {
        text.line(&format!(
            "    {}, # given on the command line",
            quote_text(name)
        ));
    }
    for name in secret {
        let warning = Warning {
            why: "its name says that it is a secret".into(),
            instead: "keep the value outside (`cofferdam run --secret`): the program gets a placeholder",
        };
        text.withheld(&quote_text(name), "", &warning);
        text.dangerous.push(name.clone());
    }
    text.line("]");
}

pub(super) fn calls(all: &Observations, text: &mut Text) {
    let mut intents = BTreeSet::new();
    let mut lines = Vec::new();
    for (name, count) in &all.refused {
        let Some(reason) = reason(name) else {
            continue;
        };
        let times = if *count == 1 {
            "once".to_owned()
        } else {
            format!("{count} times")
        };
        lines.push(format!("{name}, refused {times}: {}.", reason.why));
        intents.extend(reason.intent.and_then(name_of).map(quote_text));
    }
    if lines.is_empty() {
        return;
    }
    text.line("");
    text.line("[syscalls]");
    text.note(
        "",
        "System calls that were refused. The command ended as it did without them.",
    );
    lines.iter().for_each(|line| text.note("", line));
    if !intents.is_empty() {
        text.note("", "If it cannot do its work without:");
        let intents: Vec<String> = intents.into_iter().collect();
        text.line(&format!("# allow = [{}]", intents.join(", ")));
    }
}

/// What a policy calls an intent.
fn name_of(intent: Intent) -> Option<&'static str> {
    let intent = match intent {
        Intent::Ptrace => SyscallIntent::Ptrace,
        Intent::NestedNamespaces => SyscallIntent::NestedNamespaces,
        Intent::IoUring => SyscallIntent::IoUring,
        Intent::Userfaultfd => SyscallIntent::Userfaultfd,
        Intent::PerfEvents => SyscallIntent::PerfEvents,
        Intent::Keyring => SyscallIntent::Keyring,
        _ => return None,
    };
    Some(intent.name())
}
