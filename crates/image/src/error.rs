//! What can go wrong, and what to do about it.

use crate::{Limit, Refusal};
use std::io;
use std::path::PathBuf;

/// Why an image was not unpacked. Names that come from the image are escaped: they may be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The source cannot be opened or read.
    #[error("cannot read the image at {}: {error}", path.display())]
    Source {
        /// The source as it was given.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The source is not an OCI image layout.
    #[error("{} is no OCI image layout: {reason}", path.display())]
    NotALayout {
        /// The source as it was given.
        path: PathBuf,
        /// What is missing, and how to get a layout.
        reason: &'static str,
    },
    /// A blob that index, manifest or config refer to is not there.
    #[error("blob {digest} is not in the layout: copy the image again, with all its layers")]
    BlobMissing {
        /// The digest of the blob.
        digest: String,
    },
    /// A blob's size is not what its descriptor says.
    #[error(
        "blob {digest} has {found} bytes where its descriptor says {declared}: the layout is damaged"
    )]
    SizeMismatch {
        /// The digest of the blob.
        digest: String,
        /// Bytes according to the descriptor.
        declared: u64,
        /// Bytes in the layout.
        found: u64,
    },
    /// A blob's contents are not what its name says.
    #[error("blob {digest} has the digest {found}: the layout is damaged or was tampered with")]
    DigestMismatch {
        /// The digest according to the descriptor.
        digest: String,
        /// The digest of the contents.
        found: String,
    },
    /// A digest that is neither sha256 nor sha512.
    #[error("digest `{digest}` is not supported: sha256 and sha512 are")]
    UnsupportedDigest {
        /// The digest.
        digest: String,
    },
    /// Index, manifest or config cannot be understood.
    #[error("the {what} is malformed: {reason}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A manifest, config or layer of a type that is not known.
    #[error("the {what} has the media type `{media_type}`, which is not supported")]
    MediaType {
        /// Which of them.
        what: &'static str,
        /// Its media type.
        media_type: String,
    },
    /// No image in the layout has this name.
    #[error("the layout has no image `{reference}`; it has: {}", names(known))]
    UnknownReference {
        /// The name that was asked for.
        reference: String,
        /// The names that the layout has.
        known: Vec<String>,
    },
    /// Several images could be meant.
    #[error(
        "the layout has several images: choose one by its reference: {}",
        names(known)
    )]
    Ambiguous {
        /// The names that the layout has.
        known: Vec<String>,
    },
    /// None of the manifests is for this machine.
    #[error(
        "the image is not for this machine ({wanted}); it is for: {}",
        names(found)
    )]
    Platform {
        /// What this machine is, such as `linux/amd64`.
        wanted: String,
        /// What the image offers.
        found: Vec<String>,
    },
    /// A layer as a whole cannot be used.
    #[error("layer {layer}: {problem}")]
    Layer {
        /// The layer, from 1.
        layer: usize,
        /// What is wrong with it.
        #[source]
        problem: LayerProblem,
    },
    /// One entry of a layer is refused.
    #[error("layer {layer}, entry `{entry}`: {refusal}")]
    Entry {
        /// The layer, from 1.
        layer: usize,
        /// The entry's name.
        entry: String,
        /// Why.
        #[source]
        refusal: Refusal,
    },
    /// The image asks for more than the [`Limits`](crate::Limits) allow.
    #[error("{place}: more than the limit {limit} = {allowed}: raise it if you trust the image")]
    Limit {
        /// Which limit.
        limit: Limit,
        /// Its value.
        allowed: u64,
        /// Where in the image: a document, or layer and entry.
        place: String,
    },
    /// A part of the image's config cannot be used.
    #[error("the config's {field} cannot be used: {reason}")]
    Config {
        /// Which part.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// The user that the image names cannot be resolved against its own files.
    #[error("the image's user `{user}` cannot be resolved: {reason}")]
    User {
        /// The user as the image names it.
        user: String,
        /// Why.
        reason: &'static str,
    },
    /// A system call failed while the tree was written.
    #[error("{place}: cannot {step}: {error}")]
    System {
        /// Where in the image.
        place: String,
        /// What was being done.
        step: &'static str,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// The cache itself cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// What is wrong with a layer as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LayerProblem {
    /// Its media type says that it is encrypted.
    #[error(
        "it is encrypted: decrypt the image first, for example with skopeo copy --decryption-key"
    )]
    Encrypted,
    /// Its contents are not compressed the way its media type says.
    #[error("its media type says {declared}, its contents are {found}: build the image again")]
    Compression {
        /// According to the media type.
        declared: &'static str,
        /// According to its first bytes.
        found: &'static str,
    },
    /// It cannot be decompressed, or is no tar archive.
    #[error("it cannot be read: {0}")]
    Malformed(String),
    /// Its uncompressed contents are not what the config says.
    #[error("its uncompressed contents have the digest {found} where the config says {declared}")]
    DiffId {
        /// According to the config.
        declared: String,
        /// What was found.
        found: String,
    },
}

/// Why the cache cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Neither `XDG_CACHE_HOME` nor `HOME` is an absolute path.
    #[error(
        "no place for a cache: set HOME or XDG_CACHE_HOME to an absolute path, or name a directory"
    )]
    NoHome,
    /// The directory belongs to somebody else.
    #[error("{} belongs to uid {owner}: whoever owns the cache decides what runs; use a directory of your own", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Whom it belongs to.
        owner: u32,
    },
    /// Group or others may write to the directory.
    #[error("group or others may write to {}: run chmod go-w on it after you have looked into it", path.display())]
    Writable {
        /// The directory.
        path: PathBuf,
    },
    /// This is no digest of an image: `sha256:` or `sha512:` and lower-case hexadecimal digits.
    #[error("`{0}` is no digest: it is sha256: or sha512: and lower-case hexadecimal digits")]
    Digest(String),
    /// The cache has no such image.
    #[error("the cache has no image {0}")]
    NotFound(String),
    /// An [`Image`](crate::Image) of it is held, here or in another process.
    #[error("image {0} is in use: end the sandboxes that run from it first")]
    InUse(String),
    /// The entry is not what an unpacking left there.
    #[error("image {digest} is damaged in the cache ({reason}): remove it and unpack it again")]
    Damaged {
        /// The digest of the image.
        digest: String,
        /// What was found.
        reason: &'static str,
    },
    /// A system call failed.
    #[error("cannot {step} {}: {error}", path.display())]
    System {
        /// What was being done.
        step: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

/// What stops a layer, before the layer and the entry are known.
#[derive(Debug)]
pub(crate) enum Fault {
    Refused(Refusal),
    Limit(Limit),
    System(&'static str, io::Error),
    /// The tar stream cannot be read on.
    Stream(io::Error),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Says what was being done when a system call failed.
pub(crate) trait Step<T> {
    fn step(self, step: &'static str) -> Result<T, Fault>;
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, step: &'static str) -> Result<T, Fault> {
        self.map_err(|error| Fault::System(step, error.into()))
    }
}

fn names(all: &[String]) -> String {
    if all.is_empty() {
        return "none with a name".into();
    }
    let mut shown: Vec<String> = all
        .iter()
        .take(20)
        .map(|n| crate::text::escaped(n.as_bytes()))
        .collect();
    if all.len() > shown.len() {
        shown.push("…".into());
    }
    shown.join(", ")
}
