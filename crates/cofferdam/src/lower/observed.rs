//! Hearing of programs and refused calls, where it was asked for.

use super::Observe;
use crate::enforcement::{LayerReport, Weakness};
use crate::error::BuildError;
use cofferdam_policy::Layer;
use cofferdam_seccomp::{Arch, Profile};
use std::fs::File;
use std::io::Read;
use std::sync::OnceLock;

/// The secret with which init gets past the filter's listener, if there is to be one.
pub(super) fn mark(observe: Observe) -> Result<Option<u64>, BuildError> {
    if observe == Observe::Nothing {
        return Ok(None);
    }
    let mut bytes = [0; 8];
    let read = File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes));
    read.map_err(BuildError::Random)?;
    Ok(Some(u64::from_ne_bytes(bytes)))
}

/// The profile with a listener as far as there can be one, and what is to be said of it.
pub(super) fn observe(
    profile: Profile,
    mark: u64,
    observe: Observe,
    report: &mut LayerReport,
) -> Result<Profile, BuildError> {
    let why = match listener() {
        Err((reason, remedy)) => Err((reason.clone(), *remedy)),
        Ok(()) if !profile.can_be_observed(Arch::native()) => Err((
            "the profile has conditions on sendmsg, close or execveat".to_owned(),
            "allow these calls in the profile",
        )),
        Ok(()) => Ok(()),
    };
    match why {
        Ok(()) if observe == Observe::Files => {
            report.add("programs, files that are named and refused calls are observed");
            Ok(profile.traced(mark))
        }
        Ok(()) => {
            report.add("programs executed inside and refused calls are observed");
            Ok(profile.observed(mark))
        }
        Err((reason, remedy)) => {
            let weakness = Weakness::new(WHAT, reason, remedy);
            report.weaker.push(optional(observe, weakness)?);
            Ok(profile)
        }
    }
}

/// The weakness, or the refusal where nothing is of use without what is heard.
fn optional(observe: Observe, weakness: Weakness) -> Result<Weakness, BuildError> {
    match observe {
        Observe::Files => Err(BuildError::Unavailable {
            layer: Layer::Seccomp,
            feature: "observation of files, which a policy is learned from".into(),
            reason: weakness.reason,
            remedy: weakness.remedy,
        }),
        _ => Ok(weakness),
    }
}

/// What is to be said where there is no filter at all.
pub(super) fn without_filter(observe: Observe) -> Result<Weakness, BuildError> {
    let reason = "no system call filter is in force";
    let weakness = Weakness::new(WHAT, reason, "put up the seccomp layer");
    optional(observe, weakness)
}

const WHAT: &str = "observation of programs executed inside and of refused calls";

/// Whether this host offers listeners: tried once in the life of this process.
fn listener() -> &'static Result<(), (String, &'static str)> {
    static OFFERED: OnceLock<Result<(), (String, &'static str)>> = OnceLock::new();
    OFFERED.get_or_init(|| {
        let offered = cofferdam_seccomp::probe_listener();
        offered.map_err(|missing| (missing.reason(), missing.remedy()))
    })
}
