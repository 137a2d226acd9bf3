//! The checks of the file system part.

use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{check_path, check_size};
use crate::danger::{DangerousNames, is_plain};
use crate::error::PolicyError;
use crate::filesystem::{Access, Filesystem, PathRule};
use crate::protect::Protect;
use crate::root::Root;
use crate::suggest::nearest;
use crate::tree::Above;
use crate::upper::Upper;

/// Directories that the sandbox fills itself.
const KERNEL_FILES: [&str; 3] = ["/proc", "/sys", "/dev"];

pub(super) fn check(files: &Filesystem) -> Result<(), PolicyError> {
    if let Some(rule) = files.workspace_rule() {
        let what = "filesystem.workspace";
        check_path(what, &rule.path)?;
        match rule.access {
            Access::Hide => return Err(PolicyError::HidesWorkspace { path: rule.path }),
            Access::Read if rule.path.starts_with("/proc") => {
                return Err(PolicyError::ReadsHostProc { path: rule.path });
            }
            Access::Read => {}
            Access::Overlay | Access::Write => check_written(what, &rule.path)?,
        }
    }
    for rule in &files.rules {
        check_rule(rule)?;
    }
    check_accesses(files)?;
    check_names(files)?;
    check_root(files)?;
    check_overlays(files)?;
    check_upper(files)?;
    check_protect(&files.protect)?;
    if let Some(size) = files.tmp {
        check_size("filesystem.tmp", size)?;
    }
    if let Some(size) = files.home {
        check_size("filesystem.home", size)?;
    }
    Ok(())
}

fn check_rule(rule: &PathRule) -> Result<(), PolicyError> {
    let what = match rule.access {
        Access::Hide => "filesystem.hide",
        Access::Read => "filesystem.read",
        Access::Overlay => "filesystem.overlay",
        Access::Write => "filesystem.write",
    };
    check_path(what, &rule.path)?;
    let path = || rule.path.clone();
    match rule.access {
        Access::Hide if rule.path == Path::new("/") => return Err(PolicyError::HidesRoot),
        Access::Hide if rule.target.is_some() => {
            return Err(PolicyError::HideTarget { path: path() });
        }
        Access::Hide => return Ok(()),
        Access::Read if rule.path.starts_with("/proc") => {
            return Err(PolicyError::ReadsHostProc { path: path() });
        }
        Access::Read => {}
        Access::Overlay | Access::Write => check_written(what, &rule.path)?,
    }
    let Some(target) = &rule.target else {
        return Ok(());
    };
    check_path("the target of a rule", target)?;
    let reserved = KERNEL_FILES.iter().any(|kernel| target.starts_with(kernel));
    if target != &rule.path && (reserved || target == Path::new("/")) {
        return Err(PolicyError::ReservedTarget {
            path: path(),
            target: target.clone(),
        });
    }
    Ok(())
}

fn check_written(what: &'static str, path: &Path) -> Result<(), PolicyError> {
    if path == Path::new("/") {
        return Err(PolicyError::WritesRoot { what });
    }
    if KERNEL_FILES.iter().any(|kernel| path.starts_with(kernel)) {
        let path = path.into();
        return Err(PolicyError::WritesKernelFiles { what, path });
    }
    Ok(())
}

/// One access for each host path, each named once.
///
/// By hash and not by sorting: comparing long paths over and over is what would take time here.
fn check_accesses(files: &Filesystem) -> Result<(), PolicyError> {
    let workspace = files.workspace_rule();
    let mut accesses: HashMap<&Path, &PathRule> = HashMap::new();
    let mut named: HashSet<(&Path, &Path)> = HashSet::new();
    for rule in workspace.iter().chain(&files.rules) {
        let path = || rule.path.clone();
        let first = *accesses.entry(&rule.path).or_insert(rule);
        if rule.access == Access::Hide && files.workspace.as_ref() == Some(&rule.path) {
            return Err(PolicyError::HidesWorkspace { path: path() });
        }
        let exec = |rule: &PathRule| rule.exec && rule.access != Access::Hide;
        if first.access != rule.access || exec(first) != exec(rule) {
            return Err(PolicyError::ConflictingRules {
                path: path(),
                first: first.access,
                second: rule.access,
            });
        }
        if !named.insert((&rule.path, rule.inside())) {
            return Err(PolicyError::DuplicateRule { path: path() });
        }
    }
    Ok(())
}

/// One thing at each place inside.
fn check_names(files: &Filesystem) -> Result<(), PolicyError> {
    let workspace = files.workspace.as_deref().map(|path| (path, path));
    let shown = files
        .rules
        .iter()
        .filter(|rule| rule.access != Access::Hide)
        .map(|rule| (rule.inside(), &*rule.path));
    let mut places: HashMap<&Path, &Path> = HashMap::new();
    for (inside, path) in workspace.into_iter().chain(shown) {
        if let Some(first) = places.insert(inside, path) {
            return Err(PolicyError::SameTarget {
                target: inside.into(),
                first: first.into(),
                second: path.into(),
            });
        }
    }
    if files.tmp.is_some() && places.contains_key(Path::new("/tmp")) {
        return Err(PolicyError::ReplacesTmp {
            path: "/tmp".into(),
        });
    }
    let mut links = HashSet::new();
    for link in &files.symlinks {
        check_path("filesystem.symlinks", &link.path)?;
        let path = link.path.clone();
        if link.target.as_os_str().is_empty() {
            return Err(PolicyError::EmptySymlink { path });
        }
        if link.target.as_os_str().as_bytes().contains(&0) {
            return Err(PolicyError::NulInPath {
                what: "filesystem.symlinks",
                path: link.target.clone(),
            });
        }
        if path == Path::new("/") || places.contains_key(&*path) {
            return Err(PolicyError::SymlinkOverRule { path });
        }
        if !links.insert(&link.path) {
            return Err(PolicyError::DuplicateSymlink { path });
        }
    }
    Ok(())
}

/// A root that is not the host's, and what cannot be together with it.
fn check_root(files: &Filesystem) -> Result<(), PolicyError> {
    let root = match &files.root {
        Root::Host => return Ok(()),
        Root::Directory(path) => path,
        Root::Image { layout, .. } => layout,
    };
    check_path("filesystem.root", root)?;
    if let Root::Image {
        reference: Some(reference),
        ..
    } = &files.root
        && (reference.is_empty() || reference.contains(|c: char| c.is_control() || c == ' '))
    {
        return Err(PolicyError::ImageReference {
            reference: reference.clone(),
        });
    }
    if root == Path::new("/") {
        return Err(PolicyError::HostAsRoot);
    }
    if files.system {
        return Err(PolicyError::SystemWithRoot);
    }
    if !matches!(files.root_access, Access::Read | Access::Overlay) {
        return Err(PolicyError::RootAccess {
            given: files.root_access,
        });
    }
    for rule in files.workspace_rule().iter().chain(&files.rules) {
        let (root, path) = (root.clone(), rule.path.clone());
        if rule.access != Access::Hide && rule.inside() == Path::new("/") {
            return Err(PolicyError::RuleOverRoot { path });
        }
        // What a rule says of a path there would have to hold at another place inside.
        if rule.path.starts_with(&root) {
            return Err(PolicyError::RuleInRoot { root, path });
        }
        // The layer below an overlay must not change under it (kernel documentation,
        // `filesystems/overlayfs.rst`, "Changes to underlying filesystems").
        if rule.access >= Access::Overlay && root.starts_with(&rule.path) {
            return Err(PolicyError::RootInWritten { root, path });
        }
    }
    Ok(())
}

/// No overlay rule that another one covers in every respect: whether it had an upper layer of its
/// own would be a guess. The workspace may be within one, since it also names the directory.
fn check_overlays(files: &Filesystem) -> Result<(), PolicyError> {
    let is_overlay = |rule: &&PathRule| rule.access == Access::Overlay;
    if !files.rules.iter().any(|rule| is_overlay(&rule)) {
        return Ok(());
    }
    let workspace = files.workspace_rule();
    let mut rules: Vec<&PathRule> = files.rules.iter().chain(&workspace).collect();
    // At its own place first, so that is what the rules below it are compared with.
    rules.sort_by(|a, b| (&a.path, &a.target).cmp(&(&b.path, &b.target)));
    rules.dedup_by(|later, first| later.path == first.path);
    let mut above: Above<'_, Option<&PathRule>> = Above::new(None);
    for rule in rules {
        let outer = above.at(&rule.path);
        above.push(&rule.path, Some(rule));
        if let Some(outer) = outer
            && [outer, rule].iter().all(is_overlay)
            && outer.exec == rule.exec
            && outer.target.is_none()
            && rule.target.is_none()
            && files.workspace.as_ref() != Some(&rule.path)
        {
            return Err(PolicyError::NestedOverlay {
                path: rule.path.clone(),
                outer: outer.path.clone(),
            });
        }
    }
    Ok(())
}

/// An upper layer apart from everything it could be reached through.
fn check_upper(files: &Filesystem) -> Result<(), PolicyError> {
    let what = "filesystem.upper";
    let upper = match &files.upper {
        Upper::Memory(size) => return check_size(what, *size),
        Upper::Disk(None) => return Ok(()),
        Upper::Disk(Some(upper)) => upper,
    };
    check_path(what, upper)?;
    check_written(what, upper)?;
    for rule in files.workspace_rule().iter().chain(&files.rules) {
        let apart = !upper.starts_with(&rule.path) && !rule.path.starts_with(upper);
        if rule.access >= Access::Overlay && !apart {
            return Err(PolicyError::UpperInWritten {
                upper: upper.clone(),
                path: rule.path.clone(),
            });
        }
    }
    match &files.root {
        Root::Directory(root) | Root::Image { layout: root, .. }
            if upper.starts_with(root) || root.starts_with(upper) =>
        {
            Err(PolicyError::UpperInWritten {
                upper: upper.clone(),
                path: root.clone(),
            })
        }
        _ => Ok(()),
    }
}

fn check_protect(protect: &Protect) -> Result<(), PolicyError> {
    for name in protect.add.iter().chain(&protect.remove) {
        if !is_plain(name) || name.as_os_str().as_bytes().contains(&0) {
            return Err(PolicyError::ProtectedName { name: name.clone() });
        }
    }
    if protect.remove.is_empty() {
        return Ok(());
    }
    if let Some(name) = protect.add.intersection(&protect.remove).next() {
        return Err(PolicyError::ProtectedTwice { name: name.clone() });
    }
    let list = DangerousNames::default();
    for name in &protect.remove {
        if !list.clone().take_out(name) {
            let known = list.iter().filter_map(|one| one.path().to_str());
            return Err(PolicyError::NotProtected {
                name: name.clone(),
                suggestion: name
                    .to_str()
                    .and_then(|name| nearest(name, known))
                    .map(String::from),
            });
        }
    }
    Ok(())
}
