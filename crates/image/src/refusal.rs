//! Why one entry of a layer was refused.

/// Why one entry of a layer was refused. Nothing of the image is kept then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The name begins with a slash.
    #[error("its name is absolute: an archive of a layer has names relative to the root")]
    Absolute,
    /// The name has a component `..`.
    #[error("its name has a component `..`, which leads out of where the layer belongs")]
    ParentComponent,
    /// The name is empty, or the root is named as something other than a directory.
    #[error("it names no file below the root")]
    Nameless,
    /// A component is longer than `NAME_MAX`, or the path than `PATH_MAX`.
    #[error("its name is too long: Linux takes 255 bytes for a component and 4095 for a path")]
    NameTooLong,
    /// The name, or the target of a link, contains a NUL.
    #[error("its name or link target contains a NUL")]
    Nul,
    /// A component on the way to it is a file that is no directory.
    #[error("`{0}` on the way to it is not a directory")]
    ParentNotDirectory(String),
    /// More than 40 symbolic links on the way to it.
    #[error("there are too many symbolic links on the way to it, probably a loop")]
    LinkLoop,
    /// A block or character device.
    #[error("it is a device, which would reach into the host: build the image without it")]
    Device,
    /// A FIFO.
    #[error(
        "it is a FIFO, which sandboxes that share the tree could talk through: build the image without it"
    )]
    Fifo,
    /// A tar type flag that is not known, the byte given.
    #[error("it has the unknown tar type flag 0x{0:02x}")]
    UnknownType(u8),
    /// A sparse file in one of the PAX formats; the older GNU format is understood.
    #[error(
        "it is a sparse file in PAX format, which is not supported: build the layer without --sparse"
    )]
    PaxSparse,
    /// A name reserved for whiteouts (`.wh.`) that is none that is known.
    #[error("`.wh.` begins the name of a whiteout, and this is not a valid one")]
    BadWhiteout,
    /// The target of a symbolic link is empty or longer than `PATH_MAX`.
    #[error("it is a symbolic link with an empty or too long target")]
    BadLinkTarget,
    /// A hard link whose target's name is absolute, has a `..`, or is otherwise no name of an entry.
    #[error("it is a hard link to `{0}`, which is no name within the image")]
    HardLinkOutside(String),
    /// A hard link to something that does not exist.
    #[error("it is a hard link to `{0}`, which does not exist in the image so far")]
    HardLinkMissing(String),
    /// A hard link to a symbolic link or a directory.
    #[error("it is a hard link to `{0}`, which is not a regular file")]
    HardLinkNotFile(String),
    /// A field of its header cannot be read.
    #[error("its header is malformed: {0}")]
    Malformed(&'static str),
    /// The archive ends within its contents.
    #[error("the archive ends within its contents")]
    Truncated,
}
