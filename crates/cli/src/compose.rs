//! From the options and files of a command line to one policy.

mod files;
mod network;

pub(crate) use files::{has_overlay, image};

use crate::args::PolicyArguments;
use crate::policy_file::{self, PolicyFileError};
use cofferdam::{Enforce, Layer, Limits, Policy, SyscallProfile};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why the options make no policy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum ComposeError {
    #[error("the current directory cannot be read, so relative paths have no meaning: {0}")]
    CurrentDirectory(#[source] io::Error),
    #[error(transparent)]
    File(#[from] PolicyFileError),
    #[error("the layer {0} is named with two of --require, --prefer and --off; keep one")]
    TwoEnforces(Layer),
    #[error("--env {0:?} names no variable; write NAME or NAME=VALUE")]
    NoVariable(OsString),
    #[error(
        "--env {0:?} is not UTF-8, which a policy file cannot allow; leave out --restrict or that variable"
    )]
    VariableText(OsString),
    #[error(
        "--syscalls {0:?} is no profile; use `default`, `strict`, or a file as PATH/NAME or NAME.json"
    )]
    Profile(PathBuf),
    #[error(
        "--overlay lays itself over the workspace, and there is none; name it with --workspace"
    )]
    OverlayOfNothing,
    #[error("--upper is where overlays keep what is written, and there is none; add --overlay")]
    UpperOfNothing,
    #[error("--upper {given:?} is neither a size nor a place on disk: {why}")]
    Upper { given: OsString, why: String },
    #[error("--network none and --network host stand alone; leave out the other --network")]
    NetworkNotAlone,
    #[error("--secret names `{0}` with two sources; keep one")]
    TwoSources(String),
    #[error(
        "--secret names `{0}` with two places; a secret has one: name it once more under another name"
    )]
    TwoPlaces(String),
    #[error("--root-access needs a root to give access to; name one with --root or --image")]
    AccessToNoRoot,
    #[error("--image {0:?} names no image; write PATH or PATH#REFERENCE")]
    Image(OsString),
    #[error("{0} is about the changes in an overlay, and there is none; add --overlay")]
    ReviewOfNothing(&'static str),
    #[error("--apply {0} stands alone; leave out the other --apply")]
    NotAlone(&'static str),
    #[error("--apply {given:?} is no pattern: {why}; write a path relative to the workspace")]
    Pattern { given: String, why: String },
}

/// A policy, and the variables that its text cannot hold.
#[derive(Debug)]
pub(crate) struct Composed {
    pub policy: Policy,
    pub variables: Vec<(OsString, OsString)>,
}

/// The file given with `--policy`, or the default; on top of it the options; then only what each
/// file given with `--restrict` allows too. All paths are absolute.
pub(crate) fn compose(arguments: &PolicyArguments) -> Result<Composed, ComposeError> {
    let here = std::env::current_dir().map_err(ComposeError::CurrentDirectory)?;
    let mut policy = match &arguments.policy {
        Some(file) => policy_file::load(file, &here)?,
        None => Policy::default(),
    };
    files::compose(&mut policy.filesystem, arguments, &here)?;
    policy.network = network::compose(policy.network, arguments)?;
    network::secrets(&mut policy.secrets, &arguments.secret)?;
    limits(&mut policy.limits, arguments);
    if let Some(profile) = &arguments.syscalls {
        policy.syscalls.profile = self::profile(profile)?;
    }
    policy.syscalls.allow.extend(&arguments.allow);
    layers(&mut policy, arguments)?;
    let variables = variables(&mut policy, arguments)?;
    let mut policy = policy.rebase(&here);
    for file in &arguments.restrict {
        policy = policy.restrict(&policy_file::load_valid(file, &here)?);
    }
    Ok(Composed { policy, variables })
}

fn limits(limits: &mut Limits, arguments: &PolicyArguments) {
    limits.memory = arguments.memory.or(limits.memory);
    limits.processes = arguments.processes.or(limits.processes);
    limits.cpus = arguments.cpus.or(limits.cpus);
    limits.wall_clock = arguments.timeout.or(limits.wall_clock);
}

fn profile(name: &Path) -> Result<SyscallProfile, ComposeError> {
    let text = name.as_os_str().as_bytes();
    Ok(match text {
        b"default" => SyscallProfile::Default,
        b"strict" => SyscallProfile::Strict,
        // A misspelled name must not be looked for as a file.
        _ if text.contains(&b'/') || name.extension() == Some(OsStr::new("json")) => {
            SyscallProfile::Oci(name.into())
        }
        _ => return Err(ComposeError::Profile(name.into())),
    })
}

fn layers(policy: &mut Policy, arguments: &PolicyArguments) -> Result<(), ComposeError> {
    let asked = [
        (Enforce::Require, &arguments.require),
        (Enforce::Prefer, &arguments.prefer),
        (Enforce::Off, &arguments.off),
    ];
    for layer in Layer::ALL {
        let mut found = asked.iter().filter(|(_, layers)| layers.contains(&layer));
        if let Some((enforce, _)) = found.next() {
            policy.layers = policy.layers.with(layer, *enforce);
        }
        if found.next().is_some() {
            return Err(ComposeError::TwoEnforces(layer));
        }
    }
    Ok(())
}

/// Puts the variables into the policy, and returns those that are not UTF-8.
fn variables(
    policy: &mut Policy,
    arguments: &PolicyArguments,
) -> Result<Vec<(OsString, OsString)>, ComposeError> {
    let mut others = Vec::new();
    for variable in &arguments.env {
        let bytes = variable.as_bytes();
        let (name, value) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(equals) => (&bytes[..equals], Some(&bytes[equals + 1..])),
            None => (bytes, None),
        };
        if name.is_empty() {
            return Err(ComposeError::NoVariable(variable.clone()));
        }
        let text = (
            std::str::from_utf8(name),
            value.map(std::str::from_utf8).transpose(),
        );
        if let (Ok(name), Ok(value)) = text {
            // The later of two wins, and wins over the file.
            let environment = std::mem::take(&mut policy.environment).remove(name);
            policy.environment = match value {
                Some(value) => environment.set(name, value),
                None => environment.inherit(name),
            };
            others.retain(|(other, _): &(OsString, OsString)| other.as_bytes() != name.as_bytes());
            continue;
        }
        if !arguments.restrict.is_empty() {
            return Err(ComposeError::VariableText(variable.clone()));
        }
        let name = OsStr::from_bytes(name).to_owned();
        let value = match value {
            Some(value) => Some(OsStr::from_bytes(value).to_owned()),
            None => std::env::var_os(&name),
        };
        others.retain(|(other, _)| *other != name);
        others.extend(value.map(|value| (name, value)));
    }
    Ok(others)
}
