//! The variables of a command.

use crate::command::c_string;
use crate::error::SpawnError;
use crate::identity::Account;
use cofferdam_policy::Environment;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Where programs are looked for when the host's own `PATH` names nothing that is in the view.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a sandbox sets by itself.
pub(crate) struct Own<'a> {
    /// Directories for `PATH`, in order; empty for the default.
    pub path: &'a [PathBuf],
    /// The user inside.
    pub account: &'a Account,
    /// The private temporary directory, if there is one.
    pub tmp: Option<PathBuf>,
    /// Variables that toolchains need to find themselves.
    pub toolchains: &'a [(OsString, OsString)],
    /// What an image sets.
    pub image: &'a [(OsString, OsString)],
    /// What programs need to find the gate and to trust it.
    pub gate: &'a [(OsString, OsString)],
    /// Placeholders in the place of secrets.
    pub placeholders: &'a [(OsString, OsString)],
}

/// The variables that every command of a sandbox starts with: the sandbox's own, then those that
/// toolchains need, then what an image sets, then the gate's, then what the policy inherits by name, then what it
/// sets, then placeholders of secrets.
pub(crate) fn base(policy: &Environment, own: &Own<'_>) -> Vec<(OsString, OsString)> {
    let mut all = BTreeMap::new();
    let mut put = |name: &str, value: OsString| all.insert(OsString::from(name), value);
    let path = match std::env::join_paths(own.path) {
        Ok(path) if !path.is_empty() => path,
        _ => DEFAULT_PATH.into(),
    };
    put("PATH", path);
    put("HOME", own.account.home.clone().into_os_string());
    put("USER", own.account.name.clone().into());
    put("LOGNAME", own.account.name.clone().into());
    put("SHELL", "/bin/sh".into());
    if let Some(tmp) = &own.tmp {
        put("TMPDIR", tmp.clone().into_os_string());
    }
    all.extend(own.toolchains.iter().cloned());
    all.extend(own.image.iter().cloned());
    all.extend(own.gate.iter().cloned());
    for name in &policy.inherit {
        if let Some(value) = std::env::var_os(name) {
            all.insert(name.into(), value);
        }
    }
    for (name, value) in &policy.set {
        all.insert(name.into(), value.into());
    }
    // Last, so that no variable that is inherited brings the value in.
    all.extend(own.placeholders.iter().cloned());
    all.into_iter().collect()
}

/// The base with a command's own changes, as execve(2) takes it.
pub(crate) fn merge(
    base: &[(OsString, OsString)],
    changes: &BTreeMap<OsString, Option<OsString>>,
) -> Result<Vec<CString>, SpawnError> {
    let mut strings = Vec::with_capacity(base.len() + changes.len());
    for (name, value) in base {
        if !changes.contains_key(name) {
            strings.push(variable(name, value)?);
        }
    }
    for (name, value) in changes {
        if let Some(value) = value {
            strings.push(variable(name, value)?);
        }
    }
    Ok(strings)
}

fn variable(name: &OsStr, value: &OsStr) -> Result<CString, SpawnError> {
    if name.is_empty() || name.as_bytes().contains(&b'=') {
        return Err(SpawnError::VariableName { name: name.into() });
    }
    let mut text = name.to_owned();
    text.push("=");
    text.push(value);
    c_string("a variable", &text)
}

/// The value of `PATH`.
pub(crate) fn path(environment: &[CString]) -> OsString {
    let value = environment
        .iter()
        .find_map(|variable| variable.as_bytes().strip_prefix(b"PATH="));
    OsString::from_vec(value.unwrap_or(DEFAULT_PATH.as_bytes()).to_vec())
}

/// The paths to try for a program without a slash, in the order of `PATH` (execvp(3)). Relative and
/// empty entries are left out: they would name a program in a directory the program itself writes.
pub(crate) fn search(environment: &[CString], program: &OsStr) -> Result<Vec<CString>, SpawnError> {
    std::env::split_paths(&path(environment))
        .filter(|directory| directory.is_absolute())
        .map(|directory| c_string("the program's name", directory.join(program).as_os_str()))
        .collect()
}
