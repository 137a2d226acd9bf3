//! Where a target is in the view: through the view's own links and, below binds, the host's.

use crate::error::ViewError;
use crate::layers::Layers;
use crate::merged::{Child, Merged};
use crate::source::{Host, MAX_LINKS, Met, Pending};
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// What the rules put at a path of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// A symbolic link with this text.
    Link(&'a Path),
    /// A tmpfs, in which directories and files can be made.
    Tmpfs,
    /// Something of the host.
    Bind {
        host: &'a Path,
        writable: bool,
        directory: bool,
    },
    /// Directories of the host over each other.
    Overlay(&'a Layers),
    /// A file or device: nothing can be below it.
    File,
    /// A directory whose contents the kernel makes, or that is covered.
    Closed(&'static str),
}

/// What is at a target before the rule for it is carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A tmpfs of the view: whatever is needed can be made.
    Own,
    /// This path of the host, below a bind.
    Host { path: PathBuf, directory: bool },
    /// This path of the host, in a layer of an overlay.
    Layer {
        path: PathBuf,
        directory: bool,
        /// Directories of the view on the way that the sandbox could rename.
        movable: Vec<PathBuf>,
    },
}

/// Where a path so far has led.
#[derive(Clone, Debug)]
pub(crate) enum Here {
    Own,
    Host {
        path: PathBuf,
        writable: bool,
    },
    /// In an overlay.
    Merged {
        merged: Merged,
        writable: bool,
    },
    /// In the overlay that is the view's root, over which the rules' own directories lie.
    Root(Merged),
}

/// What the rules have made of the view so far.
#[derive(Debug, Default)]
pub(crate) struct Map<'a> {
    pub nodes: Nodes<'a>,
    /// Directories in the view's own memory; known only for a root that is an overlay.
    pub made: HashSet<OsString>,
}

/// The nodes by their paths. These have no `.` and no doubled slashes, so their bytes will do.
pub(crate) type Nodes<'a> = HashMap<&'a OsStr, Node<'a>>;

/// What is at a path where no rule has put anything.
enum Below {
    Own,
    Directory(Here),
    Other,
    Link(PathBuf),
}

/// Walks to `target`. The last component is followed if it is a link and `follow_last` is set; else
/// only what is before it decides. `start` is what the view's root is.
pub(crate) fn resolve(
    map: &Map<'_>,
    host: &mut Host,
    target: &Path,
    follow_last: bool,
    start: &Here,
) -> Result<(PathBuf, Place), ViewError> {
    let mut at = PathBuf::with_capacity(target.as_os_str().len());
    at.push("/");
    let walk = Walk {
        map,
        host,
        target,
        pending: Pending::new(target),
        at,
        start,
        here: start.clone(),
        above: Vec::new(),
        links: 0,
    };
    walk.run(follow_last)
}

struct Walk<'a> {
    map: &'a Map<'a>,
    host: &'a mut Host,
    target: &'a Path,
    pending: Pending<'a>,
    at: PathBuf,
    start: &'a Here,
    here: Here,
    /// `here` of each directory on the way, for `..` in the text of a link.
    above: Vec<Here>,
    links: usize,
}

impl Walk<'_> {
    fn run(mut self, follow_last: bool) -> Result<(PathBuf, Place), ViewError> {
        while let Some(name) = self.pending.pop() {
            if name == ".." {
                self.at.pop();
                self.here = self.above.pop().unwrap_or_else(|| self.start.clone());
                continue;
            }
            self.at.push(name);
            let last = self.pending.is_empty();
            let node = self.map.nodes.get(self.at.as_os_str());
            if let Some(Node::Link(text)) = node
                && (follow_last || !last)
            {
                self.follow(text)?;
                continue;
            }
            if last {
                match self.last(follow_last)? {
                    Some(place) => return Ok((self.at, place)),
                    None => continue,
                }
            }
            let below = match node {
                Some(Node::Tmpfs) => Here::Own,
                Some(Node::Bind {
                    host,
                    writable,
                    directory: true,
                }) => Here::Host {
                    path: host.into(),
                    writable: *writable,
                },
                Some(Node::Overlay(layers)) => Here::Merged {
                    merged: Merged::root(layers, self.host),
                    writable: layers.writable(),
                },
                Some(Node::Closed(what)) => {
                    return Err(ViewError::Closed {
                        target: self.target.into(),
                        mount: self.at,
                        what,
                    });
                }
                Some(Node::File | Node::Bind { .. } | Node::Link(_)) => {
                    return Err(self.under_file());
                }
                None => match self.step()? {
                    Some(below) => below,
                    None => continue,
                },
            };
            let before = std::mem::replace(&mut self.here, below);
            self.above.push(before);
        }
        Err(ViewError::RootTarget)
    }

    /// What is at the last component; `None` after following a link there.
    fn last(&mut self, follow: bool) -> Result<Option<Place>, ViewError> {
        if !follow {
            return self.link_itself().map(Some);
        }
        let (path, below) = self.look_up()?;
        let directory = match below {
            Below::Own => return Ok(Some(Place::Own)),
            Below::Link(text) => return self.follow(&text).map(|()| None),
            Below::Directory(_) => true,
            Below::Other => false,
        };
        Ok(Some(match &self.here {
            Here::Own | Here::Host { .. } => Place::Host { path, directory },
            Here::Merged { .. } | Here::Root(_) => Place::Layer {
                path,
                directory,
                movable: self.movable(),
            },
        }))
    }

    /// Where a link of the rules would be, whatever is there.
    fn link_itself(&mut self) -> Result<Place, ViewError> {
        let directory = false;
        Ok(match &self.here {
            Here::Own | Here::Root(_) => Place::Own,
            Here::Host { path, .. } => Place::Host {
                path: self.below(path),
                directory,
            },
            Here::Merged { merged, .. } => Place::Layer {
                path: self.child(&merged.clone())?.0,
                directory,
                movable: self.movable(),
            },
        })
    }

    /// One component down where no rule has put anything; `None` after following a link there.
    fn step(&mut self) -> Result<Option<Here>, ViewError> {
        match self.look_up()?.1 {
            Below::Own => Ok(Some(Here::Own)),
            Below::Directory(here) => Ok(Some(here)),
            Below::Other => Err(self.under_file()),
            Below::Link(text) => self.follow(&text).map(|()| None),
        }
    }

    /// What of the host is at `at`, one component below `here`, and where on the host.
    fn look_up(&mut self) -> Result<(PathBuf, Below), ViewError> {
        let (path, below, writable) = match &self.here {
            Here::Own => return Ok((PathBuf::new(), Below::Own)),
            Here::Host { path, writable } => {
                let (path, writable) = (self.below(path), *writable);
                let met = self.host.look(&path);
                let below = match met.map_err(|error| self.not_found(&path, error))? {
                    Met::Directory => Below::Directory(Here::Host {
                        path: path.clone(),
                        writable,
                    }),
                    Met::Other | Met::Whiteout => Below::Other,
                    Met::Link(text) => Below::Link(text),
                };
                (path, below, writable)
            }
            Here::Merged { merged, writable } => {
                let writable = *writable;
                let (path, child) = self.child(&merged.clone())?;
                let below = match child {
                    Child::Absent => {
                        let error = io::ErrorKind::NotFound.into();
                        return Err(self.not_found(&path, error));
                    }
                    Child::Directory(merged) => Below::Directory(Here::Merged { merged, writable }),
                    Child::Other => Below::Other,
                    Child::Link(text) => Below::Link(text),
                };
                (path, below, writable)
            }
            Here::Root(merged) => {
                let (path, child) = self.child(&merged.clone())?;
                let covered = self.map.made.contains(self.at.as_os_str());
                let below = match child {
                    Child::Directory(merged) => Below::Directory(Here::Root(merged)),
                    Child::Absent => Below::Own,
                    Child::Other | Child::Link(_) if covered => Below::Own,
                    Child::Other => Below::Other,
                    Child::Link(text) => Below::Link(text),
                };
                // An image is as hostile as what runs in it.
                (path, below, true)
            }
        };
        if writable && matches!(below, Below::Link(_)) {
            return Err(ViewError::SymlinkInWritable {
                target: self.target.into(),
                link: path,
            });
        }
        Ok((path, below))
    }

    fn child(&mut self, merged: &Merged) -> Result<(PathBuf, Child), ViewError> {
        let name = self.at.file_name().unwrap_or_default();
        let looked = merged.child(self.host, name);
        looked.map_err(|error| self.not_found(&self.at, error))
    }

    /// The directories between the root of the overlay and `at` that could be renamed.
    fn movable(&self) -> Vec<PathBuf> {
        let heres = self.above.iter().chain([&self.here]).rev();
        let dirs = self.at.ancestors().skip(1).zip(heres);
        let movable = |(dir, here): (&Path, &Here)| match here {
            Here::Merged { merged, .. } | Here::Root(merged) => {
                let root = dir.as_os_str() == "/" || self.map.nodes.contains_key(dir.as_os_str());
                (merged.can_move() && !root).then(|| dir.to_owned())
            }
            Here::Own | Here::Host { .. } => None,
        };
        dirs.filter_map(movable).collect()
    }

    fn below(&self, path: &Path) -> PathBuf {
        path.join(self.at.file_name().unwrap_or_default())
    }

    fn not_found(&self, place: &Path, source: io::Error) -> ViewError {
        let (target, place) = (self.target.into(), place.into());
        match source.kind() {
            io::ErrorKind::NotFound => ViewError::MissingTarget { target, place },
            _ => ViewError::Target {
                target,
                place,
                source,
            },
        }
    }

    /// Goes on with the text of the link at `at`.
    fn follow(&mut self, text: &Path) -> Result<(), ViewError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            let path = self.target.into();
            return Err(ViewError::SymlinkLoop { path });
        }
        self.at.pop();
        if text.is_absolute() {
            self.at = PathBuf::from("/");
            self.here = self.start.clone();
            self.above.clear();
        }
        self.pending.follow(text);
        Ok(())
    }

    fn under_file(&self) -> ViewError {
        ViewError::UnderFile {
            target: self.target.into(),
            file: self.at.clone(),
        }
    }
}
