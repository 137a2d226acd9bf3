//! Carrying the operations of overlays out, in the child, under the rules of [`apply`](crate::apply).

use crate::apply::{
    Context, NONE, closing, copied, finish_fs, lent, open_covers, open_target, put_over_root,
};
use crate::mounts::{LayerOp, OverlayOp, STORE};
use cofferdam_sys::mount::{
    self, AT_EMPTY_PATH, OPEN_TREE_CLONE, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS, RESOLVE_NO_XDEV,
};
use cofferdam_sys::{Errno, Result, fd};
use std::ffi::CStr;
use std::os::fd::RawFd;

/// The scaffold becomes the working directory: overlayfs takes its layers by path.
pub(crate) fn scaffold(context: &mut Context<'_>, hidden: bool) -> Result<()> {
    let scaffold = std::mem::replace(&mut context.tmpfs, NONE);
    put_over_root(scaffold, true)?;
    context.scaffold = scaffold;
    if hidden {
        open_covers(context, scaffold)?;
    }
    mount::fchdir(scaffold)
}

pub(crate) fn store(context: &mut Context<'_>) -> Result<()> {
    let store = std::mem::replace(&mut context.tmpfs, NONE);
    mount::move_mount_to(store, context.scaffold, STORE)?;
    context.store = store;
    Ok(())
}

/// Puts the tmpfs at a name in the scaffold.
pub(crate) fn stage(context: &mut Context<'_>, name: &CStr) -> Result<()> {
    let tmpfs = std::mem::replace(&mut context.tmpfs, NONE);
    let done = mount::move_mount_to(tmpfs, context.scaffold, name);
    closing(tmpfs, done)
}

/// Over what the overlay before had at that name: overlayfs keeps copies of its layers' mounts. Their
/// attributes are of no interest, as it makes lower ones read-only and enforces its own mount's.
pub(crate) fn apply_layer(context: &mut Context<'_>, layer: &LayerOp) -> Result<()> {
    let put = |tree| {
        mount::move_mount_to(tree, context.scaffold, &layer.name)?;
        match layer.upper {
            Some(mode) => make_upper(tree, mode),
            None => Ok(()),
        }
    };
    match lent(context, &layer.tree)? {
        Some(tree) => put(tree),
        None => {
            let tree = copied(&layer.tree)?;
            closing(tree, put(tree))
        }
    }
}

/// Makes the two directories of an upper layer that are missing. Sandboxes see what is in them and
/// not the one that they are in, so a link at their names is nobody's trick; it is refused all the
/// same, as the kernel would follow it.
fn make_upper(tree: RawFd, mode: u32) -> Result<()> {
    for (name, mode) in [(c"upper", mode), (c"work", 0o700)] {
        match mount::mkdirat(tree, name, mode) {
            Ok(()) | Err(Errno(libc::EEXIST)) => {}
            Err(errno) => return Err(errno),
        }
        let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV;
        let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let _ = fd::close(mount::openat2(tree, name, flags, 0, resolve)?);
    }
    Ok(())
}

pub(crate) fn apply_overlay(context: &mut Context<'_>, overlay: &OverlayOp) -> Result<()> {
    let fs = mount::fsopen(c"overlay")?;
    if let Err(errno) = configure(fs, overlay) {
        return closing(fs, Err(errno));
    }
    let tree = finish_fs(fs, overlay.attributes)?;
    // Where it cannot make its own directory in `work`, the kernel mounts the overlay read-only and
    // says so in its log (fs/overlayfs/super.c, `ovl_get_workdir`).
    if overlay.upper.as_ref().is_some_and(|dirs| !dirs.memory) {
        match mount::is_read_only(tree) {
            Ok(false) => {}
            Ok(true) => return closing(tree, Err(Errno(libc::EROFS))),
            Err(errno) => return closing(tree, Err(errno)),
        }
    }
    context.tmpfs = tree;
    Ok(())
}

fn configure(fs: RawFd, overlay: &OverlayOp) -> Result<()> {
    mount::fsconfig_string(fs, c"lowerdir", &overlay.lowers)?;
    if let Some(dirs) = &overlay.upper {
        mount::fsconfig_string(fs, c"upperdir", &dirs.upper)?;
        mount::fsconfig_string(fs, c"workdir", &dirs.work)?;
    }
    // Turns redirect_dir and metacopy off as well, whatever the module's defaults are.
    mount::fsconfig_flag(fs, c"userxattr")?;
    mount::fsconfig_string(fs, c"index", c"off")
}

/// The copy is of this one directory, with the overlay's attributes.
pub(crate) fn pin(context: &mut Context<'_>, target: &CStr) -> Result<()> {
    let target = open_target(context, target)?;
    let done = mount::open_tree(target, c"", AT_EMPTY_PATH | OPEN_TREE_CLONE)
        .and_then(|tree| closing(tree, mount::move_mount(tree, target)));
    closing(target, done)
}
