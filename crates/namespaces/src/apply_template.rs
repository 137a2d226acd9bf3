//! Carrying out, in a child of a template, what it alone has. The rules of `apply` hold here too.

use crate::apply::{Context, NONE, closing, open_target, put, same};
use crate::mounts::{KEPT_DIR, KEPT_FILE, KEPT_PROC, Target};
use cofferdam_sys::mount::{
    self, AT_RECURSIVE, OPEN_TREE_CLONE, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS,
};
use cofferdam_sys::{Result, fd, process};
use std::ffi::CStr;

pub(crate) fn covers(context: &mut Context<'_>, root: bool) -> Result<()> {
    if root {
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        context.root = mount::openat2(libc::AT_FDCWD, c"/", flags, 0, 0)?;
    }
    let open = |name| {
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
        mount::openat2(context.root, name, libc::O_PATH, 0, resolve)
    };
    let file = open(KEPT_FILE)?;
    context.hidden_dir = open(KEPT_DIR)?;
    context.hidden_file = file;
    Ok(())
}

pub(crate) fn keep_proc(context: &Context<'_>) -> Result<()> {
    // With what is mounted in it: without, the kernel refuses the copy where the host has locked mounts there.
    let flags = OPEN_TREE_CLONE | AT_RECURSIVE;
    let proc = mount::open_tree(libc::AT_FDCWD, c"/proc", flags)?;
    let done = mount::move_mount_to(proc, context.root, KEPT_PROC);
    closing(proc, done)
}

/// The mount itself, not a copy of it.
pub(crate) fn move_kept(context: &mut Context<'_>, from: &CStr, target: &Target) -> Result<()> {
    let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    let tree = mount::openat2(context.root, from, libc::O_PATH, 0, resolve)?;
    let done = put(context, tree, target);
    closing(tree, done)
}

pub(crate) fn check(
    context: &Context<'_>,
    target: &CStr,
    object: Option<((u32, u32), u64)>,
) -> Result<()> {
    let there = open_target(context, target)?;
    let id = mount::identify(there);
    closing(there, Ok(()))?;
    let id = id?;
    let object = object.is_none_or(|object| object == (id.dev, id.ino));
    same(id.mount_root && object)
}

pub(crate) fn settle(context: &mut Context<'_>) -> Result<()> {
    for open in [
        &mut context.hidden_file,
        &mut context.hidden_dir,
        &mut context.fresh,
    ] {
        let open = std::mem::replace(open, NONE);
        if open != NONE {
            let _ = fd::close(open);
        }
    }
    let root = std::mem::replace(&mut context.root, NONE);
    mount::fchdir(root)?;
    process::umask(context.umask);
    fd::close(root)
}
