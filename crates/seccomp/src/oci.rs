//! Import of seccomp profiles in OCI's form (runtime-spec, `linux.seccomp`) and in Docker's, which
//! adds conditions to the entries.
//!
//! Docker's conditions (`includes`, `excludes`) and its older spellings are resolved on the JSON
//! value; what is left is OCI's form, read by `oci-spec`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use oci_spec::runtime::{
    LinuxSeccomp, LinuxSeccompAction, LinuxSeccompArg, LinuxSeccompFilterFlag,
    LinuxSeccompOperator, LinuxSyscall,
};
use serde_json::{Map, Value};

use crate::{Action, Arch, Condition, OciError, Operator, Profile, Rule, Width};

const RELEASE: &str = "/proc/sys/kernel/osrelease";

impl Profile {
    /// Reads a seccomp profile as container runtimes take it: OCI's `linux.seccomp` object, or
    /// Docker's file with `includes` and `excludes`. `caps` are the capabilities the process will
    /// hold (`CAP_SYS_ADMIN` or `SYS_ADMIN`), in a sandbox normally none.
    ///
    /// As in runc: arguments are compared as 64 bits; an entry with the default's action is left
    /// out; arguments of one entry must all fit, except that when two are about the same argument
    /// any one will do; an entry without arguments comes before those with; call names the
    /// architecture lacks are left out ([`Profile::skipped_names`]); unassigned numbers get `ENOSYS`
    /// unless the default allows.
    ///
    /// Different from runc, never weaker: 32-bit and x32 calls are refused even where
    /// `architectures` or `archMap` name them, and `SCMP_ACT_KILL` and `SCMP_ACT_KILL_THREAD` kill the
    /// whole process. `SCMP_ACT_TRACE` and `SCMP_ACT_NOTIFY` are errors. Where several entries with
    /// arguments and different actions fit a call, the first one's action holds; libseccomp leaves
    /// that open.
    ///
    /// `minKernel` is compared with the running kernel; see [`Profile::from_oci_json_for_kernel`].
    ///
    /// # Errors
    /// See [`OciError`].
    pub fn from_oci_json(
        text: &str,
        caps: &BTreeSet<String>,
        arch: Arch,
    ) -> Result<Self, OciError> {
        import(text, caps, arch, &mut running_kernel)
    }

    /// The same for a kernel of this version (major, minor) instead of the running one.
    ///
    /// # Errors
    /// See [`OciError`].
    pub fn from_oci_json_for_kernel(
        text: &str,
        caps: &BTreeSet<String>,
        arch: Arch,
        kernel: (u32, u32),
    ) -> Result<Self, OciError> {
        import(text, caps, arch, &mut || Ok(kernel))
    }
}

type Kernel<'a> = &'a mut dyn FnMut() -> Result<(u32, u32), OciError>;

fn import(
    text: &str,
    caps: &BTreeSet<String>,
    arch: Arch,
    kernel: Kernel<'_>,
) -> Result<Profile, OciError> {
    let mut document: Map<String, Value> = serde_json::from_str(text)?;
    if document.contains_key("ociVersion") || document.contains_key("linux") {
        return Err(OciError::WholeConfig);
    }
    let present = |key: &str| {
        let value = document.get(key).and_then(Value::as_array);
        value.is_some_and(|list| !list.is_empty())
    };
    if present("architectures") && present("archMap") {
        return Err(OciError::Conflict {
            first: "architectures",
            second: "archMap",
        });
    }
    let caps: BTreeSet<String> = caps.iter().map(|cap| capability(cap)).collect();
    if let Some(Value::Array(entries)) = document.get_mut("syscalls") {
        let mut kept = Vec::new();
        for (index, entry) in std::mem::take(entries).into_iter().enumerate() {
            let host = Host {
                caps: &caps,
                arch,
                kernel: &mut *kernel,
            };
            kept.extend(resolve(entry, index, host)?);
        }
        *entries = kept;
    }
    // Docker writes null for lists it has nothing for; oci-spec reads that as absent.
    let seccomp: LinuxSeccomp = serde_json::from_value(Value::Object(document))?;
    translate(&seccomp, arch)
}

/// What conditions of entries are about.
struct Host<'a> {
    caps: &'a BTreeSet<String>,
    arch: Arch,
    kernel: Kernel<'a>,
}

/// Docker's part of an entry (`includes`, `excludes`, `name`) resolved: the plain OCI entry, or
/// nothing where its conditions rule it out.
fn resolve(mut entry: Value, index: usize, host: Host<'_>) -> Result<Option<Value>, OciError> {
    let Host { caps, arch, kernel } = host;
    let Some(fields) = entry.as_object_mut() else {
        // oci-spec says what is wrong with it.
        return Ok(Some(entry));
    };
    let names_given = fields
        .get("names")
        .and_then(Value::as_array)
        .is_some_and(|names| !names.is_empty());
    match fields.remove("name") {
        Some(Value::String(name)) if !name.is_empty() => {
            if names_given {
                return Err(OciError::Conflict {
                    first: "name",
                    second: "names",
                });
            }
            fields.insert("names".to_owned(), Value::Array(vec![name.into()]));
        }
        _ if !names_given => return Err(OciError::NoName { index }),
        _ => {}
    }
    let mut conditions = |key: &str| -> Result<Conditions, OciError> {
        match fields.remove(key) {
            None | Some(Value::Null) => Ok(Conditions::default()),
            Some(value) => Conditions::read(value, index),
        }
    };
    let (excludes, includes) = (conditions("excludes")?, conditions("includes")?);
    let mut at_least = |wanted: (u32, u32)| Ok::<_, OciError>(kernel()? >= wanted);

    let here = docker_name(arch);
    if excludes.arches.iter().any(|arch| arch == here)
        || excludes.caps.iter().any(|cap| caps.contains(cap))
        || !includes.arches.is_empty() && !includes.arches.iter().any(|arch| arch == here)
        || !includes.caps.iter().all(|cap| caps.contains(cap))
    {
        return Ok(None);
    }
    if let Some(version) = excludes.min_kernel
        && at_least(version)?
    {
        return Ok(None);
    }
    if let Some(version) = includes.min_kernel
        && !at_least(version)?
    {
        return Ok(None);
    }
    Ok(Some(entry))
}

/// One of an entry's `includes` and `excludes`.
#[derive(Default)]
struct Conditions {
    caps: Vec<String>,
    arches: Vec<String>,
    min_kernel: Option<(u32, u32)>,
}

impl Conditions {
    fn read(mut value: Value, index: usize) -> Result<Self, OciError> {
        let mut take = |key: &str| value.get_mut(key).map(Value::take).unwrap_or_default();
        // A wrong type must not read as "no condition": that could let a call through.
        let caps: Option<Vec<String>> = serde_json::from_value(take("caps"))?;
        let arches: Option<Vec<String>> = serde_json::from_value(take("arches"))?;
        let kernel: Option<String> = serde_json::from_value(take("minKernel"))?;
        if !value.is_object() {
            // Gives serde's own message for a wrong type.
            serde_json::from_value::<Map<String, Value>>(value)?;
        }
        let min_kernel = match kernel {
            None => None,
            Some(value) => Some(version(&value).ok_or(OciError::MinKernel { index, value })?),
        };
        Ok(Self {
            caps: caps
                .unwrap_or_default()
                .iter()
                .map(|cap| capability(cap))
                .collect(),
            arches: arches.unwrap_or_default(),
            min_kernel,
        })
    }
}

/// The name Docker's conditions use: libseccomp's.
const fn docker_name(arch: Arch) -> &'static str {
    match arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    }
}

/// `CAP_` and upper case, however it was written.
fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    if upper.starts_with("CAP_") {
        upper
    } else {
        format!("CAP_{upper}")
    }
}

/// `major.minor`, nothing more.
fn version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The running kernel's version, from a release such as `6.18.44-generic`.
fn running_kernel() -> Result<(u32, u32), OciError> {
    let failed = |source| OciError::KernelVersion {
        path: RELEASE,
        source,
    };
    let release = fs::read_to_string(RELEASE).map_err(failed)?;
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|digits| digits.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => Ok((major, minor)),
        _ => Err(failed(std::io::ErrorKind::InvalidData.into())),
    }
}

/// The rules of one call as they come up in the profile.
#[derive(Default)]
struct Collected {
    unconditional: Option<Action>,
    branches: Vec<(Vec<Condition>, Action)>,
}

fn translate(seccomp: &LinuxSeccomp, arch: Arch) -> Result<Profile, OciError> {
    let default = action(
        seccomp.default_action(),
        seccomp.default_errno_ret(),
        "the default action",
    )?;
    let mut collected: BTreeMap<&str, Collected> = BTreeMap::new();
    let mut skipped: BTreeSet<&str> = BTreeSet::new();
    for entry in seccomp.syscalls().iter().flatten() {
        for name in entry.names() {
            let answer = action(entry.action(), entry.errno_ret(), name)?;
            let alternatives = alternatives(entry, name)?;
            if answer == default {
                continue;
            }
            if arch.number(name).is_none() {
                skipped.insert(name);
                continue;
            }
            let call = collected.entry(name).or_default();
            if alternatives.is_empty() {
                call.unconditional.get_or_insert(answer);
            }
            let branches = alternatives.into_iter().map(|branch| (branch, answer));
            call.branches.extend(branches);
        }
    }

    let mut profile = Profile::new(default);
    profile.skipped = skipped.into_iter().map(str::to_owned).collect();
    for (name, call) in collected {
        let rule = match call.unconditional {
            Some(answer) => Rule::always(answer),
            None => call
                .branches
                .into_iter()
                .fold(Rule::default_action(), |rule, (conditions, answer)| {
                    rule.when(conditions, answer)
                }),
        };
        profile.names.insert(name.to_owned(), rule);
    }
    for flag in seccomp.flags().iter().flatten() {
        profile.flags |= match flag {
            LinuxSeccompFilterFlag::SeccompFilterFlagLog => libc::SECCOMP_FILTER_FLAG_LOG,
            LinuxSeccompFilterFlag::SeccompFilterFlagSpecAllow => {
                libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW
            }
            // The filter is put on before exec, by the only thread there is; and there is no
            // listener to wait for.
            LinuxSeccompFilterFlag::SeccompFilterFlagTsync
            | LinuxSeccompFilterFlag::SeccompFilterFlagWaitKillableRecv => 0,
        };
    }
    Ok(profile)
}

/// The conditions of an entry: none, one list of all, or one list each where an argument comes up
/// twice (libseccomp cannot join those, so runc takes them as alternatives).
fn alternatives(entry: &LinuxSyscall, syscall: &str) -> Result<Vec<Vec<Condition>>, OciError> {
    let mut conditions = Vec::new();
    let mut twice = false;
    for arg in entry.args().iter().flatten() {
        let condition = condition(arg).ok_or_else(|| OciError::ArgumentOutOfRange {
            syscall: syscall.to_owned(),
            index: arg.index(),
        })?;
        twice |= conditions
            .iter()
            .any(|other: &Condition| other.arg == condition.arg);
        conditions.push(condition);
    }
    Ok(match conditions.len() {
        0 => Vec::new(),
        _ if twice => conditions.into_iter().map(|one| vec![one]).collect(),
        _ => vec![conditions],
    })
}

/// `None` if the index is past 5.
fn condition(arg: &LinuxSeccompArg) -> Option<Condition> {
    let index = u8::try_from(arg.index()).ok().filter(|&index| index < 6)?;
    let plain = |operator| Condition::new(index, Width::Qword, operator, arg.value());
    Some(match arg.op() {
        LinuxSeccompOperator::ScmpCmpEq => plain(Operator::Eq),
        LinuxSeccompOperator::ScmpCmpNe => plain(Operator::Ne),
        LinuxSeccompOperator::ScmpCmpLt => plain(Operator::Lt),
        LinuxSeccompOperator::ScmpCmpLe => plain(Operator::Le),
        LinuxSeccompOperator::ScmpCmpGt => plain(Operator::Gt),
        LinuxSeccompOperator::ScmpCmpGe => plain(Operator::Ge),
        // `value` is the mask and `valueTwo` what is compared.
        LinuxSeccompOperator::ScmpCmpMaskedEq => {
            Condition::qword_masked(index, arg.value(), arg.value_two().unwrap_or(0))
        }
    })
}

fn action(
    action: LinuxSeccompAction,
    errno: Option<u32>,
    context: &str,
) -> Result<Action, OciError> {
    match action {
        LinuxSeccompAction::ScmpActAllow => Ok(Action::Allow),
        LinuxSeccompAction::ScmpActLog => Ok(Action::Log),
        LinuxSeccompAction::ScmpActTrap => Ok(Action::Trap),
        LinuxSeccompAction::ScmpActKill
        | LinuxSeccompAction::ScmpActKillThread
        | LinuxSeccompAction::ScmpActKillProcess => Ok(Action::KillProcess),
        LinuxSeccompAction::ScmpActErrno => match errno {
            None => Ok(Action::EPERM),
            Some(errno @ 0..=4095) => Ok(Action::Errno(errno as u16)),
            Some(errno) => Err(OciError::ErrnoOutOfRange {
                errno,
                context: context.to_owned(),
            }),
        },
        LinuxSeccompAction::ScmpActTrace | LinuxSeccompAction::ScmpActNotify => {
            Err(OciError::UnsupportedAction {
                action: action.to_string(),
                context: context.to_owned(),
            })
        }
    }
}
