//! The options about files.

use super::ComposeError;
use crate::args::{PolicyArguments, RootAccessArgument};
use cofferdam::policy::{Root, Upper};
use cofferdam::{Access, Bytes, Filesystem, PathRule, Policy};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Puts the options into the file system part of a policy.
pub(super) fn compose(
    files: &mut Filesystem,
    arguments: &PolicyArguments,
    here: &Path,
) -> Result<(), ComposeError> {
    if arguments.workspace.is_some() {
        files.workspace.clone_from(&arguments.workspace);
    }
    if arguments.overlay {
        if files.workspace.is_none() {
            return Err(ComposeError::OverlayOfNothing);
        }
        files.workspace_access = Access::Overlay;
    }
    if arguments.toolchains || arguments.no_toolchains {
        files.toolchains = arguments.toolchains;
    }
    protect(files, arguments);
    root(files, arguments)?;
    rules(files, arguments, here);
    if let Some(text) = &arguments.upper {
        let root = !files.root.is_host() && files.root_access == Access::Overlay;
        if !root && !has_overlay(files) {
            return Err(ComposeError::UpperOfNothing);
        }
        files.upper = upper(text)?;
    }
    Ok(())
}

/// Whether something that outlives a run is shown as an overlay: the workspace, or a rule's path.
pub(crate) fn has_overlay(files: &Filesystem) -> bool {
    let mut rules = files.rules.iter();
    (files.workspace.is_some() && files.workspace_access == Access::Overlay)
        || rules.any(|rule| rule.access == Access::Overlay)
}

/// The layout and the reference of `PATH[#REFERENCE]`. What comes after the last `#` is the reference,
/// so that a path with one in it is written with another at its end.
pub(crate) fn image(text: &OsStr) -> Result<(PathBuf, Option<String>), ComposeError> {
    let bytes = text.as_bytes();
    let (path, reference) = match bytes.iter().rposition(|byte| *byte == b'#') {
        Some(mark) => (&bytes[..mark], &bytes[mark + 1..]),
        None => (bytes, &[][..]),
    };
    let refused = || ComposeError::Image(text.to_owned());
    let reference = std::str::from_utf8(reference).map_err(|_| refused())?;
    if path.is_empty() {
        return Err(refused());
    }
    let reference = (!reference.is_empty()).then(|| reference.to_owned());
    Ok((OsStr::from_bytes(path).into(), reference))
}

fn protect(files: &mut Filesystem, arguments: &PolicyArguments) {
    files.protect.enabled &= !arguments.no_protect;
    let protect = &mut files.protect;
    // What is typed wins over the file.
    for name in &arguments.protect {
        protect.enabled = true;
        protect.remove.remove(name);
        protect.add.insert(name.clone());
    }
    for name in &arguments.unprotect {
        let typed = arguments.protect.contains(name);
        if typed || !protect.add.remove(name) {
            protect.remove.insert(name.clone());
        }
    }
}

fn root(files: &mut Filesystem, arguments: &PolicyArguments) -> Result<(), ComposeError> {
    let root = match (&arguments.root, &arguments.image) {
        (Some(directory), _) => Some(Root::directory(directory)),
        (None, Some(text)) => {
            let (layout, reference) = image(text)?;
            Some(Root::Image { layout, reference })
        }
        (None, None) => None,
    };
    if let Some(root) = root {
        *files = std::mem::take(files).root(root);
    }
    let Some(access) = arguments.root_access else {
        return Ok(());
    };
    if files.root.is_host() {
        return Err(ComposeError::AccessToNoRoot);
    }
    files.root_access = match access {
        RootAccessArgument::Read => Access::Read,
        RootAccessArgument::Overlay => Access::Overlay,
    };
    Ok(())
}

fn rules(files: &mut Filesystem, arguments: &PolicyArguments, here: &Path) {
    let mut named = Policy::default();
    let rules = &mut named.filesystem.rules;
    rules.extend(arguments.read.iter().map(PathRule::read));
    rules.extend(arguments.write.iter().map(PathRule::write));
    rules.extend(arguments.hide.iter().map(PathRule::hide));
    let named = named.rebase(here).filesystem.rules;
    // What is typed is meant, also where the file says otherwise of the same path.
    files
        .rules
        .retain(|rule| named.iter().all(|own| own.path != rule.path));
    files.rules.extend(named);
}

fn upper(text: &OsString) -> Result<Upper, ComposeError> {
    let refused = |why: String| ComposeError::Upper {
        given: text.clone(),
        why,
    };
    let bytes = text.as_bytes();
    match bytes.strip_prefix(b"disk") {
        Some([]) => Ok(Upper::Disk(None)),
        Some([b':', directory @ ..]) if !directory.is_empty() => {
            Ok(Upper::Disk(Some(OsStr::from_bytes(directory).into())))
        }
        Some(_) => Err(refused("write `disk` or `disk:DIR`".into())),
        None => {
            let text = text.to_string_lossy();
            let size = text.parse::<Bytes>();
            size.map(Upper::Memory)
                .map_err(|error| refused(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images() {
        let of = |text: &str| image(text.as_ref()).ok();
        let some = |path: &str, reference: Option<&str>| {
            Some((PathBuf::from(path), reference.map(str::to_owned)))
        };
        assert_eq!(of("a/b"), some("a/b", None));
        assert_eq!(of("a#debian:12"), some("a", Some("debian:12")));
        assert_eq!(of("a#b#"), some("a#b", None));
        assert_eq!(of("#b"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn uppers() {
        let of = |text: &str| upper(&text.into()).ok();
        assert_eq!(of("2GiB"), Some(Upper::Memory(Bytes::gib(2))));
        assert_eq!(of("disk"), Some(Upper::Disk(None)));
        assert_eq!(of("disk:a"), Some(Upper::Disk(Some("a".into()))));
        for bad in ["disk:", "disks", "", "many"] {
            assert_eq!(of(bad), None, "{bad}");
        }
    }
}
