//! What can be wrong with a view, and what can go wrong when it is mounted.

use cofferdam_sys::Errno;
use std::path::PathBuf;

/// Why [`View::prepare`](crate::View::prepare) refused a view.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// A path that does not start at the root.
    #[error("{} is not absolute: start it with /", .path.display())]
    NotAbsolute {
        /// The path.
        path: PathBuf,
    },
    /// A path with `..` in it.
    #[error("{} contains `..`, which means something else behind a symbolic link: write the path without it", .path.display())]
    ParentComponent {
        /// The path.
        path: PathBuf,
    },
    /// A path or link text with a NUL byte, or an empty link text.
    #[error("{:?} is empty or contains a NUL byte, which no path has", .path)]
    Nul {
        /// The path.
        path: PathBuf,
    },
    /// A path that the kernel would refuse.
    #[error("a path of {length} bytes is too long: the kernel takes 4095")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// Something is to be put at `/`, which is the view's own.
    #[error(
        "/ itself cannot be a target, as the view's root is made anew: name the directories below it"
    )]
    RootTarget,
    /// The source of a bind does not exist or cannot be looked up.
    #[error("cannot look up {} to bind it: it must exist and be reachable, or its rule be optional", .path.display())]
    Source {
        /// The source as given.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The source of a bind lies in procfs.
    #[error("{} is in /proc, where paths name processes of the host: use View::proc for the sandbox's own", .path.display())]
    SourceInProc {
        /// The source as given.
        path: PathBuf,
    },
    /// Too many symbolic links.
    #[error("{} leads through more than 40 symbolic links: is there a loop?", .path.display())]
    SymlinkLoop {
        /// The path.
        path: PathBuf,
    },
    /// A socket whose path programs could not name.
    #[error("{} has {length} bytes, and connect(2) takes 107: give the socket a shorter path", .target.display())]
    SocketTooLong {
        /// The place.
        target: PathBuf,
        /// Its length.
        length: usize,
    },
    /// A socket in the overlay that is the view's root.
    #[error("{} lies in an overlay, where no socket can listen: put a tmpfs at its directory", .target.display())]
    SocketInOverlay {
        /// The place.
        target: PathBuf,
    },
    /// Two rules want different things at one place.
    #[error("{} is given twice: {first}, and {second}; keep one", .target.display())]
    Conflict {
        /// The place.
        target: PathBuf,
        /// One rule.
        first: String,
        /// The other.
        second: String,
    },
    /// A target below something that is no directory.
    #[error("{} cannot exist: {} is not a directory in the view", .target.display(), .file.display())]
    UnderFile {
        /// The target.
        target: PathBuf,
        /// What is no directory.
        file: PathBuf,
    },
    /// A target in a mount where nothing can be placed.
    #[error("{} lies in {} ({what}), where nothing can be placed", .target.display(), .mount.display())]
    Closed {
        /// The target.
        target: PathBuf,
        /// The mount.
        mount: PathBuf,
        /// What that is.
        what: &'static str,
    },
    /// A target that does not exist in the host's directory that is bound there.
    #[error("{} does not exist: {} would have to be made on the host, where nothing is created; create it, or leave the rule out", .target.display(), .place.display())]
    MissingTarget {
        /// The target.
        target: PathBuf,
        /// Where on the host it is missing.
        place: PathBuf,
    },
    /// Nothing is at the path that is to be hidden.
    #[error("nothing to hide at {}: the view has nothing there; use View::hide_optional if that is fine", .target.display())]
    NothingToHide {
        /// The target.
        target: PathBuf,
    },
    /// A target in a bind could not be looked up on the host.
    #[error("cannot look up {} on the host for the target {}", .place.display(), .target.display())]
    Target {
        /// The target.
        target: PathBuf,
        /// The place on the host.
        place: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A symbolic link in a writable bind is on the way to a target, or to the source of a bind.
    #[error("{} leads through the symbolic link {}, which the sandbox can change: name the place it leads to", .target.display(), .link.display())]
    SymlinkInWritable {
        /// The target, or the source.
        target: PathBuf,
        /// The link, as the host names it.
        link: PathBuf,
    },
    /// A directory over a file or the other way round.
    #[error("{} is {is} in the view, and {wanted} is to be mounted on it", .target.display())]
    TargetType {
        /// The target.
        target: PathBuf,
        /// `a directory` or `a file`.
        is: &'static str,
        /// `a directory` or `a file`.
        wanted: &'static str,
    },
    /// A tmpfs of no size, which to the kernel means no limit.
    #[error("the tmpfs at {} has size 0, which the kernel takes for unlimited: give it a size in bytes", .target.display())]
    ZeroSize {
        /// The target.
        target: PathBuf,
    },
    /// A device node of the host's /dev is not what it must be.
    #[error("{} is not the character device {}:{} on this host: restore it", .path.display(), .device.0, .device.1)]
    Device {
        /// The node.
        path: PathBuf,
        /// Major and minor number.
        device: (u32, u32),
    },
    /// A layer of an overlay does not exist or cannot be looked up.
    #[error("cannot look up {} for a layer of an overlay: it must be an existing directory that can be reached", .path.display())]
    Layer {
        /// The source as given.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A layer of an overlay is a file.
    #[error("{} is not a directory, so it can be no layer of an overlay: name the directory that holds it", .path.display())]
    LayerNotDirectory {
        /// The source as given.
        path: PathBuf,
    },
    /// Something is mounted in a layer.
    #[error("{} is mounted in {}, and a layer of an overlay must be without mounts: unmount it, or name a directory that it is not in", .below.display(), .path.display())]
    LayerHasMounts {
        /// The layer.
        path: PathBuf,
        /// The mount point in it.
        below: PathBuf,
    },
    /// Two layers are the same directory, or one lies in the other.
    #[error("{} and {} cannot both be layers: they are the same directory or one is in the other; keep one, or put the upper directory elsewhere", .one.display(), .other.display())]
    LayersOverlap {
        /// One layer.
        one: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// An upper directory on disk that the sandbox can reach in another way.
    #[error("the upper directory {} and the writable bind of {} share files, so the sandbox could exchange the layer itself: put it elsewhere", .upper.display(), .bind.display())]
    UpperInBind {
        /// The upper directory.
        upper: PathBuf,
        /// The source of the bind.
        bind: PathBuf,
    },
    /// More lower layers than the kernel can be given.
    #[error("the overlay at {} has {count} lower layers, and the limit is {limit}: copy some of them into one", .target.display())]
    TooManyLayers {
        /// The overlay.
        target: PathBuf,
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An overlay with neither an upper nor a lower layer.
    #[error("the overlay at {} is read-only and has no lower layer: name one, or an upper one", .target.display())]
    NoLayer {
        /// The overlay.
        target: PathBuf,
    },
    /// An upper layer in memory whose size was not given, or is 0, which to the kernel means no limit.
    #[error("the overlay at {} keeps changes in memory, and it was not said how much: call View::upper_memory with a size in bytes and, if any, a number of files above 0", .target.display())]
    NoUpperMemory {
        /// The overlay.
        target: PathBuf,
    },
    /// Overlays of id-mapped layers are not in this kernel.
    #[error("the layer {} is to be id-mapped, which needs Linux 5.19: use a newer kernel, or give the sandbox's own ids access to it", .path.display())]
    IdMappedLayer {
        /// The layer.
        path: PathBuf,
    },
    /// More rules or operations than a view may have.
    #[error(
        "{count} {what} in one view, and the limit is {limit}: bind a common parent directory instead"
    )]
    TooMany {
        /// `rules` or `operations`.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
}

/// Which operation failed in the child, and how: small enough to be sent through a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("mount operation {index} failed")]
pub struct StepError {
    /// Index in [`Mounts::ops`](crate::Mounts::ops).
    pub index: u16,
    /// What the kernel answered.
    #[source]
    pub errno: Errno,
}

/// A [`StepError`] as a person would want to read it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MountError {
    /// The kernel refuses a new proc or sysfs.
    #[error(
        "cannot mount a new {kind}: the host's own has things mounted over it, as in a container, and the kernel does not let a new one show what they hide; run the outer container with an unmasked /proc (`--security-opt systempaths=unconfined`), or leave {kind} out of the view"
    )]
    TooRevealing {
        /// `proc` or `sysfs`.
        kind: &'static str,
        /// `EPERM`.
        #[source]
        errno: Errno,
    },
    /// Another object is at a source's path than when the view was prepared.
    #[error("{} is no longer the file or directory that it was when the view was prepared: prepare it again", .path.display())]
    SourceChanged {
        /// The source.
        path: PathBuf,
        /// `ESTALE`.
        #[source]
        errno: Errno,
    },
    /// An id-mapped bind was not copied by the parent.
    #[error(
        "{} is to be id-mapped, and was not copied beforehand: call Mounts::detach for each child",
        .path.display()
    )]
    NotDetached {
        /// The source.
        path: PathBuf,
        /// `EINVAL`.
        #[source]
        errno: Errno,
    },
    /// A symbolic link has appeared on the way to a target.
    #[error(
        "`{operation}` met a symbolic link on the way to its target, which was none when the view was prepared"
    )]
    TargetSymlink {
        /// The operation.
        operation: String,
        /// `ELOOP`.
        #[source]
        errno: Errno,
    },
    /// The kernel has no overlayfs.
    #[error(
        "`{operation}` failed: overlayfs is neither built into this kernel nor loaded; as root run `modprobe overlay`"
    )]
    NoOverlay {
        /// The operation.
        operation: String,
        /// `ENODEV`.
        #[source]
        errno: Errno,
    },
    /// Overlays in user namespaces are refused.
    #[error(
        "`{operation}` is refused: overlays in user namespaces need Linux 5.11 and no security module that forbids them, and the child must have the right to enter the layers"
    )]
    OverlayRefused {
        /// The operation.
        operation: String,
        /// `EPERM` or `EACCES`.
        #[source]
        errno: Errno,
    },
    /// The kernel does not take the layers.
    #[error(
        "`{operation}`: the kernel does not take these layers: overlays can be stacked twice, counting those that the host itself runs on; an upper layer must be on a writable file system that is no overlay; id-mapped layers need Linux 5.19; a lower one must not fold case"
    )]
    LayersUnsupported {
        /// The operation.
        operation: String,
        /// `EINVAL`.
        #[source]
        errno: Errno,
    },
    /// Layers are the same directory by different names, or one is in the other, or an upper one is in
    /// use.
    #[error(
        "`{operation}`: two layers are the same directory by different names, or one is in the other, or the upper one belongs to an overlay that is still mounted: give each overlay directories of its own"
    )]
    LayersInUse {
        /// The operation.
        operation: String,
        /// `ELOOP` or `EBUSY`.
        #[source]
        errno: Errno,
    },
    /// Something was mounted in a layer after prepare.
    #[error("something is mounted in {}, and was not when the view was prepared: a layer of an overlay must be without mounts", .path.display())]
    LayerHasMounts {
        /// The layer.
        path: PathBuf,
        /// `EINVAL`.
        #[source]
        errno: Errno,
    },
    /// The directory for an upper layer cannot be used.
    #[error("the child cannot keep the changes of an overlay in {}: the directory, and `upper` and `work` if they are in it, must be directories owned by the ids that the child has, on a writable file system", .path.display())]
    UpperDirectory {
        /// The directory.
        path: PathBuf,
        /// What the kernel answered; `EROFS` also where it could not make a directory in `work`.
        #[source]
        errno: Errno,
    },
    /// The host's root cannot be exchanged.
    #[error(
        "pivot_root is refused: the caller runs in a chroot or on the initial ramfs; start it where / is a mount point of its own"
    )]
    Pivot {
        /// `EINVAL`.
        #[source]
        errno: Errno,
    },
    /// The kernel lacks a call.
    #[error(
        "`{operation}` needs a newer kernel: the mount calls by descriptor are in Linux 5.2, openat2 in 5.6, mount_setattr in 5.12"
    )]
    Kernel {
        /// The operation.
        operation: String,
        /// `ENOSYS`.
        #[source]
        errno: Errno,
    },
    /// Anything else.
    #[error("`{operation}` failed")]
    Operation {
        /// The operation.
        operation: String,
        /// What the kernel answered.
        #[source]
        errno: Errno,
    },
    /// The index does not belong to this list.
    #[error("there is no mount operation {index}")]
    NoSuchOperation {
        /// The index.
        index: u16,
        /// What the kernel answered.
        #[source]
        errno: Errno,
    },
}

/// Why [`Mounts::detach`](crate::Mounts::detach) failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetachError {
    /// The source cannot be opened.
    #[error("cannot open {}", .path.display())]
    Source {
        /// The source.
        path: PathBuf,
        /// The cause.
        #[source]
        errno: Errno,
    },
    /// Another object is at the source's path than when the view was prepared.
    #[error("{} is no longer the file or directory that it was when the view was prepared: prepare it again", .path.display())]
    SourceChanged {
        /// The source.
        path: PathBuf,
    },
    /// The mounts cannot be copied.
    #[error("cannot copy the mount at {}: this needs CAP_SYS_ADMIN on the host", .path.display())]
    Copy {
        /// The source.
        path: PathBuf,
        /// The cause.
        #[source]
        errno: Errno,
    },
    /// The copy's flags cannot be set.
    #[error("cannot set the flags of the mount at {}", .path.display())]
    Attributes {
        /// The source.
        path: PathBuf,
        /// The cause.
        #[source]
        errno: Errno,
    },
    /// No [`MappingNamespace`](crate::MappingNamespace) was given for the owner that a bind names.
    #[error("{} is to be id-mapped from uid {uid} gid {gid} on disk, and no MappingNamespace for that owner was given", .path.display())]
    NoMapping {
        /// The source.
        path: PathBuf,
        /// The owner on disk.
        uid: u32,
        /// The owner's group on disk.
        gid: u32,
    },
    /// The file system cannot be id-mapped.
    #[error("{} cannot be id-mapped: its file system (or one mounted below it) or this kernel does not support it; ext4, xfs, btrfs and tmpfs do on Linux 6.3 and later: move the directory to one of these, or give the sandbox's own uid access to it", .path.display())]
    IdMapUnsupported {
        /// The source.
        path: PathBuf,
        /// The cause.
        #[source]
        errno: Errno,
    },
}
