//! The file system rules as a function from host paths to what is granted there.
//!
//! The function is constant below a rule until the next rule, so two of them are compared by
//! visiting the paths that either names, in one walk over the two sorted lists.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::filesystem::{Access, Filesystem};

/// What is granted on a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// Nothing.
    Nothing,
    /// Whatever the presets grant there, which only the host knows: between nothing and reading
    /// with execution.
    Presets,
    /// Reading, with writing as far as the access says, and with execution or not.
    Files { access: Access, exec: bool },
}

impl Grant {
    pub(crate) const READING: Grant = Grant::Files {
        access: Access::Read,
        exec: true,
    };

    fn of(access: Access, exec: bool) -> Grant {
        match access {
            Access::Hide => Grant::Nothing,
            Access::Read | Access::Overlay | Access::Write => Grant::Files { access, exec },
        }
    }

    /// Whether `other` grants all of this on every host.
    pub(crate) fn is_within(self, other: Grant) -> bool {
        match (self, other) {
            (Grant::Nothing, _) | (Grant::Presets, Grant::Presets) => true,
            (Grant::Presets, Grant::Files { exec, .. }) => exec,
            (
                Grant::Files { access, exec },
                Grant::Files {
                    access: other_access,
                    exec: other_exec,
                },
            ) => access <= other_access && exec <= other_exec,
            (Grant::Presets | Grant::Files { .. }, _) => false,
        }
    }

    /// Whether files of the host are written.
    pub(crate) fn writes(self) -> bool {
        matches!(
            self,
            Grant::Files {
                access: Access::Write,
                ..
            }
        )
    }

    /// The most that is within both.
    pub(crate) fn restrict(self, other: Grant) -> Grant {
        match (self, other) {
            _ if self.is_within(other) => self,
            _ if other.is_within(self) => other,
            (
                Grant::Files { access, exec },
                Grant::Files {
                    access: other_access,
                    exec: other_exec,
                },
            ) => Grant::Files {
                access: access.min(other_access),
                exec: exec && other_exec,
            },
            _ => Grant::Nothing,
        }
    }
}

/// One path that rules name.
pub(crate) struct Node<'a> {
    pub(crate) path: &'a Path,
    pub(crate) grant: Grant,
    /// The names it has inside: `None` is its own path.
    pub(crate) targets: Vec<Option<&'a Path>>,
    /// Whether only a protected workspace gives it, so that dangerous names in it are read-only.
    pub(crate) guarded: bool,
}

/// The rules of one policy, one node per path, every path before those below it.
pub(crate) struct Tree<'a> {
    pub(crate) nodes: Vec<Node<'a>>,
    /// Whether the presets `system` and `toolchains` are on; `None` where a rule on `/` covers
    /// everything, so that they have no effect.
    presets: Option<[bool; 2]>,
}

impl<'a> Tree<'a> {
    pub(crate) fn of(filesystem: &'a Filesystem) -> Self {
        let mut nodes: Vec<Node<'a>> = filesystem
            .rules
            .iter()
            .map(|rule| Node {
                path: &rule.path,
                grant: Grant::of(rule.access, rule.exec),
                targets: match rule.access {
                    Access::Hide => Vec::new(),
                    Access::Read | Access::Overlay | Access::Write => vec![rule.target.as_deref()],
                },
                guarded: false,
            })
            .collect();
        nodes.extend(filesystem.workspace.as_deref().map(|path| Node {
            path,
            grant: Grant::of(filesystem.workspace_access, true),
            targets: match filesystem.workspace_access {
                Access::Hide => Vec::new(),
                Access::Read | Access::Overlay | Access::Write => vec![None],
            },
            guarded: filesystem.protect.enabled && filesystem.workspace_access == Access::Write,
        }));
        // Paths compare by component, so an ancestor comes directly before all of its descendants.
        nodes.sort_by(|a, b| a.path.cmp(b.path));
        nodes.dedup_by(|later, first| {
            let same = later.path == first.path;
            if same {
                // Two accesses on one path are refused by validation; here the tighter one holds.
                first.grant = first.grant.restrict(later.grant);
                first.targets.append(&mut later.targets);
                first.guarded &= later.guarded;
            }
            same
        });
        let presets = match nodes.first() {
            Some(node) if node.path == Path::new("/") => None,
            _ => Some([filesystem.system, filesystem.toolchains]),
        };
        Tree { nodes, presets }
    }

    /// What is granted where no rule holds.
    pub(crate) fn elsewhere(&self) -> Grant {
        match self.presets {
            Some([false, false]) | None => Grant::Nothing,
            Some(_) => Grant::Presets,
        }
    }

    /// Whether `other` has every preset that has an effect in this one and could have one there.
    pub(crate) fn presets_within(&self, other: &Tree<'_>) -> bool {
        match (self.presets, other.presets) {
            (None, _) | (_, None) => true,
            (Some(presets), Some(allowed)) => presets
                .iter()
                .zip(allowed)
                .all(|(one, other)| *one <= other),
        }
    }

    /// The presets that are within both, as far as the rules leave room for them.
    pub(crate) fn restrict_presets(&self, other: &Tree<'_>) -> [bool; 2] {
        match (self.presets, other.presets) {
            (Some(a), Some(b)) => [a[0] && b[0], a[1] && b[1]],
            (one, other) => one.or(other).unwrap_or_default(),
        }
    }
}

/// One path that at least one of two trees names, with what each grants there.
pub(crate) struct Visit<'t, 'a> {
    pub(crate) path: &'a Path,
    pub(crate) left: Grant,
    pub(crate) right: Grant,
    /// The protected workspaces that give the path, if such do.
    pub(crate) left_guard: Option<&'a Path>,
    pub(crate) right_guard: Option<&'a Path>,
    pub(crate) left_node: Option<&'t Node<'a>>,
    pub(crate) right_node: Option<&'t Node<'a>>,
}

/// Visits the named paths of both trees in order, until `visit` returns false; whether it never did.
pub(crate) fn walk<'t, 'a>(
    left: &'t Tree<'a>,
    right: &'t Tree<'a>,
    mut visit: impl FnMut(Visit<'t, 'a>) -> bool,
) -> bool {
    let (mut left, mut right) = (Cursor::new(left), Cursor::new(right));
    loop {
        let path = match (left.next_path(), right.next_path()) {
            (Some(one), Some(other)) => one.min(other),
            (Some(path), None) | (None, Some(path)) => path,
            (None, None) => return true,
        };
        let (left_node, (left_grant, left_guard)) = left.advance(path);
        let (right_node, (right_grant, right_guard)) = right.advance(path);
        if !visit(Visit {
            path,
            left: left_grant,
            right: right_grant,
            left_guard,
            right_guard,
            left_node,
            right_node,
        }) {
            return false;
        }
    }
}

/// A place in a tree: what comes next, and the nodes above the place.
struct Cursor<'t, 'a> {
    rest: std::slice::Iter<'t, Node<'a>>,
    above: Above<'a, (Grant, Option<&'a Path>)>,
}

impl<'t, 'a> Cursor<'t, 'a> {
    fn new(tree: &'t Tree<'a>) -> Self {
        Cursor {
            rest: tree.nodes.iter(),
            above: Above::new((tree.elsewhere(), None)),
        }
    }

    fn next_path(&self) -> Option<&'a Path> {
        self.rest.as_slice().first().map(|node| node.path)
    }

    /// Moves on to `path`; the node there, if there is one, and the grant there with its guard.
    fn advance(&mut self, path: &Path) -> (Option<&'t Node<'a>>, (Grant, Option<&'a Path>)) {
        let inherited = self.above.at(path);
        if self.next_path() != Some(path) {
            return (None, inherited);
        }
        let Some(node) = self.rest.next() else {
            return (None, inherited);
        };
        let value = (node.grant, node.guarded.then_some(node.path));
        self.above.push(node.path, value);
        (Some(node), value)
    }
}

/// The chain of nodes above a place, as paths are visited in order.
pub(crate) struct Above<'a, T> {
    chain: Vec<(&'a Path, T)>,
    elsewhere: T,
}

impl<'a, T: Copy> Above<'a, T> {
    pub(crate) fn new(elsewhere: T) -> Self {
        Above {
            chain: Vec::new(),
            elsewhere,
        }
    }

    /// What `path` has from the nearest node above it.
    pub(crate) fn at(&mut self, path: &Path) -> T {
        while let Some((above, value)) = self.chain.last() {
            if is_below(path, above) {
                return *value;
            }
            self.chain.pop();
        }
        self.elsewhere
    }

    pub(crate) fn push(&mut self, path: &'a Path, value: T) {
        self.chain.push((path, value));
    }
}

/// [`Path::starts_with`], without taking long paths apart where their bytes tell.
fn is_below(path: &Path, above: &Path) -> bool {
    let (path_bytes, above_bytes) = (path.as_os_str().as_bytes(), above.as_os_str().as_bytes());
    match path_bytes.strip_prefix(above_bytes) {
        Some([] | [b'/', ..]) if !above_bytes.is_empty() => true,
        _ => path.starts_with(above),
    }
}
