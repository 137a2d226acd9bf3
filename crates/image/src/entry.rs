//! One entry of a layer, checked and typed before anything is done with it.

use crate::Refusal;
use crate::error::Fault;
use crate::text::escaped;
use std::io::Read;
use tar::EntryType;

/// NAME_MAX
const LONGEST_NAME: usize = 255;
/// PATH_MAX without the NUL
const LONGEST_PATH: usize = 4095;
/// XATTR_NAME_MAX
const LONGEST_ATTRIBUTE: usize = 255;

const WHITEOUT: &[u8] = b".wh.";
/// What aufs kept its own files under; the opaque marker is the one of them that was standardised.
const AUFS: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The components of a path below the root, none of them empty, `.` or `..`.
pub(crate) type Components = Vec<Vec<u8>>;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing: global headers, what aufs left behind.
    Skip,
    /// The root itself.
    Root,
    Directory(Components),
    File(Components, u64),
    Symlink(Components, Vec<u8>),
    /// The second is the path of what is to be linked.
    HardLink(Components, Components),
    /// Takes away what lower layers have at this path.
    Whiteout(Components),
    /// Takes away what lower layers have in this directory.
    Opaque(Components),
}

/// What an entry says about mode, time and attributes.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) mode: u32,
    /// Seconds since 1970.
    pub(crate) mtime: u64,
    pub(crate) attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// Reads what an entry asks for.
pub(crate) fn read<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<(Action, Metadata), Fault> {
    let kind = entry.header().entry_type();
    if kind.is_pax_global_extensions() {
        return Ok((Action::Skip, Metadata::default()));
    }
    let raw = entry.path_bytes().into_owned();
    let path = components(&raw)?;
    if path
        .iter()
        .any(|part| part.starts_with(AUFS) && part != OPAQUE)
    {
        return Ok((Action::Skip, Metadata::default()));
    }
    let Some(name) = path.last() else {
        // `./` stands for the root itself.
        let root = kind == EntryType::Directory && raw.starts_with(b".");
        let action = if root {
            Action::Root
        } else {
            return Err(Refusal::Nameless.into());
        };
        return Ok((action, metadata(entry)?));
    };
    if path[..path.len() - 1]
        .iter()
        .any(|part| part.starts_with(WHITEOUT))
    {
        return Err(Refusal::BadWhiteout.into());
    }
    if let Some(hidden) = name.strip_prefix(WHITEOUT) {
        let action = whiteout(&path, hidden, kind)?;
        return Ok((action, Metadata::default()));
    }
    let action = match kind {
        // Before there was a type flag for directories a slash at the end said it.
        EntryType::Regular if raw.ends_with(b"/") && entry.size() == 0 => Action::Directory(path),
        EntryType::Regular | EntryType::GNUSparse => Action::File(path, entry.size()),
        EntryType::Directory => Action::Directory(path),
        EntryType::Symlink => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            if target.contains(&0) {
                return Err(Refusal::Nul.into());
            }
            if target.is_empty() || target.len() > LONGEST_PATH {
                return Err(Refusal::BadLinkTarget.into());
            }
            Action::Symlink(path, target)
        }
        EntryType::Link => {
            let target = entry.link_name_bytes().unwrap_or_default().into_owned();
            let outside = || Refusal::HardLinkOutside(escaped(&target));
            let parts = components(&target).map_err(|_| outside())?;
            if parts.is_empty() {
                return Err(outside().into());
            }
            Action::HardLink(path, parts)
        }
        EntryType::Char | EntryType::Block => return Err(Refusal::Device.into()),
        EntryType::Fifo => return Err(Refusal::Fifo.into()),
        other => return Err(Refusal::UnknownType(other.as_byte()).into()),
    };
    Ok((action, metadata(entry)?))
}

/// Splits a path of an archive.
pub(crate) fn components(raw: &[u8]) -> Result<Components, Refusal> {
    if raw.contains(&0) {
        return Err(Refusal::Nul);
    }
    if raw.starts_with(b"/") {
        return Err(Refusal::Absolute);
    }
    if raw.is_empty() {
        return Err(Refusal::Nameless);
    }
    if raw.len() > LONGEST_PATH {
        return Err(Refusal::NameTooLong);
    }
    let mut parts = Components::new();
    for part in raw.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return Err(Refusal::ParentComponent),
            part if part.len() > LONGEST_NAME => return Err(Refusal::NameTooLong),
            part => parts.push(part.into()),
        }
    }
    Ok(parts)
}

fn whiteout(path: &[Vec<u8>], hidden: &[u8], kind: EntryType) -> Result<Action, Refusal> {
    // aufs made its whiteouts as hard links to one file.
    if !matches!(kind, EntryType::Regular | EntryType::Link) {
        return Err(Refusal::BadWhiteout);
    }
    let mut target: Components = path[..path.len() - 1].to_vec();
    if path.last().is_some_and(|name| name == OPAQUE) {
        return Ok(Action::Opaque(target));
    }
    match hidden {
        b"" | b"." | b".." => Err(Refusal::BadWhiteout),
        hidden => {
            target.push(hidden.into());
            Ok(Action::Whiteout(target))
        }
    }
}

fn metadata<R: Read>(entry: &mut tar::Entry<'_, R>) -> Result<Metadata, Fault> {
    let mode = entry
        .header()
        .mode()
        .map_err(|_| Refusal::Malformed("its mode is no number"))?;
    let mtime = entry
        .header()
        .mtime()
        .map_err(|_| Refusal::Malformed("its time is no number"))?;
    let mut attributes = Vec::new();
    let records = entry.pax_extensions().map_err(Fault::Stream)?;
    // A record that cannot be read is one with a line feed in its value, mostly a file capability.
    for record in records.into_iter().flatten().flatten() {
        let key = record.key_bytes();
        if key.starts_with(b"GNU.sparse.") {
            return Err(Refusal::PaxSparse.into());
        }
        if let Some(name) = key.strip_prefix(b"SCHILY.xattr.")
            && kept(name)
        {
            attributes.push((name.to_vec(), record.value_bytes().to_vec()));
        }
    }
    Ok(Metadata {
        mode,
        mtime: mtime.min(u64::from(u32::MAX) * 4),
        attributes,
    })
}

/// Whether an attribute goes into the tree: `user.*`, which mean nothing to the kernel, but for those of
/// an overlay mounted with `userxattr` (Linux 5.11), to which they do.
fn kept(name: &[u8]) -> bool {
    name.starts_with(b"user.")
        && name.len() > b"user.".len()
        && name.len() <= LONGEST_ATTRIBUTE
        && !name.starts_with(b"user.overlay.")
        && !name.contains(&0)
}

#[cfg(test)]
mod tests {
    use super::{components, kept};
    use crate::Refusal;

    #[test]
    fn paths_are_split_or_refused() {
        assert_eq!(components(b"./a//b/./c/").unwrap(), [b"a", b"b", b"c"]);
        assert_eq!(components(b"a..b/...").unwrap(), [&b"a..b"[..], b"..."]);
        assert_eq!(components(b"./").unwrap(), Vec::<Vec<u8>>::new());
        for (raw, refusal) in [
            (&b"/etc"[..], Refusal::Absolute),
            (b"a/../b", Refusal::ParentComponent),
            (b"..", Refusal::ParentComponent),
            (b"a\0b", Refusal::Nul),
            (b"", Refusal::Nameless),
            (&[b'a'; 256], Refusal::NameTooLong),
            (&b"a/".repeat(2048), Refusal::NameTooLong),
        ] {
            assert_eq!(components(raw), Err(refusal));
        }
        assert!(components(&[b'a'; 255]).is_ok());
    }

    #[test]
    fn only_attributes_without_meaning_to_the_kernel_are_kept() {
        for (name, expected) in [
            ("user.comment", true),
            ("user.overlayed", true),
            ("user.overlay.opaque", false),
            ("user.", false),
            ("security.capability", false),
            ("trusted.overlay.opaque", false),
            ("system.posix_acl_access", false),
        ] {
            assert_eq!(kept(name.as_bytes()), expected, "{name}");
        }
    }
}
