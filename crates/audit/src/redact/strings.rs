//! Every string of an event.

use crate::event::{Event, Network};
use crate::{Denial, event};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is done with strings.
pub(super) trait Visit {
    /// A string that stands for itself.
    fn text(&mut self, text: &mut String);
    /// The arguments of a program.
    fn arguments(&mut self, arguments: &mut [String]);
    /// A string with a name.
    fn named(&mut self, name: &str, text: &mut String);
    /// JSON.
    fn json(&mut self, value: &mut Value);
}

/// Visits every string of the event. A new field does not compile until it is here.
pub(super) fn visit(event: &mut Event, to: &mut impl Visit) {
    match event {
        Event::LogOpened {
            writer,
            file: _,
            key,
            cut: _,
        } => {
            to.text(writer);
            all(key, to);
        }
        Event::Head { signature } => to.text(signature),
        Event::LogClosed { next } => all(next, to),
        Event::SessionStarted {
            policy,
            enforcement,
            workspace,
            pid: _,
        } => {
            to.text(policy);
            for state in enforcement {
                let event::LayerState {
                    layer,
                    state,
                    weaknesses,
                } = state;
                all([layer, state], to);
                all(weaknesses, to);
            }
            all(workspace, to);
        }
        Event::CommandStarted {
            argv,
            cwd,
            variables,
        } => {
            to.arguments(argv);
            to.text(cwd);
            all(variables, to);
        }
        Event::CommandFailed { argv, error } => {
            to.arguments(argv);
            to.text(error);
        }
        Event::Exec {
            pid: _,
            parent: _,
            path,
            argv,
            truncated: _,
        } => {
            to.text(path);
            to.arguments(argv);
        }
        Event::Network(network) => connection(network, to),
        Event::SyscallDenied {
            pid: _,
            syscall,
            args,
            times: _,
            denial,
        } => {
            to.text(syscall);
            all(args, to);
            refused(denial, to);
        }
        Event::FileDenied {
            pid: _,
            path,
            times: _,
            denial,
        } => {
            to.text(path);
            refused(denial, to);
        }
        Event::AccessDenied {
            pid: _,
            right,
            object,
            times: _,
            denial,
        } => {
            to.text(right);
            to.text(object);
            refused(denial, to);
        }
        Event::FileChanged {
            path,
            change,
            risks,
            state,
        } => {
            all([path, change, state], to);
            all(risks, to);
        }
        Event::SecretUsed { name, host } => all([name, host], to),
        Event::LimitHit { limit, denial } => {
            to.text(limit);
            refused(denial, to);
        }
        Event::ToolCallStarted {
            tool,
            parameters,
            reason,
            model,
            call,
            parent: _,
        } => {
            to.json(parameters);
            all([tool, reason, model, call], to);
        }
        Event::ToolCallEnded {
            error,
            duration_us: _,
        } => to.text(error),
        Event::Note { name, attributes } => {
            to.text(name);
            for (name, value) in attributes.iter_mut() {
                to.named(name, value);
            }
            let mut renamed: BTreeMap<String, String> = BTreeMap::new();
            for (name, value) in std::mem::take(attributes) {
                let mut name = name;
                to.text(&mut name);
                renamed.insert(name, value);
            }
            *attributes = renamed;
        }
        Event::Suppressed { kind, count: _ } => to.text(kind),
        Event::SessionEnded { usage: _ }
        | Event::CommandEnded {
            code: _,
            signal: _,
            usage: _,
        }
        | Event::Unknown => {}
    }
}

fn connection(network: &mut Network, to: &mut impl Visit) {
    let Network {
        what: _,
        host,
        port: _,
        address,
        request,
        sent: _,
        received: _,
        duration_us: _,
        rule,
        times: _,
        denial,
    } = network;
    all([host, rule], to);
    all(address, to);
    all(request.iter_mut().flatten(), to);
    if let Some(denial) = denial {
        refused(denial, to);
    }
}

fn refused(denial: &mut Denial, to: &mut impl Visit) {
    let Denial {
        layer,
        what,
        rule,
        reason,
        remedy,
        confidence: _,
    } = denial;
    all([layer, what, rule, reason, remedy], to);
}

fn all<'a>(texts: impl IntoIterator<Item = &'a mut String>, to: &mut impl Visit) {
    for text in texts {
        to.text(text);
    }
}
