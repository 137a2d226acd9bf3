//! The Landlock ruleset.
//!
//! Behind a view it is the second wall: one rule on the view's own root gives what the mounts give
//! to read, and nothing outside of the view is below that root. Without a view it is the first one.

use super::files::Files;
use super::{Context, require, without_namespaces};
use crate::egress::Egress;
use crate::enforcement::{LayerReport, Weakness};
use crate::error::BuildError;
use cofferdam_landlock::{Access, Feature, Prepared, Right, Rights, Ruleset};
use cofferdam_policy::{Access as PolicyAccess, Enforce, Layer, NetworkMode};
use std::io::{self, IsTerminal};

/// The Landlock feature behind the policy's port list of this name.
pub(super) fn port_feature(what: &str) -> Feature {
    match what {
        "connect" => Feature::ConnectTcp,
        _ => Feature::BindTcp,
    }
}

pub(super) fn prepare(
    context: &Context<'_>,
    files: &Files,
    reports: &mut Vec<LayerReport>,
) -> Result<Option<Prepared>, BuildError> {
    let asked = context.policy.layers.landlock;
    let mut report = LayerReport::new(Layer::Landlock, asked);
    let mut prepared = None;
    if asked == Enforce::Off && context.logged {
        told(false, || "the layer is off".to_owned())?;
    }
    if asked != Enforce::Off {
        let support = cofferdam_landlock::probe();
        match support.abi() {
            Ok(abi) => {
                let ruleset = ruleset(context, files).prepare(&support)?;
                report.add(format!("abi {}", abi.number()));
                report.add(match context.view {
                    true => "nothing outside the view can be opened",
                    false => "files only as the policy names them",
                });
                let scopes = [Feature::ScopeAbstractUnix, Feature::ScopeSignals];
                if scopes.iter().all(|scope| ruleset.handled().contains(scope)) {
                    report.add("abstract sockets and signals stay inside");
                }
                if context.logged {
                    told(ruleset.handled().contains(&Feature::DenialLog), || {
                        format!("this kernel's Landlock has ABI {}", abi.number())
                    })?;
                    report.add("what it refuses is read in the kernel's audit log");
                }
                let walls = Walls {
                    view: context.view,
                    own_network: context.own_network,
                    namespaces: context.namespaces,
                };
                for missing in ruleset.missing() {
                    if !covered(missing.feature, walls) {
                        let weakness = Weakness::new(
                            missing.feature.to_string(),
                            format!("this kernel's Landlock has ABI {}", abi.number()),
                            format!("Linux {} brings it", missing.kernel()),
                        );
                        require(asked, Layer::Landlock, weakness, &mut report)?;
                    }
                }
                prepared = Some(ruleset);
            }
            Err(unavailable) => {
                if context.logged {
                    told(false, || unavailable.to_string())?;
                }
                let weakness =
                    Weakness::new("Landlock", unavailable.to_string(), unavailable.remedy());
                require(asked, Layer::Landlock, weakness, &mut report)?;
            }
        }
    }
    if !context.view {
        report_files(context, prepared.is_some(), reports)?;
    }
    reports.push(report);
    Ok(prepared)
}

/// What of the host's files is seen without a view, and whether Landlock is in force there.
fn report_files(
    context: &Context<'_>,
    in_force: bool,
    reports: &mut [LayerReport],
) -> Result<(), BuildError> {
    let asked = context.policy.layers.filesystem;
    let Some(report) = reports.iter_mut().find(|r| r.layer == Layer::Filesystem) else {
        return Ok(());
    };
    if asked == Enforce::Prefer {
        let contents = match in_force {
            true => "contents only as Landlock allows",
            false => "nor is Landlock, so contents are read as the host's user may",
        };
        let what = "a view of its own";
        let seen = format!("names of files and their metadata are seen; {contents}");
        report.weaker.push(match context.namespaces {
            // Why has been said.
            true => Weakness::new(what, format!("nothing can be mounted; {seen}"), ""),
            false => without_namespaces(what, &seen),
        });
    }
    let rules = context.policy.filesystem.rules.iter();
    let hides = rules
        .filter(|rule| rule.access == PolicyAccess::Hide)
        .count();
    if hides > 0 {
        let weakness = Weakness::new(
            format!("{hides} hidden paths"),
            "without a view of its own nothing can be hidden below what is shown",
            "put up the namespaces and filesystem layers",
        );
        require(asked, Layer::Filesystem, weakness, report)?;
    }
    Ok(())
}

/// Whether what is refused is told to the kernel's audit log, where somebody asked to read it there.
fn told(is_told: bool, reason: impl FnOnce() -> String) -> Result<(), BuildError> {
    match is_told {
        true => Ok(()),
        false => Err(BuildError::Unavailable {
            layer: Layer::Landlock,
            feature: "what it refuses, in the kernel's audit log".into(),
            reason: reason(),
            remedy: "Linux 6.15 brings it; do without reading that log before".into(),
        }),
    }
}

fn ruleset(context: &Context<'_>, files: &Files) -> Ruleset {
    let mut ruleset = Ruleset::new().scope_abstract_unix().scope_signals();
    if context.logged {
        ruleset = ruleset.log_denials();
    }
    let write = |exec: bool| match exec {
        true => Access::WriteExec,
        false => Access::Write,
    };
    if context.view {
        ruleset = ruleset.inside("/", Access::ReadExec);
        // The standard stream that leads nowhere is the host's, which no rule on the view covers;
        // programs open it anew as `/dev/stdin`.
        ruleset = ruleset.path("/dev/null", Access::Device);
        // Nor is the terminal. To write to it anew (`/dev/stderr`) gives nothing that the stream
        // itself does not; to read from it might, where the host has left only writing.
        let streams = [
            io::stdin().is_terminal(),
            io::stdout().is_terminal(),
            io::stderr().is_terminal(),
        ];
        for (number, _) in streams
            .into_iter()
            .enumerate()
            .filter(|(_, terminal)| *terminal)
        {
            let writing = Access::Exactly(Rights::of(&[Right::WriteFile]));
            ruleset = ruleset.path(format!("/proc/self/fd/{number}"), writing);
        }
        for (path, exec) in &files.fresh {
            ruleset = ruleset.inside(path, write(*exec));
        }
        // A rule belongs to the file, so one on the host's path holds at its bind mount.
        for (path, exec) in &files.writable {
            ruleset = ruleset.path(path, write(*exec));
        }
        // The view's sockets lead to the host, so they are made outside the ruleset; since Linux 7.1
        // no others are reached than those named.
        for path in context.egress.into_iter().flat_map(Egress::sockets) {
            ruleset = ruleset.inside(path, Access::Socket);
        }
        if context.policy.filesystem.dev {
            ruleset = ruleset.inside("/dev", Access::Device);
        }
        if context.policy.filesystem.proc {
            // Programs name their threads and set their own OOM score there; file permissions and
            // the read-only parts keep the rest.
            ruleset = ruleset.inside("/proc", Access::Write);
        }
    } else {
        for path in &files.readable {
            ruleset = ruleset.path(path, Access::ReadExec);
        }
        for (path, exec) in &files.writable {
            ruleset = ruleset.path(path, write(*exec));
        }
        for device in ["null", "zero", "full", "random", "urandom", "tty"] {
            ruleset = ruleset.path(format!("/dev/{device}"), Access::Device);
        }
        ruleset = ruleset.path("/proc", Access::Read).files();
    }
    let network = &context.policy.network;
    if network.mode == NetworkMode::Host {
        if let Some(ports) = &network.connect {
            ruleset = ruleset.connect_tcp(ports.iter().copied());
        }
        if let Some(ports) = &network.bind {
            ruleset = ruleset.bind_tcp(ports.iter().copied());
        }
    } else if !context.own_network && context.policy.layers.network != Enforce::Off {
        ruleset = ruleset.connect_tcp([]).bind_tcp([]);
    }
    ruleset
}

/// Whether another wall does what a kernel's Landlock does not.
pub(crate) fn covered(feature: Feature, walls: Walls) -> bool {
    match feature {
        // The view holds nothing but what the policy gives, so no file right is missed there.
        Feature::File(_) => walls.view,
        // Said in the network layer's report, where it matters.
        Feature::ConnectTcp | Feature::BindTcp => true,
        // Abstract names belong to the network namespace, process ids to theirs.
        Feature::ScopeAbstractUnix => walls.own_network,
        Feature::ScopeSignals => walls.namespaces,
        // The log is no wall.
        _ => true,
    }
}

/// The walls that stand beside a ruleset.
#[derive(Clone, Copy)]
pub(crate) struct Walls {
    pub view: bool,
    pub own_network: bool,
    pub namespaces: bool,
}
