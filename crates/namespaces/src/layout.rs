//! From rules to a layout: every rule at its resolved place, checked against the others.

use crate::error::ViewError;
use crate::gather::gather;
use crate::layers::Layers;
use crate::merge::merge;
use crate::merged::{Child, Merged};
use crate::pins::{drop_redundant, pin_ancestors};
use crate::resolve::{Here, Map, Node, Place, resolve};
use crate::source::{Host, Source};
use crate::view::{Bind, Rule};
use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// What is to be mounted and made.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// By target, so that parents come first.
    /// With whether they go on something in the view's own memory.
    pub mounts: Vec<(PathBuf, What, bool)>,
    /// What each tmpfs holds, by the tmpfs's target; `/` is the view's root.
    pub contents: ByPath<ByPath<Entry>>,
    /// What the view's root is, if not a tmpfs.
    pub root: Option<Layers>,
    /// Optional rules that were left out, and why.
    pub skipped: Vec<(PathBuf, &'static str)>,
}

/// By the bytes of paths that are in their shortest form: a directory comes before what is below it,
/// and no comparison has to take paths apart.
pub(crate) type ByPath<T> = BTreeMap<OsString, T>;

/// Something mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Bind {
        source: Source,
        bind: Bind,
    },
    Overlay(Layers),
    /// A directory of an overlay bound onto itself.
    Pin,
    Tmpfs {
        size: u64,
        mode: u32,
        exec: bool,
        read_only: bool,
    },
    Device {
        source: &'static str,
        device: (u32, u32),
    },
    Devpts,
    Proc,
    Sysfs,
    Hide {
        directory: bool,
    },
}

/// Something made in a tmpfs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Dir { mode: u32 },
    File { bytes: Vec<u8>, mode: u32 },
    Symlink { text: PathBuf },
    Socket { mode: u32 },
}

/// What a rule wants at its target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Mount(What),
    /// Not known to be a file or a directory before it is resolved.
    Hide {
        optional: bool,
    },
    Entry(Entry),
    /// A link that the host has at the same path.
    HostLink(PathBuf),
}

#[derive(Debug)]
pub(crate) struct Placed {
    pub target: PathBuf,
    pub item: Item,
}

/// Rounds of resolution: each can move a target through links that others have moved.
const MAX_ROUNDS: usize = 16;

/// Permission bits of the directories that lead to a target.
const PARENT_MODE: u32 = 0o755;

pub(crate) fn layout(rules: &[Rule]) -> Result<Layout, ViewError> {
    let mut layout = Layout::default();
    let mut host = Host::default();
    let placed = gather(rules, &mut host, &mut layout)?;
    let root = layout.root.as_ref();
    let root = root.map(|layers| Merged::root(layers, &mut host));
    let resolved = settle(&placed, &mut host, root.as_ref())?;
    let mut taken: ByPath<(Item, Place)> = ByPath::new();
    for (Placed { target, item }, outcome) in placed.into_iter().zip(resolved) {
        let Some((path, place, item)) = decide(&target, item, outcome, &mut layout)? else {
            continue;
        };
        let merged = match taken.remove(path.as_os_str()) {
            None => item,
            Some((other, _)) => merge(&path, other, item)?,
        };
        taken.insert(path.into(), (merged, place));
    }
    drop_redundant(&mut taken);
    pin_ancestors(&mut taken, &mut host)?;
    let mut modes = Modes { root, host };
    fill(taken, &mut layout, &mut modes);
    refuse_sockets_in_layers(&layout)?;
    Ok(layout)
}

type Outcome = Result<(PathBuf, Place), ViewError>;

/// Resolves all targets until none moves any more: where one leads depends on what the others put in
/// its way.
fn settle(
    placed: &[Placed],
    host: &mut Host,
    root: Option<&Merged>,
) -> Result<Vec<Outcome>, ViewError> {
    let is_link = |placed: &Placed| matches!(node(&placed.item), Some(Node::Link(_)));
    // Only what is to be hidden must be there already: anything else goes over the root's layers.
    let own = Here::Own;
    let layered = root.map_or(Here::Own, |root| Here::Root(root.clone()));
    let mut round = |map: &Map<'_>| -> Vec<Outcome> {
        let outcome = |placed: &Placed| {
            let hide = matches!(placed.item, Item::Hide { .. });
            let start = if hide { &layered } else { &own };
            resolve(map, host, &placed.target, !is_link(placed), start)
        };
        placed.iter().map(outcome).collect()
    };
    let links = placed.iter().filter(|placed| is_link(placed));
    let mut before = round(&Map {
        nodes: links
            .filter_map(|placed| Some((placed.target.as_os_str(), node(&placed.item)?)))
            .collect(),
        made: HashSet::new(),
    });
    for _ in 1..MAX_ROUNDS {
        let now = round(&Map {
            nodes: placed
                .iter()
                .zip(&before)
                .filter_map(|(placed, outcome)| Some((path_of(outcome)?, node(&placed.item)?)))
                .collect(),
            made: match root {
                Some(_) => made(placed, &before),
                None => HashSet::new(),
            },
        });
        if before.iter().map(path_of).eq(now.iter().map(path_of)) {
            return Ok(now);
        }
        before = now;
    }
    let path = placed.first().map(|p| p.target.clone()).unwrap_or_default();
    Err(ViewError::SymlinkLoop { path })
}

/// The directories that the view's own memory holds, but for those that are mount points.
fn made(placed: &[Placed], outcomes: &[Outcome]) -> HashSet<OsString> {
    let mut found = HashSet::new();
    for (placed, outcome) in placed.iter().zip(outcomes) {
        let (item, Ok((path, Place::Own))) = (&placed.item, outcome) else {
            continue;
        };
        let own = match item {
            Item::Hide { .. } => continue,
            Item::Entry(Entry::Dir { .. }) => 0,
            _ => 1,
        };
        found.extend(path.ancestors().skip(own).map(OsString::from));
    }
    found
}

/// Where a target is, if that is known.
fn path_of(outcome: &Outcome) -> Option<&OsStr> {
    let (path, _) = outcome.as_ref().ok()?;
    Some(path.as_os_str())
}

fn node(item: &Item) -> Option<Node<'_>> {
    Some(match item {
        Item::HostLink(text) | Item::Entry(Entry::Symlink { text }) => Node::Link(text),
        Item::Entry(Entry::File { .. } | Entry::Socket { .. })
        | Item::Mount(What::Device { .. }) => Node::File,
        Item::Entry(Entry::Dir { .. }) => return None,
        Item::Hide { .. } | Item::Mount(What::Hide { .. }) => Node::Closed("hidden"),
        Item::Mount(What::Tmpfs { .. }) => Node::Tmpfs,
        Item::Mount(What::Bind { source, bind }) => Node::Bind {
            host: &source.path,
            writable: bind.writable,
            directory: source.directory,
        },
        Item::Mount(What::Overlay(layers)) => Node::Overlay(layers),
        Item::Mount(What::Pin) => return None,
        Item::Mount(What::Devpts) => Node::Closed("devpts"),
        Item::Mount(What::Proc) => Node::Closed("proc"),
        Item::Mount(What::Sysfs) => Node::Closed("sysfs"),
    })
}

/// What becomes of one rule at the place it resolved to; `None` when it is left out.
fn decide(
    target: &Path,
    item: Item,
    outcome: Outcome,
    layout: &mut Layout,
) -> Result<Option<(PathBuf, Place, Item)>, ViewError> {
    if let Item::Hide { optional } = item {
        let nothing = |target: &Path| ViewError::NothingToHide {
            target: target.into(),
        };
        let error = match outcome {
            Ok((
                path,
                place @ (Place::Host { directory, .. } | Place::Layer { directory, .. }),
            )) => {
                let what = Item::Mount(What::Hide { directory });
                return Ok(Some((path, place, what)));
            }
            Ok((_, Place::Own)) | Err(ViewError::MissingTarget { .. }) => nothing(target),
            Err(error @ (ViewError::UnderFile { .. } | ViewError::Closed { .. })) => error,
            Err(error) => return Err(error),
        };
        if optional {
            layout
                .skipped
                .push((target.into(), "there is nothing to hide"));
            return Ok(None);
        }
        return Err(error);
    }
    let (path, place) = outcome?;
    let (host, directory) = match &place {
        Place::Own => return Ok(Some((path, place, item))),
        Place::Host { path, directory } => (path, directory),
        Place::Layer {
            path, directory, ..
        } => (path, directory),
    };
    let missing = || ViewError::MissingTarget {
        target: path.clone(),
        place: host.clone(),
    };
    match &item {
        Item::Mount(what) if what.is_directory() == *directory => Ok(Some((path, place, item))),
        Item::Mount(what) => Err(ViewError::TargetType {
            target: path,
            is: kind_name(*directory),
            wanted: kind_name(what.is_directory()),
        }),
        // The bind shows the link already.
        Item::HostLink(text) | Item::Entry(Entry::Symlink { text }) => match host.read_link() {
            Ok(there) if there == *text => Ok(None),
            _ => Err(missing()),
        },
        Item::Entry(Entry::Dir { .. }) if *directory => Ok(None),
        Item::Entry(_) | Item::Hide { .. } => Err(missing()),
    }
}

fn kind_name(directory: bool) -> &'static str {
    if directory { "a directory" } else { "a file" }
}

/// Sorts what was decided into mounts and the contents of each tmpfs, with the directories and empty
/// files that mounts need to be put on.
fn fill(taken: ByPath<(Item, Place)>, layout: &mut Layout, modes: &mut Modes) {
    let contents = &mut layout.contents;
    contents.insert("/".into(), ByPath::new());
    for (path, (item, _)) in &taken {
        if let Item::Mount(What::Tmpfs { .. }) = item {
            contents.insert(path.clone(), ByPath::new());
        }
    }
    for (path, (item, place)) in taken {
        let own = place == Place::Own;
        let path = PathBuf::from(path);
        match item {
            Item::Mount(what) => {
                if own {
                    put(contents, &path, mount_point(&what), modes);
                }
                layout.mounts.push((path, what, own));
            }
            Item::Entry(entry) if own => put(contents, &path, entry, modes),
            Item::HostLink(text) if own => put(contents, &path, Entry::Symlink { text }, modes),
            Item::Hide { .. } if own => {
                let mode = PARENT_MODE;
                put(contents, &path, Entry::Dir { mode }, modes);
            }
            Item::Entry(_) | Item::HostLink(_) | Item::Hide { .. } => {}
        }
    }
}

/// The socket that programs would find in an overlay is not the one that listens in its layer.
fn refuse_sockets_in_layers(layout: &Layout) -> Result<(), ViewError> {
    let skeleton = layout.contents.get(OsStr::new("/"));
    let skeleton = skeleton.filter(|_| layout.root.is_some());
    let mut sockets = skeleton
        .into_iter()
        .flatten()
        .filter(|(_, entry)| matches!(entry, Entry::Socket { .. }));
    match sockets.next() {
        Some((path, _)) => Err(ViewError::SocketInOverlay {
            target: Path::new("/").join(path),
        }),
        None => Ok(()),
    }
}

/// The permission bits of directories that lead to a target. Over a root that is an overlay they hide
/// those of the layers' directories, so they are the same.
struct Modes {
    root: Option<Merged>,
    host: Host,
}

impl Modes {
    fn of_parent(&mut self, tree: &OsStr, parent: &OsStr) -> u32 {
        let root = self.root.as_ref().filter(|_| tree == "/");
        let Some(mut dir) = root.cloned() else {
            return PARENT_MODE;
        };
        for name in Path::new(parent) {
            match dir.child(&mut self.host, name) {
                Ok((_, Child::Directory(below))) => dir = below,
                _ => return PARENT_MODE,
            }
        }
        dir.mode().unwrap_or(PARENT_MODE)
    }
}

/// What a mount is put on.
fn mount_point(what: &What) -> Entry {
    if what.is_directory() {
        return Entry::Dir { mode: PARENT_MODE };
    }
    Entry::File {
        bytes: Vec::new(),
        mode: 0o444,
    }
}

/// Puts an entry in the nearest tmpfs above it, with its parents. Paths come in order, so a parent
/// that has a rule of its own is there already.
fn put(contents: &mut ByPath<ByPath<Entry>>, path: &Path, entry: Entry, modes: &mut Modes) {
    let bytes = path.as_os_str().as_bytes();
    let slashes = (0..bytes.len()).filter(|&at| bytes[at] == b'/');
    for slash in slashes.clone().rev() {
        let above = OsStr::from_bytes(&bytes[..slash.max(1)]);
        let Some(tree) = contents.get_mut(above) else {
            continue;
        };
        let start = slash + 1;
        for end in slashes.filter(|&end| end > start) {
            let parent = OsStr::from_bytes(&bytes[start..end]);
            if !tree.contains_key(parent) {
                let mode = modes.of_parent(above, parent);
                tree.insert(parent.into(), Entry::Dir { mode });
            }
        }
        tree.insert(OsStr::from_bytes(&bytes[start..]).into(), entry);
        return;
    }
}

impl What {
    pub(crate) fn is_directory(&self) -> bool {
        match self {
            Self::Bind { source, .. } => source.directory,
            Self::Hide { directory } => *directory,
            Self::Device { .. } => false,
            Self::Overlay(_) | Self::Pin | Self::Tmpfs { .. } => true,
            Self::Devpts | Self::Proc | Self::Sysfs => true,
        }
    }
}
