//! From rules to what they want: each rule checked by itself, its sources found on the host.

use crate::dev;
use crate::error::ViewError;
use crate::layers::{self, Followed, Layers, UpperLayer};
use crate::layout::{Entry, Item, Layout, Placed, What};
use crate::overlay::Overlay;
use crate::source::{self, Host};
use crate::view::{Bind, Kind, Rule};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What connect(2) can name (unix(7), `sun_path` without its NUL), in bytes.
const LONGEST_SOCKET: usize = 107;

/// Checks each rule by itself and finds the sources.
pub(crate) fn gather(
    rules: &[Rule],
    host: &mut Host,
    layout: &mut Layout,
) -> Result<Vec<Placed>, ViewError> {
    let own_shm = rules
        .iter()
        .any(|rule| rule.target.as_os_str() == "/dev/shm" && !dev::is_default(rule));
    let mut placed = Vec::with_capacity(rules.len());
    let mut followed: Vec<(PathBuf, PathBuf)> = Vec::new();
    for rule in rules {
        if own_shm && dev::is_default(rule) {
            continue;
        }
        let mut target = source::check(&rule.target)?;
        if let Kind::Root(overlay) = &rule.kind {
            let mut links = Vec::new();
            let root = Layers::find(&target, overlay, host, &mut links)?;
            followed.extend(links.into_iter().map(|(given, (at, _))| (given, at)));
            if layout.root.as_ref().is_some_and(|other| *other != root) {
                return Err(ViewError::Conflict {
                    target,
                    first: "an overlay".into(),
                    second: "another overlay".into(),
                });
            }
            layout.root = Some(root);
            continue;
        }
        if target.as_os_str() == "/" {
            return Err(ViewError::RootTarget);
        }
        let item = match &rule.kind {
            Kind::Bind { source, bind } => {
                let given = source::check(source)?;
                match host.locate(&given) {
                    Err(ViewError::Source { source, .. })
                        if bind.optional && source.kind() == std::io::ErrorKind::NotFound =>
                    {
                        layout.skipped.push((target, "the host has no such file"));
                        continue;
                    }
                    Err(error) => return Err(error),
                    Ok((source, links)) => {
                        let at = links.iter().map(|(at, _)| (given.clone(), at.clone()));
                        followed.extend(at);
                        if given == target {
                            placed.extend(links.into_iter().map(|(target, text)| Placed {
                                target,
                                item: Item::HostLink(text),
                            }));
                            target = source.path.clone();
                        }
                        let optional = false;
                        let bind = Bind { optional, ..*bind };
                        Item::Mount(What::Bind { source, bind })
                    }
                }
            }
            Kind::Overlay(overlay) => {
                let mut links = Vec::new();
                let layers = Layers::find(&target, overlay, host, &mut links)?;
                let real = shown_links(&target, overlay, &layers, &links, &mut placed);
                followed.extend(links.into_iter().map(|(given, (at, _))| (given, at)));
                target = real.unwrap_or(target);
                Item::Mount(What::Overlay(layers))
            }
            Kind::Root(_) => continue,
            Kind::Tmpfs { size: 0, .. } => return Err(ViewError::ZeroSize { target }),
            Kind::Tmpfs {
                size,
                mode,
                exec,
                read_only,
            } => Item::Mount(What::Tmpfs {
                size: *size,
                mode: *mode,
                exec: *exec,
                read_only: *read_only,
            }),
            Kind::Device { source, device } => {
                check_device(Path::new(source), *device)?;
                let (source, device) = (*source, *device);
                Item::Mount(What::Device { source, device })
            }
            Kind::Devpts => Item::Mount(What::Devpts),
            Kind::Proc => Item::Mount(What::Proc),
            Kind::Sysfs => Item::Mount(What::Sysfs),
            Kind::Hide { optional } => Item::Hide {
                optional: *optional,
            },
            Kind::Symlink { text } => {
                let bytes = text.as_os_str().as_bytes();
                if bytes.is_empty() || bytes.contains(&0) {
                    return Err(ViewError::Nul { path: text.clone() });
                }
                let text = text.clone();
                Item::Entry(Entry::Symlink { text })
            }
            Kind::File { bytes, mode } => Item::Entry(Entry::File {
                bytes: bytes.clone(),
                mode: *mode,
            }),
            Kind::Socket { mode } => {
                let length = target.as_os_str().len();
                if length > LONGEST_SOCKET {
                    return Err(ViewError::SocketTooLong { target, length });
                }
                Item::Entry(Entry::Socket { mode: *mode })
            }
            Kind::Dir { mode } => Item::Entry(Entry::Dir { mode: *mode }),
        };
        placed.push(Placed { target, item });
    }
    refuse_changeable(&placed, layout.root.as_ref(), followed)?;
    let overlays = placed.iter().filter_map(|placed| match &placed.item {
        Item::Mount(What::Overlay(layers)) => Some(layers),
        _ => None,
    });
    let overlays: Vec<&Layers> = layout.root.iter().chain(overlays).collect();
    let writable = placed.iter().filter_map(|placed| match &placed.item {
        Item::Mount(What::Bind { source, bind }) if bind.writable => Some(source),
        _ => None,
    });
    layers::check(&overlays, &writable.collect::<Vec<_>>())?;
    Ok(placed)
}

/// Where the source of a lower layer and the target are one path, the view gets the links that lead
/// there; the overlay goes where they lead.
fn shown_links(
    target: &Path,
    overlay: &Overlay,
    layers: &Layers,
    followed: &Followed,
    placed: &mut Vec<Placed>,
) -> Option<PathBuf> {
    let given = overlay.lowers.iter().map(|lower| lower.source.as_path());
    let at = given
        .zip(&layers.lowers)
        .find(|(given, _)| *given == target);
    let source = at?.1.source.path.clone();
    let links = followed.iter().filter(|(given, _)| given == target);
    placed.extend(links.map(|(_, (target, text))| Placed {
        target: target.clone(),
        item: Item::HostLink(text.clone()),
    }));
    Some(source)
}

/// A link that the sandbox can change must not choose what of the host it is shown next time.
fn refuse_changeable(
    placed: &[Placed],
    root: Option<&Layers>,
    followed: Vec<(PathBuf, PathBuf)>,
) -> Result<(), ViewError> {
    let writable: HashSet<&OsStr> = placed
        .iter()
        .filter_map(|placed| match &placed.item {
            Item::Mount(What::Bind { source, bind }) if bind.writable => {
                Some(source.path.as_os_str())
            }
            Item::Mount(What::Overlay(layers)) => on_disk(layers),
            _ => None,
        })
        .chain(root.and_then(on_disk))
        .collect();
    let changeable = |(_, link): &(PathBuf, PathBuf)| {
        let mut above = link.ancestors();
        above.any(|dir| writable.contains(dir.as_os_str()))
    };
    match followed.into_iter().find(changeable) {
        Some((target, link)) => Err(ViewError::SymlinkInWritable { target, link }),
        None => Ok(()),
    }
}

fn check_device(path: &Path, device: (u32, u32)) -> Result<(), ViewError> {
    let right = path.symlink_metadata().is_ok_and(|meta| {
        meta.file_type().is_char_device()
            && (libc::major(meta.rdev()), libc::minor(meta.rdev())) == device
    });
    if right {
        return Ok(());
    }
    Err(ViewError::Device {
        path: path.into(),
        device,
    })
}

fn on_disk(layers: &Layers) -> Option<&OsStr> {
    match &layers.upper {
        UpperLayer::Directory(source) => Some(source.path.as_os_str()),
        UpperLayer::None | UpperLayer::Memory => None,
    }
}
