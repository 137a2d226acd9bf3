//! OCI image layouts unpacked once into a content-addressed cache, for sandboxes to share read-only.
//!
//! An *image layout* (OCI image-spec, image-layout.md) is a directory, or one tar file, that holds
//! `oci-layout`, `index.json` and `blobs/`. `skopeo copy … oci:DIR`, `buildah push … oci:DIR`,
//! `docker buildx build -o type=oci` and `docker save` (25 and later) make them.
//!
//! ```no_run
//! use cofferdam_image::{Cache, Options};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cache = Cache::open(&Cache::default_directory()?)?;
//! let image = cache.unpack("debian.tar".as_ref(), &Options::default(), &mut |_| {})?;
//! println!("{} is at {}", image.digest, image.root.display());
//! # Ok(())
//! # }
//! ```
//!
//! 1. A manifest is picked: by [`Options::reference`], and by the platform of this machine.
//! 2. If the cache has the tree, that is all: index, manifest and config are read and verified, the
//!    layers are not touched.
//! 3. Else the layers are applied in order to one directory, in a temporary place beside the cache's
//!    entries, and renamed in when everything was verified: digest and size of each blob, the
//!    `diff_id` of each layer.
//!
//! # What is taken over from the image, and what is not
//! - **Owners are not.** Everything belongs to the caller: the tree is for sandboxes that run as the
//!   caller's own id, or that see it through an id-mapped mount.
//! - **Modes** are, but set-user-ID and set-group-ID never, and the sticky bit on directories only. The
//!   owner can always read files, and read, write and search directories. In a cache that belongs to
//!   root, which everyone may look into, the right to write is taken from group and others: what is
//!   shared between sandboxes must not be changed by other users of the machine.
//! - **Times**: whole seconds of the modification time, for what a layer names.
//! - **Extended attributes**: `user.*` only, without `user.overlay.*`. File capabilities, ACLs, labels
//!   and `trusted.*` are left out, as is a `user.*` attribute whose value contains a line feed, which
//!   the PAX reader beneath cannot tell from the end of a record.
//! - **Symbolic links** are stored as they are and never followed to anywhere outside of the tree. Where
//!   a later layer writes through one (`lib/x` with `lib -> usr/lib`), it is resolved within the tree.
//! - **Devices and FIFOs are refused**, and so is every unknown kind of entry. A FIFO in a tree that
//!   sandboxes share would be a channel between them. (tar has no kind for sockets.)
//!
//! Nothing is made in the tree that the image does not name, except directories on the way to an entry
//! that the layers leave out.
//!
//! # Trust
//! The image is hostile. The cache directory is not: whoever can write to it decides what runs. So
//! [`Cache::open`] refuses a directory of another owner, or one that group or others may write to. What
//! lies in the cache is not hashed again on use.
#![forbid(unsafe_code)]

mod apply;
mod blob;
mod cache;
mod config;
mod digest;
mod entry;
mod error;
mod extract;
mod gate;
mod layer;
mod limits;
mod manifest;
mod platform;
mod progress;
mod purge;
mod refusal;
mod remove;
mod resolve;
mod select;
mod signal;
mod source;
mod staging;
mod text;
mod tree;
mod unpack;
mod user;
mod zstd;

pub use cache::{Cache, Image, Stored};
pub use config::Config;
pub use error::{CacheError, ImageError, LayerProblem};
pub use limits::{Limit, Limits};
pub use progress::{Progress, Stage};
pub use refusal::Refusal;
pub use unpack::Options;
pub use user::User;
