//! What to do about an error, in the words of the command line.

use crate::text;
use cofferdam::{BuildError, Layer, Policy, SpawnError, TakenAway};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// What a person at a shell can do about a sandbox that was not built.
pub(crate) fn for_build(error: &BuildError) -> Vec<String> {
    match error {
        BuildError::Unavailable { layer, remedy, .. } => {
            // Not each lack can be preferred away: root's own ids are never used.
            let optional = remedy.contains("prefer").then(|| go_on_without(*layer));
            std::iter::once(remedy.clone()).chain(optional).collect()
        }
        BuildError::View(_) => vec![
            "check the paths given with --workspace, --read and --write and in the policy file"
                .into(),
        ],
        BuildError::Protect(_) => vec![
            "check the path given with --workspace".into(),
            "--no-protect leaves its dangerous names writable".into(),
        ],
        BuildError::OverlaySource { .. } => {
            vec!["check the path given with --workspace and in the policy file".into()]
        }
        BuildError::Store { .. } => {
            vec!["name another directory with --upper disk:DIR, or a size of memory".into()]
        }
        _ => Vec::new(),
    }
}

/// What a person at a shell can do about a command that was not started.
pub(crate) fn for_spawn(error: &SpawnError, policy: &Policy) -> Vec<String> {
    match error {
        SpawnError::NotFound { program, .. } => for_program(program, policy),
        // Only what is tried out while the sandbox is built can be preferred away: namespaces, whose
        // lack is what a reason tells of.
        SpawnError::Layer { remedy, reason, .. } => {
            let optional = reason.as_ref().map(|_| go_on_without(Layer::Namespaces));
            std::iter::once(remedy.clone()).chain(optional).collect()
        }
        _ => Vec::new(),
    }
}

/// A sandbox that was not built. What to do is left to [`for_build`].
pub(crate) fn not_built(error: &BuildError) -> String {
    match error {
        BuildError::Unavailable {
            layer,
            feature,
            reason,
            ..
        } => format!("the {layer} layer cannot be put up: {feature}: {reason}"),
        other => other.to_string(),
    }
}

/// A command that was not started. What to do is left to [`for_spawn`].
pub(crate) fn not_started(error: &SpawnError) -> String {
    match error {
        SpawnError::NotFound { program, path } => {
            format!("{program:?} is not inside the sandbox, where PATH is {path:?}")
        }
        SpawnError::Layer {
            layer,
            reason,
            error,
            ..
        } => {
            let because = reason.as_ref().map(|reason| format!(": {reason}"));
            let because = because.unwrap_or_default();
            format!("the {layer} layer cannot be put up: {error}{because}")
        }
        SpawnError::Directory {
            directory, errno, ..
        } => format!(
            "the working directory {} cannot be entered inside the sandbox: {errno}; name it with \
             --workspace, --read or --write",
            directory.display()
        ),
        other => other.to_string(),
    }
}

/// Tells of the names that were removed from the workspace, and how to keep them the next time.
pub(crate) fn taken_away(taken: &[&TakenAway], policy: &Policy) {
    if taken.is_empty() {
        return;
    }
    let mut names = BTreeSet::new();
    for one in taken.iter().take(LISTED) {
        text::note(&format!("cofferdam: {}\n", text::escape(one)));
        names.extend(protected_name(one.path(), policy));
    }
    if taken.len() > LISTED {
        let more = taken.len() - LISTED;
        text::note(&format!("cofferdam: and {more} more were taken away\n"));
    }
    let names: Vec<String> = names
        .iter()
        .map(|name| format!("--unprotect {}", text::escape(name.display())))
        .collect();
    let allow = match names.is_empty() {
        true => "--no-protect".into(),
        false => names.join(" "),
    };
    text::note(&format!(
        "  what to do: {allow} lets such names be written; --overlay shows them before they count\n"
    ));
}

/// Removed names that are listed.
const LISTED: usize = 50;

/// The name in the list of dangerous names that a path in the workspace falls under, as it is typed.
fn protected_name(path: &Path, policy: &Policy) -> Option<PathBuf> {
    let files = &policy.filesystem;
    let path = path.strip_prefix(files.workspace.as_ref()?).ok()?;
    let names = files.protect.names();
    let count = names.iter().count();
    let parts: Vec<_> = path.components().collect();
    // The longest that is known: a repository of its own may begin at any of its directories.
    (0..parts.len())
        .flat_map(|from| (from + 1..=parts.len()).rev().map(move |to| (from, to)))
        .map(|(from, to)| parts[from..to].iter().collect::<PathBuf>())
        .find(|name| {
            let is_typed = files.protect.add.contains(name);
            is_typed || names.clone().remove(name).iter().count() < count
        })
}

fn go_on_without(layer: Layer) -> String {
    let options = match layer {
        // These two are made of namespaces.
        Layer::Namespaces => "--prefer namespaces --prefer filesystem --prefer network".into(),
        one => format!("--prefer {one}"),
    };
    format!("{options} goes on without what is missing, behind a weaker wall")
}

/// Where the host has a program that is not inside, and how to show it.
fn for_program(program: &OsStr, policy: &Policy) -> Vec<String> {
    let found = match program.as_bytes().contains(&b'/') {
        true => Some(PathBuf::from(program)).filter(|path| path.is_absolute() && is_program(path)),
        false => on_path(program),
    };
    let Some(found) = found else {
        return vec!["check the spelling; this host has no such program either".into()];
    };
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let in_home = home.is_some_and(|home| home.parent().is_some() && found.starts_with(home));
    if in_home && !policy.filesystem.toolchains {
        return vec![format!(
            "this host has it at {}: --toolchains shows the toolchains of your home, read-only",
            text::escape(found.display())
        )];
    }
    let directory = found.parent().unwrap_or(&found);
    vec![format!(
        "this host has it at {}: --read {} shows its directory (a script needs its interpreter inside too)",
        text::escape(found.display()),
        text::escape(directory.display())
    )]
}

fn on_path(program: &OsStr) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}
