//! Carrying the operations out, in the child.
//!
//! Everything here runs in memory shared with a host whose other threads go on: raw calls only, no
//! allocation, no lock, no panic.
//!
//! Why each part is done as it is:
//! - Before Linux 6.15 nothing can be mounted on a mount that is attached nowhere, so the new root is
//!   first put over the old one. A path that starts at `/` still starts at the old root then, as
//!   lookups do not cross what is mounted on the root they start from: sources stay reachable.
//! - A tmpfs is filled before it is attached, through its own descriptor: no path of the host can be
//!   involved, so nothing can be created there.
//! - A target that is not in the view's own memory is opened beneath the new root without following
//!   any link, and the mount is put on the descriptor: what was checked is what is covered.
//! - What overlays are made of, the scaffold, is put over the old root before the view is, and goes with
//!   it: nothing of it has to be taken away from the view.
//! - open_tree(2) copies only mounts of the caller's own mount namespace, so sources are looked up
//!   again here, and the copy is compared with what was seen at prepare.

use crate::apply_overlay::{apply_layer, apply_overlay, pin, scaffold, stage, store};
use crate::apply_template as template;
use crate::detached::Detached;
use crate::mounts::{BindOp, HIDDEN_DIR, HIDDEN_FILE, MountOp, Mounts, Op, Target, Tmpfs, Tree};
use crate::proc::Inner;
use cofferdam_sys::mount::{
    self, AT_EMPTY_PATH, AT_RECURSIVE, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY,
    MountAttr, OPEN_TREE_CLONE, RESOLVE_BENEATH, RESOLVE_IN_ROOT, RESOLVE_NO_MAGICLINKS,
    RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV,
};
use cofferdam_sys::{Errno, Result, fd, net, process};
use std::ffi::CStr;
use std::os::fd::RawFd;

/// What the operations hand on to each other: a few descriptors of the child.
#[derive(Debug)]
pub struct Context<'a> {
    detached: &'a Detached,
    /// The view's root.
    pub(crate) root: RawFd,
    /// A tmpfs or overlay that is attached nowhere yet.
    pub(crate) tmpfs: RawFd,
    /// What overlays are made of, under the view.
    pub(crate) scaffold: RawFd,
    /// The tmpfs with the upper layers in memory.
    pub(crate) store: RawFd,
    /// The last new proc or sysfs.
    pub(crate) fresh: RawFd,
    pub(crate) hidden_file: RawFd,
    pub(crate) hidden_dir: RawFd,
    /// The last socket.
    socket: RawFd,
    pub(crate) umask: u32,
}

pub(crate) const NONE: RawFd = -1;

impl Mounts {
    /// Starts carrying the operations out one by one: each with [`MountOp::apply`], in order, none
    /// left out. Clears the child's umask until the last one puts it back.
    pub fn begin<'a>(&self, detached: &'a Detached) -> Context<'a> {
        Context {
            detached,
            root: NONE,
            tmpfs: NONE,
            scaffold: NONE,
            store: NONE,
            fresh: NONE,
            hidden_file: NONE,
            hidden_dir: NONE,
            socket: NONE,
            umask: process::umask(0),
        }
    }
}

impl Context<'_> {
    /// The root of the tmpfs that holds the upper layers in memory, once it is there: an `O_PATH`
    /// descriptor of the child, close-on-exec, to be sent to the host (unix(7), `SCM_RIGHTS`), which
    /// can read the layers with it while the sandbox runs and after it ended.
    /// [`Mounts::hands_out`] says beforehand whether there is one, and [`Mounts::overlays`] what is
    /// where in it. What it holds was written by the sandbox: to be opened beneath the descriptor with
    /// openat2(2) and `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, and not changed while the sandbox runs.
    pub fn handed_out(&self) -> Option<RawFd> {
        (self.store != NONE).then_some(self.store)
    }

    /// The socket that the last operation made, if it [made one](MountOp::makes_socket): a descriptor of the
    /// child that listens, close-on-exec and non-blocking, to be sent to who accepts and closed. One that
    /// is not taken is closed when the next is made.
    pub fn take_socket(&mut self) -> Option<RawFd> {
        let socket = std::mem::replace(&mut self.socket, NONE);
        (socket != NONE).then_some(socket)
    }
}

impl MountOp {
    /// Whether it makes a socket, for [`Context::take_socket`].
    pub fn makes_socket(&self) -> bool {
        matches!(self.0, Op::Socket { .. })
    }

    /// Carries out this operation; see [`Mounts::begin`].
    ///
    /// # Errors
    /// As the system calls; `ESTALE` when a source is not the object it was at prepare. The child must
    /// not go on.
    pub fn apply(&self, context: &mut Context<'_>) -> Result<()> {
        match &self.0 {
            Op::Private => mount::propagation(c"/", libc::MS_REC | libc::MS_PRIVATE),
            Op::Tmpfs(tmpfs) => open_tmpfs(context, tmpfs),
            Op::Dir { path, mode } => mount::mkdirat(context.tmpfs, path, *mode),
            Op::File { path, bytes, mode } => mount::create_file(context.tmpfs, path, bytes, *mode),
            Op::Socket { path, mode, .. } => listen_in_tmpfs(context, path, *mode),
            Op::Symlink { path, text } => mount::symlinkat(text, context.tmpfs, path),
            Op::Scaffold { hidden } => scaffold(context, *hidden),
            Op::Store => store(context),
            Op::Skeleton { name } => stage(context, name),
            Op::Layer(layer) => apply_layer(context, layer),
            Op::Overlay(overlay) => apply_overlay(context, overlay),
            Op::Pin { target } => pin(context, target),
            Op::AttachRoot { hidden, read_only } => attach_root(context, *hidden, *read_only),
            Op::Attach { target, read_only } => attach(context, target, *read_only),
            Op::Bind(bind) => apply_bind(context, bind),
            Op::Device {
                source,
                device,
                target,
            } => apply_device(context, source, *device, target),
            Op::Devpts { target } => apply_devpts(context, target),
            Op::Fresh {
                kind,
                target,
                attributes,
                replaces,
            } => apply_fresh(context, kind, target, *attributes, *replaces),
            Op::KeepProc => template::keep_proc(context),
            Op::Mask { inner } => mask(context, inner),
            Op::ReadOnly { inner } => make_read_only(context, inner),
            Op::Hide { target, directory } => {
                let target = open_target(context, target)?;
                let done = covering(context, *directory)
                    .and_then(|tree| closing(tree, mount::move_mount(tree, target)));
                closing(target, done)
            }
            Op::Pivot { hidden } => pivot(context, *hidden),
            Op::Covers { root } => template::covers(context, *root),
            Op::Move { from, target } => template::move_kept(context, from, target),
            Op::Check { target, object } => template::check(context, target, *object),
            Op::Settle => template::settle(context),
        }
    }
}

fn open_tmpfs(context: &mut Context<'_>, tmpfs: &Tmpfs) -> Result<()> {
    let fs = mount::fsopen(c"tmpfs")?;
    mount::fsconfig_string(fs, c"size", &tmpfs.size)?;
    mount::fsconfig_string(fs, c"nr_inodes", &tmpfs.inodes)?;
    mount::fsconfig_string(fs, c"mode", &tmpfs.mode)?;
    context.tmpfs = finish_fs(fs, tmpfs.attributes)?;
    Ok(())
}

/// bind(2) knows no directory but the working directory, which is the child's own: the scaffold where there
/// is one, and set anew at the end.
fn listen_in_tmpfs(context: &mut Context<'_>, path: &CStr, mode: u32) -> Result<()> {
    mount::fchdir(context.tmpfs)?;
    let before = process::umask(!mode & 0o777);
    let socket = net::unix_listener(path);
    process::umask(before);
    if context.scaffold != NONE {
        mount::fchdir(context.scaffold)?;
    }
    let unwanted = std::mem::replace(&mut context.socket, socket?);
    if unwanted != NONE {
        let _ = fd::close(unwanted);
    }
    Ok(())
}

fn attach_root(context: &mut Context<'_>, hidden: bool, read_only: bool) -> Result<()> {
    let root = std::mem::replace(&mut context.tmpfs, NONE);
    put_over_root(root, read_only)?;
    context.root = root;
    if hidden {
        open_covers(context, root)?;
    }
    Ok(())
}

/// On top of whatever is mounted over the old root already.
pub(crate) fn put_over_root(tree: RawFd, read_only: bool) -> Result<()> {
    if read_only {
        // Also what the covers of hidden paths inherit: nobody can chmod them.
        set(tree, 0, MOUNT_ATTR_RDONLY, 0)?;
    }
    let old = mount::openat2(libc::AT_FDCWD, c"/", libc::O_PATH | libc::O_DIRECTORY, 0, 0)?;
    let moved = mount::move_mount(tree, old);
    closing(old, moved)
}

pub(crate) fn open_covers(context: &mut Context<'_>, dir: RawFd) -> Result<()> {
    let open = |name| mount::openat2(dir, name, libc::O_PATH | libc::O_NOFOLLOW, 0, 0);
    context.hidden_file = open(HIDDEN_FILE)?;
    context.hidden_dir = open(HIDDEN_DIR)?;
    Ok(())
}

fn attach(context: &mut Context<'_>, target: &Target, read_only: bool) -> Result<()> {
    let tmpfs = std::mem::replace(&mut context.tmpfs, NONE);
    if read_only {
        set(tmpfs, 0, MOUNT_ATTR_RDONLY, 0)?;
    }
    let done = put(context, tmpfs, target);
    closing(tmpfs, done)
}

fn apply_bind(context: &mut Context<'_>, bind: &BindOp) -> Result<()> {
    if let Some(tree) = lent(context, &bind.tree)? {
        return put(context, tree, &bind.target);
    }
    let tree = copied(&bind.tree)?;
    let done = mount::mount_setattr(tree, AT_RECURSIVE, &bind.tree.attributes)
        .and_then(|()| put(context, tree, &bind.target));
    closing(tree, done)
}

/// The copy that the parent made, if it did. It is the parent's to close.
pub(crate) fn lent(context: &Context<'_>, tree: &Tree) -> Result<Option<RawFd>> {
    match context.detached.tree(tree.slot) {
        None if tree.lent => Err(Errno(libc::EINVAL)),
        copy => Ok(copy),
    }
}

/// A copy of the mount at the source, if that is what it was at prepare.
pub(crate) fn copied(tree: &Tree) -> Result<RawFd> {
    let recursive = if tree.recursive { AT_RECURSIVE } else { 0 };
    let copy = mount::open_tree(libc::AT_FDCWD, &tree.source, COPY | recursive)?;
    let known = mount::identify(copy).and_then(|id| same(id.dev == tree.dev && id.ino == tree.ino));
    match known {
        Ok(()) => Ok(copy),
        Err(errno) => closing(copy, Err(errno)).map(|()| copy),
    }
}

fn apply_device(
    context: &mut Context<'_>,
    source: &CStr,
    device: (u32, u32),
    target: &Target,
) -> Result<()> {
    let tree = mount::open_tree(libc::AT_FDCWD, source, COPY)?;
    let done = mount::identify(tree)
        .and_then(|id| same(id.mode & libc::S_IFMT == libc::S_IFCHR && id.rdev == device))
        // Writing to a device needs no writable mount; changing its times would.
        .and_then(|()| {
            set(
                tree,
                0,
                MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                0,
            )
        })
        .and_then(|()| put(context, tree, target));
    closing(tree, done)
}

fn apply_devpts(context: &mut Context<'_>, target: &Target) -> Result<()> {
    let fs = mount::fsopen(c"devpts")?;
    mount::fsconfig_string(fs, c"ptmxmode", c"0666")?;
    mount::fsconfig_string(fs, c"mode", c"0620")?;
    let pts = finish_fs(fs, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)?;
    let done = put(context, pts, target);
    closing(pts, done)
}

fn apply_fresh(
    context: &mut Context<'_>,
    kind: &CStr,
    target: &Target,
    attributes: u64,
    replaces: Option<&CStr>,
) -> Result<()> {
    let fresh = finish_fs(mount::fsopen(kind)?, attributes)?;
    if let Some(before) = replaces {
        mount::umount2(before, libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW)?;
    }
    put(context, fresh, target)?;
    let before = std::mem::replace(&mut context.fresh, fresh);
    if before != NONE {
        let _ = fd::close(before);
    }
    Ok(())
}

/// What is covered is looked up in the new mount itself: nobody else can have put a link, a file or a
/// mount there.
fn mask(context: &mut Context<'_>, inner: &Inner) -> Result<()> {
    let tree = covering(context, inner.directory)?;
    let done = match mount::move_mount_to(tree, context.fresh, &inner.name) {
        // A module that had made the entry at prepare is gone.
        Err(Errno(libc::ENOENT)) => Ok(()),
        other => other,
    };
    closing(tree, done)
}

fn make_read_only(context: &mut Context<'_>, inner: &Inner) -> Result<()> {
    let Some(target) = open_inner(context, inner)? else {
        return Ok(());
    };
    let done = mount::open_tree(target, c"", AT_EMPTY_PATH | OPEN_TREE_CLONE).and_then(|tree| {
        let done =
            set(tree, 0, MOUNT_ATTR_RDONLY, 0).and_then(|()| mount::move_mount(tree, target));
        closing(tree, done)
    });
    closing(target, done)
}

/// `None` when a module that had made the entry at prepare is gone.
fn open_inner(context: &Context<'_>, inner: &Inner) -> Result<Option<RawFd>> {
    let resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    match mount::openat2(context.fresh, &inner.name, libc::O_PATH, 0, resolve) {
        Err(Errno(libc::ENOENT)) => Ok(None),
        other => other.map(Some),
    }
}

/// A copy of the thing that hidden paths are covered with.
fn covering(context: &Context<'_>, directory: bool) -> Result<RawFd> {
    let object = if directory {
        context.hidden_dir
    } else {
        context.hidden_file
    };
    mount::open_tree(object, c"", AT_EMPTY_PATH | OPEN_TREE_CLONE)
}

fn pivot(context: &mut Context<'_>, hidden: bool) -> Result<()> {
    let root = std::mem::replace(&mut context.root, NONE);
    if context.hidden_file != NONE {
        let _ = fd::close(context.hidden_file);
        let _ = fd::close(context.hidden_dir);
    }
    if hidden {
        set(root, 0, 0, MOUNT_ATTR_RDONLY)?;
        mount::unlinkat(root, HIDDEN_FILE, 0)?;
        mount::unlinkat(root, HIDDEN_DIR, libc::AT_REMOVEDIR)?;
        set(root, 0, MOUNT_ATTR_RDONLY, 0)?;
    }
    mount::fchdir(root)?;
    // The old root comes to lie on the new one, where the second call takes it away again with all
    // that is mounted in it: pivot_root(2), "pivot_root(".", ".")".
    mount::pivot_root(c".", c".")?;
    if context.scaffold != NONE {
        // It lies on the old root, and `.` leads to the topmost mount.
        mount::umount2(c".", libc::MNT_DETACH)?;
    }
    mount::umount2(c".", libc::MNT_DETACH)?;
    mount::fchdir(root)?;
    if context.scaffold != NONE {
        uncovered(root)?;
    }
    if context.fresh != NONE {
        let _ = fd::close(context.fresh);
    }
    if context.scaffold != NONE {
        let _ = fd::close(context.scaffold);
    }
    process::umask(context.umask);
    fd::close(root)
}

/// Makes sure that nothing of the old root is left on the new one: `..` would lead there.
fn uncovered(root: RawFd) -> Result<()> {
    let top = mount::openat2(libc::AT_FDCWD, c"/..", libc::O_PATH, 0, 0)?;
    let ids = mount::identify(top).and_then(|top| Ok((top.mnt_id, mount::identify(root)?.mnt_id)));
    closing(top, Ok(()))?;
    match ids? {
        (top, root) if top == root => Ok(()),
        _ => Err(Errno(libc::EBUSY)),
    }
}

/// A copy of what is mounted at a path. A link at its end is not followed, and one on the way leads
/// to another object, or to the same one by another name: what was copied is compared.
const COPY: u32 = OPEN_TREE_CLONE | libc::AT_SYMLINK_NOFOLLOW as u32;

pub(crate) fn same(is: bool) -> Result<()> {
    if is { Ok(()) } else { Err(Errno(libc::ESTALE)) }
}

pub(crate) fn open_target(context: &Context<'_>, target: &CStr) -> Result<RawFd> {
    let resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS;
    mount::openat2(context.root, target, libc::O_PATH, 0, resolve)
}

/// Attaches a mount at a target of the view.
pub(crate) fn put(context: &Context<'_>, tree: RawFd, target: &Target) -> Result<()> {
    if target.own {
        return mount::move_mount_to(tree, context.root, &target.path);
    }
    let target = open_target(context, &target.path)?;
    let moved = mount::move_mount(tree, target);
    closing(target, moved)
}

pub(crate) fn finish_fs(fs: RawFd, attributes: u64) -> Result<RawFd> {
    let made = mount::fsconfig_create(fs).and_then(|()| mount::fsmount(fs, attributes));
    let _ = fd::close(fs);
    made
}

pub(crate) fn set(tree: RawFd, flags: u32, attr_set: u64, attr_clr: u64) -> Result<()> {
    let attr = MountAttr {
        attr_set,
        attr_clr,
        ..MountAttr::default()
    };
    mount::mount_setattr(tree, flags, &attr)
}

/// A failing close(2) is of no interest: the descriptor is gone either way.
pub(crate) fn closing(fd: RawFd, done: Result<()>) -> Result<()> {
    let _ = fd::close(fd);
    done
}
