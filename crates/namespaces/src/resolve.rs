//! Where a target is in the view: through the view's own links and, below binds, the host's.

use crate::error::ViewError;
use crate::source::{MAX_LINKS, push_reversed};
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// What the rules put at a path of the view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    /// A symbolic link with this text.
    Link(PathBuf),
    /// A tmpfs, in which directories and files can be made.
    Tmpfs,
    /// Something of the host.
    Bind {
        host: PathBuf,
        writable: bool,
        directory: bool,
    },
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
}

/// The state of a walk: where a path so far has led.
#[derive(Clone)]
enum Here {
    Own,
    Host { path: PathBuf, writable: bool },
}

enum Found {
    Link(PathBuf),
    Object { directory: bool },
}

/// Walks to `target`. The last component is followed if it is a link and `follow_last` is set; else
/// only what is before it decides.
pub(crate) fn resolve(
    nodes: &HashMap<PathBuf, Node>,
    target: &Path,
    follow_last: bool,
) -> Result<(PathBuf, Place), ViewError> {
    let mut walk = Walk {
        nodes,
        target,
        pending: Vec::new(),
        at: PathBuf::from("/"),
        here: Here::Own,
        above: Vec::new(),
        links: 0,
    };
    push_reversed(&mut walk.pending, target);
    walk.run(follow_last)
}

struct Walk<'a> {
    nodes: &'a HashMap<PathBuf, Node>,
    target: &'a Path,
    pending: Vec<OsString>,
    at: PathBuf,
    here: Here,
    /// `here` of each directory on the way, for `..` in the text of a link.
    above: Vec<Here>,
    links: usize,
}

impl Walk<'_> {
    fn run(&mut self, follow_last: bool) -> Result<(PathBuf, Place), ViewError> {
        while let Some(name) = self.pending.pop() {
            if name == ".." {
                self.at.pop();
                self.here = self.above.pop().unwrap_or(Here::Own);
                continue;
            }
            let next = self.at.join(&name);
            let last = self.pending.is_empty();
            let node = self.nodes.get(&next);
            if let Some(Node::Link(text)) = node
                && (follow_last || !last)
            {
                self.follow(text)?;
                continue;
            }
            if last {
                match self.last(&name, follow_last)? {
                    Some(place) => return Ok((next, place)),
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
                    path: host.clone(),
                    writable: *writable,
                },
                Some(Node::Closed(what)) => {
                    return Err(ViewError::Closed {
                        target: self.target.into(),
                        mount: next,
                        what,
                    });
                }
                Some(Node::File | Node::Bind { .. } | Node::Link(_)) => {
                    return Err(self.under_file(next));
                }
                None => match self.step(&name)? {
                    Some(below) => below,
                    None => continue,
                },
            };
            let before = std::mem::replace(&mut self.here, below);
            self.above.push(before);
            self.at = next;
        }
        Err(ViewError::RootTarget)
    }

    /// What is at the last component; `None` after following a link there.
    fn last(&mut self, name: &OsString, follow: bool) -> Result<Option<Place>, ViewError> {
        let Here::Host { path, writable } = self.here.clone() else {
            return Ok(Some(Place::Own));
        };
        let path = path.join(name);
        if !follow {
            let directory = false;
            return Ok(Some(Place::Host { path, directory }));
        }
        match self.look_up(&path, writable)? {
            Found::Object { directory } => Ok(Some(Place::Host { path, directory })),
            Found::Link(text) => self.follow(&text).map(|()| None),
        }
    }

    /// One component down where no rule has put anything; `None` after following a link there.
    fn step(&mut self, name: &OsString) -> Result<Option<Here>, ViewError> {
        let Here::Host { path, writable } = self.here.clone() else {
            return Ok(Some(Here::Own));
        };
        let path = path.join(name);
        match self.look_up(&path, writable)? {
            Found::Object { directory: true } => Ok(Some(Here::Host { path, writable })),
            Found::Object { directory: false } => Err(self.under_file(self.at.join(name))),
            Found::Link(text) => self.follow(&text).map(|()| None),
        }
    }

    fn look_up(&self, path: &Path, writable: bool) -> Result<Found, ViewError> {
        let failed = |source: std::io::Error| {
            let (target, place) = (self.target.into(), path.into());
            if source.kind() == std::io::ErrorKind::NotFound {
                ViewError::MissingTarget { target, place }
            } else {
                ViewError::Target {
                    target,
                    place,
                    source,
                }
            }
        };
        let meta = path.symlink_metadata().map_err(failed)?;
        if !meta.is_symlink() {
            let directory = meta.is_dir();
            return Ok(Found::Object { directory });
        }
        if writable {
            return Err(ViewError::SymlinkInWritable {
                target: self.target.into(),
                link: path.into(),
            });
        }
        path.read_link().map(Found::Link).map_err(failed)
    }

    fn follow(&mut self, text: &Path) -> Result<(), ViewError> {
        self.links += 1;
        if self.links > MAX_LINKS {
            let path = self.target.into();
            return Err(ViewError::SymlinkLoop { path });
        }
        if text.is_absolute() {
            self.at = PathBuf::from("/");
            self.here = Here::Own;
            self.above.clear();
        }
        push_reversed(&mut self.pending, text);
        Ok(())
    }

    fn under_file(&self, file: PathBuf) -> ViewError {
        ViewError::UnderFile {
            target: self.target.into(),
            file,
        }
    }
}
