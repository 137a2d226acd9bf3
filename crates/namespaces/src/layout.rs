//! From rules to a layout: every rule at its resolved place, checked against the others.

use crate::dev;
use crate::error::ViewError;
use crate::resolve::{Node, Nodes, Place, resolve};
use crate::source::{self, Host, Source};
use crate::view::{Bind, Kind, Rule};
use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What is to be mounted and made.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// By target, so that parents come first.
    /// With whether they go on something in the view's own memory.
    pub mounts: Vec<(PathBuf, What, bool)>,
    /// What each tmpfs holds, by the tmpfs's target; `/` is the view's root.
    pub contents: ByPath<ByPath<Entry>>,
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
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Mount(What),
    /// Not known to be a file or a directory before it is resolved.
    Hide {
        optional: bool,
    },
    Entry(Entry),
    /// A link that the host has at the same path.
    HostLink(PathBuf),
}

struct Placed {
    target: PathBuf,
    item: Item,
}

/// Rounds of resolution: each can move a target through links that others have moved.
const MAX_ROUNDS: usize = 16;

/// Permission bits of the directories that lead to a target.
const PARENT_MODE: u32 = 0o755;

pub(crate) fn layout(rules: &[Rule]) -> Result<Layout, ViewError> {
    let mut layout = Layout::default();
    let mut host = Host::default();
    let placed = gather(rules, &mut host, &mut layout)?;
    let resolved = settle(&placed, &mut host)?;
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
    fill(taken, &mut layout);
    Ok(layout)
}

/// Leaves out binds of what a bind above shows at that place already, in the same way: with `/usr`
/// shown and `/lib -> usr/lib`, a bind of `/lib` needs the link only.
fn drop_redundant(taken: &mut ByPath<(Item, Place)>) {
    let as_bind = |item: &Item| match item {
        Item::Mount(What::Bind { bind, .. }) => Some(*bind),
        _ => None,
    };
    let redundant = |(path, (item, place)): (&OsString, &(Item, Place))| {
        let Item::Mount(What::Bind { source, bind }) = item else {
            return None;
        };
        if !matches!(place, Place::Host { path, .. } if *path == source.path) {
            return None;
        }
        let above = Path::new(path)
            .ancestors()
            .skip(1)
            .filter_map(|dir| taken.get(dir.as_os_str()))
            .find(|(item, _)| matches!(item, Item::Mount(_)))?;
        (as_bind(&above.0) == Some(*bind)).then(|| path.clone())
    };
    let paths: Vec<OsString> = taken.iter().filter_map(redundant).collect();
    for path in paths {
        taken.remove(&path);
    }
}

/// Binds each directory on the way from a writable bind to a mount below it onto itself.
///
/// What is mounted covers a file, not its name: a program that renames a directory above it would
/// put a file of its own where the host looks for the protected one, or hold the hidden one under
/// a name that the next view does not hide. The kernel does not rename mount points (`EBUSY`).
fn pin_ancestors(taken: &mut ByPath<(Item, Place)>, host: &mut Host) -> Result<(), ViewError> {
    let mut pins = ByPath::new();
    for (path, (item, place)) in taken.iter() {
        let (Item::Mount(_), Place::Host { path: under, .. }) = (item, place) else {
            continue;
        };
        let mut bind = None;
        let mut between = Vec::new();
        let targets = Path::new(path).ancestors();
        for (dir, under) in targets.zip(under.ancestors()).skip(1) {
            match taken.get(dir.as_os_str()) {
                Some((Item::Mount(What::Bind { bind: above, .. }), _)) => {
                    bind = Some(*above);
                    break;
                }
                Some((Item::Mount(_), _)) => break,
                _ => between.push((dir.as_os_str(), under)),
            }
        }
        let Some(bind) = bind.filter(|bind| bind.writable) else {
            continue;
        };
        for (dir, under) in between {
            if pins.contains_key(dir) {
                break;
            }
            let (source, _) = host.locate(under)?;
            let place = Place::Host {
                path: under.into(),
                directory: true,
            };
            let item = Item::Mount(What::Bind { source, bind });
            pins.insert(dir.to_owned(), (item, place));
        }
    }
    taken.append(&mut pins);
    Ok(())
}

/// Checks each rule by itself and finds the sources.
fn gather(rules: &[Rule], host: &mut Host, layout: &mut Layout) -> Result<Vec<Placed>, ViewError> {
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
            Kind::Dir { mode } => Item::Entry(Entry::Dir { mode: *mode }),
        };
        placed.push(Placed { target, item });
    }
    refuse_changeable(&placed, followed)?;
    Ok(placed)
}

/// A link that the sandbox can change must not choose what of the host it is shown next time.
fn refuse_changeable(
    placed: &[Placed],
    followed: Vec<(PathBuf, PathBuf)>,
) -> Result<(), ViewError> {
    let writable: HashSet<&OsStr> = placed
        .iter()
        .filter_map(|placed| match &placed.item {
            Item::Mount(What::Bind { source, bind }) if bind.writable => {
                Some(source.path.as_os_str())
            }
            _ => None,
        })
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

type Outcome = Result<(PathBuf, Place), ViewError>;

/// Resolves all targets until none moves any more: where one leads depends on what the others put in
/// its way.
fn settle(placed: &[Placed], host: &mut Host) -> Result<Vec<Outcome>, ViewError> {
    let is_link = |placed: &Placed| matches!(node(&placed.item), Some(Node::Link(_)));
    let links = placed.iter().filter(|placed| is_link(placed));
    let nodes: Nodes<'_> = links
        .filter_map(|placed| Some((placed.target.as_os_str(), node(&placed.item)?)))
        .collect();
    let mut round = |nodes: &Nodes<'_>| -> Vec<Outcome> {
        placed
            .iter()
            .map(|placed| resolve(nodes, host, &placed.target, !is_link(placed)))
            .collect()
    };
    let mut before = round(&nodes);
    for _ in 1..MAX_ROUNDS {
        let nodes: Nodes<'_> = placed
            .iter()
            .zip(&before)
            .filter_map(|(placed, outcome)| Some((path_of(outcome)?, node(&placed.item)?)))
            .collect();
        let now = round(&nodes);
        if before.iter().map(path_of).eq(now.iter().map(path_of)) {
            return Ok(now);
        }
        before = now;
    }
    let path = placed.first().map(|p| p.target.clone()).unwrap_or_default();
    Err(ViewError::SymlinkLoop { path })
}

/// Where a target is, if that is known.
fn path_of(outcome: &Outcome) -> Option<&OsStr> {
    let (path, _) = outcome.as_ref().ok()?;
    Some(path.as_os_str())
}

fn node(item: &Item) -> Option<Node<'_>> {
    Some(match item {
        Item::HostLink(text) | Item::Entry(Entry::Symlink { text }) => Node::Link(text),
        Item::Entry(Entry::File { .. }) | Item::Mount(What::Device { .. }) => Node::File,
        Item::Entry(Entry::Dir { .. }) => return None,
        Item::Hide { .. } | Item::Mount(What::Hide { .. }) => Node::Closed("hidden"),
        Item::Mount(What::Tmpfs { .. }) => Node::Tmpfs,
        Item::Mount(What::Bind { source, bind }) => Node::Bind {
            host: &source.path,
            writable: bind.writable,
            directory: source.directory,
        },
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
            Ok((path, place @ Place::Host { directory, .. })) => {
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
    let Place::Host {
        path: host,
        directory,
    } = &place
    else {
        return Ok(Some((path, place, item)));
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

fn merge(path: &Path, one: Item, other: Item) -> Result<Item, ViewError> {
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
        Item::HostLink(text) | Item::Entry(Entry::Symlink { text }) => {
            format!("a link to {}", text.display())
        }
    }
}

/// Sorts what was decided into mounts and the contents of each tmpfs, with the directories and empty
/// files that mounts need to be put on.
fn fill(taken: ByPath<(Item, Place)>, layout: &mut Layout) {
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
                    put(contents, &path, mount_point(&what));
                }
                layout.mounts.push((path, what, own));
            }
            Item::Entry(entry) if own => put(contents, &path, entry),
            Item::HostLink(text) if own => put(contents, &path, Entry::Symlink { text }),
            Item::Hide { .. } if own => put(contents, &path, Entry::Dir { mode: PARENT_MODE }),
            Item::Entry(_) | Item::HostLink(_) | Item::Hide { .. } => {}
        }
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
fn put(contents: &mut ByPath<ByPath<Entry>>, path: &Path, entry: Entry) {
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
                let mode = PARENT_MODE;
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
            Self::Tmpfs { .. } | Self::Devpts | Self::Proc | Self::Sysfs => true,
        }
    }
}
