//! Seccomp profiles in OCI's and Docker's form, against a plain reading of the JSON.

use crate::input::Input;
use cofferdam_seccomp::{Action, Arch, CompileError, Profile};
use serde_json::Value;
use std::collections::BTreeSet;

const KERNEL: (u32, u32) = (5, 10);
const CAPS: [&str; 2] = ["CAP_SYS_ADMIN", "SYS_CHROOT"];

/// One input: the text.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    for caps in [&CAPS[..0], &CAPS[..]] {
        let caps: BTreeSet<String> = caps.iter().map(|cap| (*cap).to_owned()).collect();
        for arch in Arch::ALL {
            let Ok(profile) = Profile::from_oci_json_for_kernel(text, &caps, arch, KERNEL) else {
                continue;
            };
            let document: Value = serde_json::from_str(text).expect("it was read");
            let filter = match profile.compile(arch) {
                Ok(filter) => filter,
                Err(error) => {
                    assert!(matches!(error, CompileError::TooLong { .. }), "{error}");
                    continue;
                }
            };
            let mut input = Input::new(bytes);
            for _ in 0..4 {
                let seed = input.u64();
                for (nr, name) in arch.calls() {
                    let args = args(&document, name, seed);
                    let answer = filter.evaluate(arch.audit(), nr, 0, args);
                    assert_eq!(answer, profile.decide(arch, nr, &args), "{name} {args:x?}");
                    let wanted = plain(&document, &caps, arch, name, &args);
                    assert_eq!(answer, wanted, "{arch} {name} {args:x?}\n{text}");
                }
            }
        }
    }
}

/// Arguments that entries about the call compare with, and others.
fn args(document: &Value, name: &str, seed: u64) -> [u64; 6] {
    let mut args = std::array::from_fn(|index| seed.rotate_left(11 * index as u32) & 0xff);
    for arg in entries(document)
        .filter(|entry| names(entry).any(|one| one == name))
        .flat_map(|entry| list(&entry["args"]))
    {
        let index = arg["index"].as_u64().unwrap_or(0) as usize % 6;
        let value = ["value", "valueTwo"][(seed >> (index + 7)) as usize & 1];
        let value = arg[value].as_u64().unwrap_or(0);
        args[index] = value.wrapping_add(seed >> index & 1);
    }
    args
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn entries(document: &Value) -> impl Iterator<Item = &Value> {
    list(&document["syscalls"])
}

fn names(entry: &Value) -> impl Iterator<Item = &str> {
    let one = entry["name"].as_str().filter(|name| !name.is_empty());
    one.into_iter().chain(list(&entry["names"]).filter_map(Value::as_str))
}

/// What the documentation of the import says of one call.
fn plain(document: &Value, caps: &BTreeSet<String>, arch: Arch, name: &str, args: &[u64; 6]) -> Action {
    let default = action(&document["defaultAction"], &document["defaultErrnoRet"]);
    let about: Vec<(&Value, Action)> = entries(document)
        .filter(|entry| names(entry).any(|one| one == name) && applies(entry, caps, arch))
        .map(|entry| (entry, action(&entry["action"], &entry["errnoRet"])))
        .filter(|(_, answer)| *answer != default)
        .collect();
    let has_args = |entry: &Value| list(&entry["args"]).next().is_some();
    if let Some((_, answer)) = about.iter().find(|(entry, _)| !has_args(entry)) {
        return *answer;
    }
    let fits = about.iter().find(|(entry, _)| {
        let all: Vec<&Value> = list(&entry["args"]).collect();
        let mut seen = BTreeSet::new();
        // libseccomp cannot join two about the same argument, so runc takes them as alternatives.
        match all.iter().all(|arg| seen.insert(arg["index"].as_u64())) {
            true => all.iter().all(|arg| holds(arg, args)),
            false => all.iter().any(|arg| holds(arg, args)),
        }
    });
    fits.map_or(default, |(_, answer)| *answer)
}

fn applies(entry: &Value, caps: &BTreeSet<String>, arch: Arch) -> bool {
    let arch = match arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    };
    let full = |cap: &str| {
        let cap = cap.to_ascii_uppercase();
        format!("CAP_{}", cap.strip_prefix("CAP_").unwrap_or(&cap))
    };
    let held = |cap: &Value| {
        let cap = full(cap.as_str().unwrap_or_default());
        caps.iter().any(|one| full(one) == cap)
    };
    let newer = |conditions: &Value| -> Option<bool> {
        let (major, minor) = conditions["minKernel"].as_str()?.split_once('.')?;
        Some(KERNEL >= (major.parse().ok()?, minor.parse().ok()?))
    };
    let (without, with) = (&entry["excludes"], &entry["includes"]);
    let is_here = |one: &Value| one == arch;
    !list(&without["caps"]).any(held)
        && !list(&without["arches"]).any(is_here)
        && newer(without) != Some(true)
        && list(&with["caps"]).all(held)
        && (list(&with["arches"]).next().is_none() || list(&with["arches"]).any(is_here))
        && newer(with) != Some(false)
}

fn holds(arg: &Value, args: &[u64; 6]) -> bool {
    let number = |key: &str| arg[key].as_u64().unwrap_or(0);
    let (given, value) = (args[number("index") as usize], number("value"));
    match arg["op"].as_str().unwrap_or_default() {
        "SCMP_CMP_EQ" => given == value,
        "SCMP_CMP_NE" => given != value,
        "SCMP_CMP_LT" => given < value,
        "SCMP_CMP_LE" => given <= value,
        "SCMP_CMP_GT" => given > value,
        "SCMP_CMP_GE" => given >= value,
        "SCMP_CMP_MASKED_EQ" => given & value == number("valueTwo") & value,
        other => panic!("{other} was read"),
    }
}

fn action(name: &Value, errno: &Value) -> Action {
    match name.as_str().unwrap_or_default() {
        "SCMP_ACT_ALLOW" => Action::Allow,
        "SCMP_ACT_LOG" => Action::Log,
        "SCMP_ACT_TRAP" => Action::Trap,
        "SCMP_ACT_ERRNO" => Action::Errno(errno.as_u64().map_or(1, |errno| errno as u16)),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" | "SCMP_ACT_KILL_PROCESS" => Action::KillProcess,
        other => panic!("{other} was read"),
    }
}
