//! Two rules at one place.

use crate::error::ViewError;
use crate::layers::UpperLayer;
use crate::layout::{Entry, Item, What};
use std::path::Path;

/// What both want, if that is one thing.
pub(crate) fn merge(path: &Path, one: Item, other: Item) -> Result<Item, ViewError> {
    let is_dir = |item: &Item| matches!(item, Item::Entry(Entry::Dir { .. }));
    let covers = |item: &Item| matches!(item, Item::Mount(what) if what.is_directory());
    let text = |item: &Item| match item {
        Item::HostLink(text) | Item::Entry(Entry::Symlink { text }) => Some(text.clone()),
        _ => None,
    };
    let same_link = text(&one).is_some() && text(&one) == text(&other);
    if one == other || same_link || (is_dir(&other) && covers(&one)) {
        return Ok(one);
    }
    if is_dir(&one) && covers(&other) {
        return Ok(other);
    }
    Err(ViewError::Conflict {
        target: path.into(),
        first: describe(&one),
        second: describe(&other),
    })
}

fn describe(item: &Item) -> String {
    match item {
        Item::Mount(What::Bind { source, bind }) => {
            let access = if bind.writable {
                "writable"
            } else {
                "read-only"
            };
            let mut text = format!("a {access} bind of {}", source.path.display());
            if !bind.exec {
                text.push_str(" without exec");
            }
            if bind.devices {
                text.push_str(" with devices");
            }
            if let Some(owner) = bind.id_mapped {
                text.push_str(&format!(" mapped from {}:{}", owner.uid, owner.gid));
            }
            text
        }
        Item::Mount(What::Overlay(layers)) => {
            let count = layers.lowers.len();
            let upper = match &layers.upper {
                UpperLayer::None => "none".into(),
                UpperLayer::Memory => "memory".into(),
                UpperLayer::Directory(source) => source.path.display().to_string(),
            };
            format!("an overlay of {count} lower layers and the upper one {upper}")
        }
        Item::Mount(What::Pin) => "a mount point".into(),
        Item::Mount(What::Tmpfs { size, mode, .. }) => {
            format!("a tmpfs of {size} bytes, mode {mode:o}")
        }
        Item::Mount(What::Device { source, .. }) => format!("the device {source}"),
        Item::Mount(What::Devpts) => "a devpts".into(),
        Item::Mount(What::Proc) => "a proc".into(),
        Item::Mount(What::Sysfs) => "a sysfs".into(),
        Item::Hide { .. } | Item::Mount(What::Hide { .. }) => "hidden".into(),
        Item::Entry(Entry::Dir { mode }) => format!("a directory, mode {mode:o}"),
        Item::Entry(Entry::File { bytes, mode }) => {
            format!("a file of {} bytes, mode {mode:o}", bytes.len())
        }
        Item::Entry(Entry::Socket { mode }) => format!("a socket, mode {mode:o}"),
        Item::HostLink(text) | Item::Entry(Entry::Symlink { text }) => {
            format!("a link to {}", text.display())
        }
    }
}
