//! Where an image comes from: a layout in a directory, or in one tar file.

use crate::blob::Blob;
use crate::digest::Digest;
use crate::gate::Headers;
use crate::text::escaped;
use crate::{ImageError, Limit, Limits};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

const NO_LAYOUT: &str = "it has no file oci-layout; for an archive of an older docker save run skopeo copy docker-archive:FILE oci:DIRECTORY";

/// An opened layout.
pub(crate) struct Source {
    path: PathBuf,
    place: Place,
}

enum Place {
    Directory(OwnedFd),
    /// One tar file, and where in it each file of the layout begins, with its size.
    Archive(Rc<File>, HashMap<String, (u64, u64)>),
}

impl Source {
    /// Opens the layout and checks its `oci-layout`.
    pub(crate) fn open(path: &Path, limits: &Limits) -> Result<Self, ImageError> {
        let unreadable = |error| ImageError::Source {
            path: path.into(),
            error,
        };
        // Without O_NONBLOCK a FIFO would keep us waiting.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file: File = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|e| unreadable(e.into()))?
            .into();
        let metadata = file.metadata().map_err(unreadable)?;
        let place = if metadata.is_dir() {
            Place::Directory(file.into())
        } else if metadata.is_file() {
            let names = index(path, &file, limits)?;
            Place::Archive(Rc::new(file), names)
        } else {
            return Err(ImageError::NotALayout {
                path: path.into(),
                reason: "it is neither a directory nor a file; write the archive to a file first",
            });
        };
        let source = Self {
            path: path.into(),
            place,
        };
        source.check_version(limits)?;
        Ok(source)
    }

    /// A small file of the layout as a whole; `None` if there is none.
    pub(crate) fn document(
        &self,
        name: &str,
        limits: &Limits,
    ) -> Result<Option<Vec<u8>>, ImageError> {
        let Some(mut blob) = self.find(name)? else {
            return Ok(None);
        };
        check_metadata(name, blob.size(), limits)?;
        let mut contents = Vec::new();
        blob.read_to_end(&mut contents)
            .map_err(|e| self.unreadable(e))?;
        Ok(Some(contents))
    }

    /// A small blob as a whole, verified.
    pub(crate) fn metadata(
        &self,
        what: &'static str,
        digest: &Digest,
        size: u64,
        limits: &Limits,
    ) -> Result<Vec<u8>, ImageError> {
        check_metadata(what, size, limits)?;
        let mut contents = Vec::new();
        self.blob(digest, size)?
            .read_to_end(&mut contents)
            .map_err(|e| self.unreadable(e))?;
        if digest.is_of(&contents) {
            return Ok(contents);
        }
        let mut hasher = digest.hasher();
        hasher.update(&contents);
        Err(ImageError::DigestMismatch {
            digest: digest.to_string(),
            found: hasher.finish().to_string(),
        })
    }

    /// A blob whose size was checked and whose contents were not yet.
    pub(crate) fn blob(&self, digest: &Digest, declared: u64) -> Result<Blob, ImageError> {
        let Some(blob) = self.find(&digest.blob_path())? else {
            return Err(ImageError::BlobMissing {
                digest: digest.to_string(),
            });
        };
        if blob.size() != declared {
            return Err(ImageError::SizeMismatch {
                digest: digest.to_string(),
                declared,
                found: blob.size(),
            });
        }
        Ok(blob)
    }

    pub(crate) fn unreadable(&self, error: io::Error) -> ImageError {
        ImageError::Source {
            path: self.path.clone(),
            error,
        }
    }

    fn find(&self, name: &str) -> Result<Option<Blob>, ImageError> {
        match &self.place {
            Place::Directory(dir) => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
                match openat2(dir, name, flags, Mode::empty(), beneath()) {
                    Ok(fd) => Ok(Some(Blob::file(fd.into()).map_err(|e| self.unreadable(e))?)),
                    Err(rustix::io::Errno::NOENT) => Ok(None),
                    Err(rustix::io::Errno::LOOP | rustix::io::Errno::XDEV) => {
                        Err(ImageError::NotALayout {
                            path: self.path.clone(),
                            reason: "it contains symbolic links, which are not followed; copy it with cp -rL",
                        })
                    }
                    Err(error) => Err(self.unreadable(error.into())),
                }
            }
            Place::Archive(file, names) => Ok(names
                .get(name)
                .map(|&(offset, size)| Blob::part(Rc::clone(file), offset, size))),
        }
    }

    fn check_version(&self, limits: &Limits) -> Result<(), ImageError> {
        let Some(contents) = self.document("oci-layout", limits)? else {
            return Err(ImageError::NotALayout {
                path: self.path.clone(),
                reason: NO_LAYOUT,
            });
        };
        let layout = oci_spec::image::OciLayout::from_reader(&*contents).map_err(|e| {
            ImageError::Malformed {
                what: "file oci-layout",
                reason: escaped(e.to_string().as_bytes()),
            }
        })?;
        let version = layout.image_layout_version();
        if version != "1" && !version.starts_with("1.") {
            return Err(ImageError::Malformed {
                what: "file oci-layout",
                reason: format!(
                    "version {} is not known, 1.0.0 is",
                    escaped(version.as_bytes())
                ),
            });
        }
        Ok(())
    }
}

/// How files of a layout and of a tree are opened.
pub(crate) fn beneath() -> ResolveFlags {
    ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS
}

/// Where the layout's files are in a tar file. It is not compressed, so this skips from header to header.
fn index(
    path: &Path,
    file: &File,
    limits: &Limits,
) -> Result<HashMap<String, (u64, u64)>, ImageError> {
    let unreadable = |error| ImageError::Source {
        path: path.into(),
        error,
    };
    let not_a_layout = |reason| ImageError::NotALayout {
        path: path.into(),
        reason,
    };
    let length = file.metadata().map_err(unreadable)?.len();
    let headers = Headers::new(file, limits.metadata_bytes);
    let allowance = headers.allowance();
    let mut archive = tar::Archive::new(headers);
    let mut names = HashMap::new();
    let mut count = 0;
    let mut entries = archive.entries_with_seek().map_err(unreadable)?;
    loop {
        allowance.renew();
        let entry = match entries.next() {
            None => break,
            Some(Ok(entry)) => entry,
            Some(Err(_)) if allowance.is_spent() => {
                return Err(too_much("headers of the archive", limits));
            }
            Some(Err(_)) => {
                return Err(not_a_layout(
                    "it is no tar archive; if it is compressed, decompress it first",
                ));
            }
        };
        count += 1;
        if count > limits.entries {
            return Err(ImageError::Limit {
                limit: Limit::Entries,
                allowed: limits.entries,
                place: "the archive".into(),
            });
        }
        if entry.header().entry_type() != tar::EntryType::Regular {
            continue;
        }
        let (offset, size) = (entry.raw_file_position(), entry.size());
        if offset.checked_add(size).is_none_or(|end| end > length) {
            return Err(not_a_layout(
                "the archive ends within one of its files; copy it again",
            ));
        }
        if let Some(name) = layout_name(&entry.path_bytes()) {
            names.insert(name, (offset, size));
        }
    }
    Ok(names)
}

/// The name of an archive's entry, if it is one that a layout has.
fn layout_name(raw: &[u8]) -> Option<String> {
    let name = std::str::from_utf8(raw).ok()?;
    let name = name.strip_prefix("./").unwrap_or(name);
    let wanted = name == "oci-layout" || name == "index.json" || name.starts_with("blobs/");
    (wanted && name.len() < 256).then(|| name.into())
}

fn check_metadata(what: &str, size: u64, limits: &Limits) -> Result<(), ImageError> {
    if size > limits.metadata_bytes {
        Err(too_much(what, limits))
    } else {
        Ok(())
    }
}

fn too_much(what: &str, limits: &Limits) -> ImageError {
    ImageError::Limit {
        limit: Limit::MetadataBytes,
        allowed: limits.metadata_bytes,
        place: what.into(),
    }
}
