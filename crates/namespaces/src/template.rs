//! A view in two parts: what all children of a plan can share, mounted once, and what each gets anew.
//!
//! Shared is what no child can change: the root in memory, which is read-only, devices, and binds of the host's
//! files. New for each are proc and devpts, which belong to other namespaces of the child, and all writable
//! memory. A bind that lies in such memory waits in a directory that the child's proc covers, from where it is
//! moved to its place.

use crate::mounts::{
    HIDDEN_DIR, HIDDEN_FILE, KEPT_DIR, KEPT_FILE, KEPT_PROC, MountOp, Mounts, Op, Target, path_of,
};
use std::ffi::CString;
use std::os::unix::fs::MetadataExt as _;

/// A view taken apart by [`Mounts::template`].
#[derive(Debug)]
pub struct Template {
    build: Mounts,
    fresh: Mounts,
}

impl Template {
    /// What the template's own mount namespace is built with; at the end the shared part is its root.
    pub fn build(&self) -> &Mounts {
        &self.build
    }

    /// What a child with a copy of that namespace does; at the end its view is whole.
    pub fn fresh(&self) -> &Mounts {
        &self.fresh
    }

    /// Whether the sources of all binds are on the host what they were at prepare. A template goes on showing
    /// what it was built with, where [`Mounts::apply`] refuses what has changed.
    pub fn is_current(&self) -> bool {
        self.build.trees().all(|tree| {
            let found = path_of(&tree.source).symlink_metadata();
            found.is_ok_and(|data| {
                let dev = (libc::major(data.dev()), libc::minor(data.dev()));
                (dev, data.ino()) == (tree.dev, tree.ino)
            })
        })
    }
}

impl Mounts {
    /// Takes the view apart, where that can be done: not with overlays, with sockets, with a new sysfs or without a proc at
    /// `/proc`.
    pub fn template(&self) -> Option<Template> {
        let (root, rest) = split_root(&self.ops)?;
        let parts = parts(rest)?;
        let is_proc = |part: &Part<'_>| part.kind == Kind::Proc && part.at() == b"proc";
        let proc = parts.iter().position(is_proc)?;
        let mut build = vec![MountOp(Op::Private)];
        build.extend(root);
        let (mut shared, mut fresh, mut checks, mut last) = (vec![], vec![], vec![], vec![]);
        // Where each part is in the template, if it is there.
        let mut places: Vec<Option<Vec<u8>>> = Vec::new();
        let mut kept = 0;
        for (index, part) in parts.iter().enumerate() {
            let above = nearest(&parts[..index], part.at());
            let place = match (part.kind, above) {
                (Kind::Proc, None) if index == proc => {
                    last.extend_from_slice(part.ops);
                    if let Some(MountOp(Op::Fresh { replaces, .. })) = last.first_mut() {
                        *replaces = Some(KEPT_PROC);
                    }
                    None
                }
                (Kind::Proc, _) => return None,
                (Kind::Memory | Kind::New, _) => {
                    fresh.extend_from_slice(part.ops);
                    None
                }
                (Kind::Shared, None) => Some(part.at().to_vec()),
                (Kind::Shared, Some(above)) => match (&places[above], parts[above].kind) {
                    (Some(place), Kind::Shared) => {
                        let below = &part.at()[parts[above].at().len()..];
                        Some([place, below].concat())
                    }
                    (_, Kind::Memory) => {
                        let place = CString::new(format!("proc/.cofferdam-{kept}")).ok()?;
                        kept += 1;
                        build.push(mount_point(&parts[above], part, &place)?);
                        fresh.push(MountOp(Op::Move {
                            from: place.clone(),
                            target: part.target()?.clone(),
                        }));
                        Some(place.into_bytes())
                    }
                    _ => return None,
                },
            };
            if let Some(place) = &place {
                shared.extend(moved(part, place)?);
                checks.extend(check(part));
            }
            places.push(place);
        }
        build.extend([
            MountOp(Op::File {
                path: KEPT_FILE.into(),
                bytes: Vec::new(),
                mode: 0,
            }),
            MountOp(Op::Dir {
                path: KEPT_DIR.into(),
                mode: 0,
            }),
            MountOp(Op::Dir {
                path: KEPT_PROC.into(),
                mode: 0,
            }),
            MountOp(Op::AttachRoot {
                hidden: false,
                read_only: true,
            }),
            MountOp(Op::Covers { root: false }),
            MountOp(Op::KeepProc),
        ]);
        build.append(&mut shared);
        build.push(MountOp(Op::Pivot { hidden: false }));
        fresh.insert(0, MountOp(Op::Covers { root: true }));
        fresh.append(&mut checks);
        fresh.append(&mut last);
        fresh.push(MountOp(Op::Settle));
        Some(Template {
            build: of(build),
            fresh: of(fresh),
        })
    }
}

fn of(ops: Vec<MountOp>) -> Mounts {
    Mounts {
        ops,
        skipped: Vec::new(),
        overlays: Vec::new(),
        store: false,
        sockets: Vec::new(),
    }
}

/// One mount of the view: its operations.
struct Part<'a> {
    kind: Kind,
    ops: &'a [MountOp],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// No child can change it.
    Shared,
    /// Memory that the child writes to.
    Memory,
    /// It belongs to another namespace of the child.
    New,
    Proc,
}

impl Part<'_> {
    /// Its place, below the root.
    fn at(&self) -> &[u8] {
        match self.ops.last().map(|MountOp(op)| op) {
            Some(Op::Hide { target, .. }) => target.to_bytes(),
            _ => self.target().map_or(b"", |target| target.path.to_bytes()),
        }
    }

    fn target(&self) -> Option<&Target> {
        self.ops.iter().find_map(|MountOp(op)| match op {
            Op::Bind(bind) => Some(&bind.target),
            Op::Attach { target, .. }
            | Op::Device { target, .. }
            | Op::Devpts { target }
            | Op::Fresh { target, .. } => Some(target),
            _ => None,
        })
    }
}

/// What makes the root's memory, without what covers hidden paths; and all that comes after.
fn split_root(ops: &[MountOp]) -> Option<(Vec<MountOp>, &[MountOp])> {
    let [MountOp(Op::Private), root @ ..] = ops else {
        return None;
    };
    let end = root
        .iter()
        .position(|MountOp(op)| !matches!(op, Op::Tmpfs(_)) && !is_entry(op))?;
    let (
        root,
        [
            MountOp(Op::AttachRoot {
                read_only: true, ..
            }),
            rest @ ..,
        ],
    ) = root.split_at(end)
    else {
        return None;
    };
    let is_cover = |op: &Op| match op {
        Op::File { path, .. } => path.as_c_str() == HIDDEN_FILE,
        Op::Dir { path, .. } => path.as_c_str() == HIDDEN_DIR,
        _ => false,
    };
    let root = root.iter().filter(|MountOp(op)| !is_cover(op));
    Some((root.cloned().collect(), rest))
}

fn is_entry(op: &Op) -> bool {
    matches!(op, Op::Dir { .. } | Op::File { .. } | Op::Symlink { .. })
}

fn parts(mut ops: &[MountOp]) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    while let Some((MountOp(first), rest)) = ops.split_first() {
        let more = |wanted: fn(&Op) -> bool| rest.iter().take_while(|op| wanted(&op.0)).count();
        let (kind, length) = match first {
            Op::Bind(_) | Op::Device { .. } | Op::Hide { .. } => (Kind::Shared, 1),
            Op::Devpts { .. } => (Kind::New, 1),
            Op::Fresh { kind, .. } => {
                let inner = more(|op| matches!(op, Op::Mask { .. } | Op::ReadOnly { .. }));
                // A new sysfs would ask for a whole one of the host, as proc does.
                (*kind == c"proc").then_some((Kind::Proc, 1 + inner))?
            }
            Op::Tmpfs(_) => {
                let entries = more(is_entry);
                match rest.get(entries) {
                    Some(MountOp(Op::Attach { read_only, .. })) => {
                        let kind = if *read_only {
                            Kind::Shared
                        } else {
                            Kind::Memory
                        };
                        (kind, 2 + entries)
                    }
                    _ => return None,
                }
            }
            Op::Pivot { .. } if rest.is_empty() => return Some(parts),
            _ => return None,
        };
        let (one, after) = ops.split_at(length);
        parts.push(Part { kind, ops: one });
        ops = after;
    }
    None
}

/// The innermost of the mounts that a path lies in.
fn nearest(parts: &[Part<'_>], path: &[u8]) -> Option<usize> {
    let above = |part: &Part<'_>| {
        let rest = path.strip_prefix(part.at());
        rest.is_some_and(|rest| rest.first() == Some(&b'/'))
    };
    let found = parts.iter().enumerate().filter(|(_, part)| above(part));
    found
        .max_by_key(|(_, part)| part.at().len())
        .map(|(index, _)| index)
}

/// What a bind that lies in memory is put on in the template: the same as there.
fn mount_point(memory: &Part<'_>, part: &Part<'_>, place: &CString) -> Option<MountOp> {
    let name = part.at().get(memory.at().len() + 1..)?;
    memory.ops.iter().find_map(|MountOp(op)| match op {
        Op::Dir { path, .. } if path.to_bytes() == name => Some(MountOp(Op::Dir {
            path: place.clone(),
            mode: 0o755,
        })),
        Op::File { path, .. } if path.to_bytes() == name => Some(MountOp(Op::File {
            path: place.clone(),
            bytes: Vec::new(),
            mode: 0o444,
        })),
        _ => None,
    })
}

/// The operations of a part with another target.
fn moved(part: &Part<'_>, place: &[u8]) -> Option<Vec<MountOp>> {
    let place = CString::new(place).ok()?;
    let mut ops = part.ops.to_vec();
    for MountOp(op) in &mut ops {
        match op {
            Op::Bind(bind) => bind.target.path = place.clone(),
            Op::Attach { target, .. } | Op::Device { target, .. } => target.path = place.clone(),
            Op::Hide { target, .. } => *target = place.clone(),
            _ => {}
        }
    }
    Some(ops)
}

/// What lies on something of the host can come off.
fn check(part: &Part<'_>) -> Option<MountOp> {
    let (target, object) = match part.ops.last().map(|MountOp(op)| op)? {
        Op::Hide { target, .. } => (target, None),
        Op::Bind(bind) if !bind.target.own => {
            (&bind.target.path, Some((bind.tree.dev, bind.tree.ino)))
        }
        Op::Attach { target, .. } | Op::Device { target, .. } if !target.own => {
            (&target.path, None)
        }
        _ => return None,
    };
    let target = target.clone();
    Some(MountOp(Op::Check { target, object }))
}
