//! Where a target is in the view: through the view's own links and, below binds, the host's.

use crate::error::ViewError;
use crate::source::{Host, MAX_LINKS, Met, Pending};
use std::collections::HashMap;
use std::ffi::OsStr;
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
enum Here {
    Own,
    Host { path: PathBuf, writable: bool },
}

/// The nodes by their paths. These have no `.` and no doubled slashes, so their bytes will do.
pub(crate) type Nodes<'a> = HashMap<&'a OsStr, Node<'a>>;

/// Walks to `target`. The last component is followed if it is a link and `follow_last` is set; else
/// only what is before it decides.
pub(crate) fn resolve(
    nodes: &Nodes<'_>,
    host: &mut Host,
    target: &Path,
    follow_last: bool,
) -> Result<(PathBuf, Place), ViewError> {
    let mut at = PathBuf::with_capacity(target.as_os_str().len());
    at.push("/");
    let walk = Walk {
        nodes,
        host,
        target,
        pending: Pending::new(target),
        at,
        here: Here::Own,
        above: Vec::new(),
        links: 0,
    };
    walk.run(follow_last)
}

struct Walk<'a> {
    nodes: &'a Nodes<'a>,
    host: &'a mut Host,
    target: &'a Path,
    pending: Pending<'a>,
    at: PathBuf,
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
                self.here = self.above.pop().unwrap_or(Here::Own);
                continue;
            }
            self.at.push(name);
            // What of the host is there, if no rule has put anything.
            let below = match &self.here {
                Here::Own => Here::Own,
                Here::Host { path, writable } => Here::Host {
                    path: path.join(name),
                    writable: *writable,
                },
            };
            let last = self.pending.is_empty();
            let node = self.nodes.get(self.at.as_os_str());
            if let Some(Node::Link(text)) = node
                && (follow_last || !last)
            {
                self.follow(text)?;
                continue;
            }
            if last {
                match self.last(below, follow_last)? {
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
                None => match self.step(below)? {
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
    fn last(&mut self, at: Here, follow: bool) -> Result<Option<Place>, ViewError> {
        let Here::Host { path, writable } = at else {
            return Ok(Some(Place::Own));
        };
        if !follow {
            let directory = false;
            return Ok(Some(Place::Host { path, directory }));
        }
        let directory = match self.look_up(&path, writable)? {
            Met::Directory => true,
            Met::Other => false,
            Met::Link(text) => return self.follow(&text).map(|()| None),
        };
        Ok(Some(Place::Host { path, directory }))
    }

    /// One component down where no rule has put anything; `None` after following a link there.
    fn step(&mut self, at: Here) -> Result<Option<Here>, ViewError> {
        let Here::Host { path, writable } = at else {
            return Ok(Some(Here::Own));
        };
        match self.look_up(&path, writable)? {
            Met::Directory => Ok(Some(Here::Host { path, writable })),
            Met::Other => Err(self.under_file()),
            Met::Link(text) => self.follow(&text).map(|()| None),
        }
    }

    fn look_up(&mut self, path: &Path, writable: bool) -> Result<Met, ViewError> {
        let met = self.host.look(path).map_err(|source| {
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
        })?;
        if writable && matches!(met, Met::Link(_)) {
            return Err(ViewError::SymlinkInWritable {
                target: self.target.into(),
                link: path.into(),
            });
        }
        Ok(met)
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
            self.here = Here::Own;
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
