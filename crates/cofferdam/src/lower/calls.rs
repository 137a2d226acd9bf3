//! The system call filter.

use super::{Context, Observe, observed, require};
use crate::enforcement::{LayerReport, Weakness};
use crate::error::BuildError;
use cofferdam_policy::{Enforce, Layer, NetworkMode, SyscallIntent, SyscallProfile};
use cofferdam_seccomp::{Action, Arch, Condition, Filter, Intent, Profile, Rule, Support};

pub(super) fn prepare(
    context: &Context<'_>,
    mark: Option<(u64, Observe)>,
    reports: &mut Vec<LayerReport>,
) -> Result<Vec<Filter>, BuildError> {
    let asked = context.policy.layers.seccomp;
    let mut report = LayerReport::new(Layer::Seccomp, asked);
    let available = match asked {
        Enforce::Off => false,
        Enforce::Require | Enforce::Prefer => match cofferdam_seccomp::probe() {
            Support::Available => true,
            Support::Unavailable(missing) => {
                let weakness =
                    Weakness::new("system call filters", missing.reason(), missing.remedy());
                require(asked, Layer::Seccomp, weakness, &mut report)?;
                false
            }
        },
    };
    let mut filters = Vec::new();
    if available {
        let network = &context.policy.network;
        if network.mode == NetworkMode::Host && network.connect.is_some() {
            filters.push(no_connection_by_data()?);
            report.add("no connection but by connect(2)");
        }
        let mut profiles = Vec::new();
        add(context, &context.policy.syscalls.profile, &mut profiles)?;
        let last = profiles.len().saturating_sub(1);
        for (index, (name, mut profile)) in profiles.into_iter().enumerate() {
            // There can be one listener.
            if let Some((mark, observe)) = mark.filter(|_| index == last) {
                profile = observed::observe(profile, mark, observe, &mut report)?;
            }
            let filter = profile.compile(Arch::native())?;
            let named = name.map(|name| format!("{name} profile, {} instructions", filter.len()));
            report.in_force.extend(named);
            filters.push(filter);
        }
        let allow = &context.policy.syscalls.allow;
        let allowed = allow.iter().map(|one| format!("{} allowed", one.name()));
        report.in_force.extend(allowed);
    } else if let Some((_, observe)) = mark {
        report.weaker.push(observed::without_filter(observe)?);
    }
    reports.push(report);
    Ok(filters)
}

/// Landlock checks ports in connect(2), and a connection can also be made by sending its first data
/// (`MSG_FASTOPEN`, tcp(7)). The answer is that of a kernel on which it is switched off
/// (`net.ipv4.tcp_fastopen`), after which programs connect. A filter of its own: it holds with every
/// profile, and costs the calls that send nothing where no ports are listed.
fn no_connection_by_data() -> Result<Filter, BuildError> {
    let switched_off = Action::Errno(libc::EOPNOTSUPP as u16);
    let without = |flags: u8| {
        let absent = Condition::dword_masked(flags, libc::MSG_FASTOPEN as u32, 0);
        Rule::allow_if([absent]).otherwise(switched_off)
    };
    let profile = Profile::new(Action::Allow)
        .rule("sendto", without(3))
        .rule("sendmsg", without(2))
        .rule("sendmmsg", without(3));
    Ok(profile.compile(Arch::native())?)
}

/// Adds a profile with its name; of several filters, the kernel takes the strictest answer (seccomp(2)).
fn add(
    context: &Context<'_>,
    profile: &SyscallProfile,
    profiles: &mut Vec<(Option<&'static str>, Profile)>,
) -> Result<(), BuildError> {
    let (name, profile) = match profile {
        SyscallProfile::Default => ("default", Profile::general()),
        SyscallProfile::Strict => ("strict", Profile::strict()),
        SyscallProfile::Oci(path) => {
            // The built-in profiles refuse it themselves.
            profiles.push((None, Profile::no_set_user_id_files()));
            ("OCI", oci(path)?)
        }
        SyscallProfile::Stacked(all) => {
            return all.iter().try_for_each(|one| add(context, one, profiles));
        }
        other => return Err(unsupported(other)),
    };
    let allow = &context.policy.syscalls.allow;
    let mut profile = allow.iter().try_fold(profile, |profile, intent| {
        lower(*intent).map(|intent| profile.allow(intent))
    })?;
    let no_network = context.policy.network.mode != NetworkMode::Host
        && context.policy.layers.network != Enforce::Off;
    if no_network && !context.own_network {
        // Without a network namespace the filter is what keeps the host's network away.
        let local = Condition::dword_eq(0, libc::AF_UNIX as u32);
        profile = profile.rule("socket", Rule::allow_if([local]));
    }
    if !context.namespaces {
        // The host's processes of this user are in reach, and prlimit(2) asks for no more than the
        // same user: a processor limit of nothing ends any of them. 0 is the caller itself.
        profile = profile.rule("prlimit64", Rule::allow_if([Condition::dword_eq(0, 0)]));
    }
    profiles.push((Some(name), profile));
    Ok(())
}

fn lower(intent: SyscallIntent) -> Result<Intent, BuildError> {
    Ok(match intent {
        SyscallIntent::Ptrace => Intent::Ptrace,
        SyscallIntent::NestedNamespaces => Intent::NestedNamespaces,
        SyscallIntent::IoUring => Intent::IoUring,
        SyscallIntent::Userfaultfd => Intent::Userfaultfd,
        SyscallIntent::PerfEvents => Intent::PerfEvents,
        SyscallIntent::Keyring => Intent::Keyring,
        other => return Err(unsupported(&other)),
    })
}

/// For what a newer policy crate knows and this one does not: refused, never left out.
fn unsupported(what: &impl std::fmt::Debug) -> BuildError {
    BuildError::Unsupported {
        what: format!("{what:?}"),
    }
}

#[cfg(feature = "oci")]
fn oci(path: &std::path::Path) -> Result<Profile, BuildError> {
    let text = std::fs::read_to_string(path).map_err(|error| BuildError::ProfileFile {
        path: path.to_owned(),
        error,
    })?;
    // The program holds no capability, so no rule that needs one applies.
    let none = std::collections::BTreeSet::new();
    Profile::from_oci_json(&text, &none, Arch::native()).map_err(|error| BuildError::OciProfile {
        path: path.to_owned(),
        error,
    })
}

#[cfg(not(feature = "oci"))]
fn oci(path: &std::path::Path) -> Result<Profile, BuildError> {
    Err(BuildError::OciFeature {
        path: path.to_owned(),
    })
}
