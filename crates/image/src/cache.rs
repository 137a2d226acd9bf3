//! The cache: one directory for each image, under the name of its digest.

use crate::digest::Digest;
use crate::manifest::parse_config;
use crate::resolve::open_directory;
use crate::source::beneath;
use crate::staging::{self, discard, is_linked, system};
use crate::{CacheError, Config, ImageError};
use rustix::fs::{Dir, FlockOperation, Mode, OFlags, flock, fstat, openat2};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The tree of an entry.
pub(crate) const ROOT: &str = "root";
/// The config of an entry, as it was in the layout.
pub(crate) const CONFIG: &str = "config";
/// A config above this size was never written by an unpacking with sane limits.
const LARGEST_CONFIG: u64 = 64 << 20;

/// Unpacked images, in one directory of the calling user.
///
/// `DIRECTORY/sha256-<digest of the config>/` has the tree in `root` and the config in `config`. Entries
/// appear and vanish as a whole. Any number of processes may use one cache at once. The file system has to
/// know flock(2) on directories, which NFS does not.
#[derive(Debug)]
pub struct Cache {
    path: PathBuf,
    directory: OwnedFd,
}

/// An unpacked image. As long as it or a clone of it is held, here or in any other process, it cannot be
/// removed from the cache.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Image {
    /// The tree, to be shared read-only: as the lower layer of an overlay, or a read-only mount.
    pub root: PathBuf,
    /// The digest of the config, which is what Docker calls the image ID. It stands for all contents.
    pub digest: String,
    /// How the image proposes to be run.
    pub config: Config,
    /// Carries the lock.
    _lease: Arc<OwnedFd>,
}

/// An entry of the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stored {
    /// The digest, as [`Cache::get`] and [`Cache::remove`] take it.
    pub digest: String,
    /// The tree.
    pub root: PathBuf,
    /// When it was unpacked.
    pub unpacked: SystemTime,
}

impl Cache {
    /// Where the cache of the calling user is by custom: `/var/cache/cofferdam/images` for root, else
    /// `$XDG_CACHE_HOME/cofferdam/images` or `~/.cache/cofferdam/images`.
    ///
    /// # Errors
    /// [`CacheError::NoHome`] if neither variable is an absolute path.
    pub fn default_directory() -> Result<PathBuf, CacheError> {
        if rustix::process::geteuid().is_root() {
            return Ok("/var/cache/cofferdam/images".into());
        }
        let absolute = |name| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        let base = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
        Ok(base.ok_or(CacheError::NoHome)?.join("cofferdam/images"))
    }

    /// Opens a cache; makes its directory and those above it if they are missing, with mode 0755 for root
    /// and 0700 for everyone else.
    ///
    /// # Errors
    /// [`CacheError::Owner`] and [`CacheError::Writable`] if others could put something there,
    /// [`CacheError::System`] if it cannot be made or opened.
    pub fn open(directory: &Path) -> Result<Self, CacheError> {
        let failed = |step, error| CacheError::System {
            step,
            path: directory.into(),
            error,
        };
        let path = std::path::absolute(directory).map_err(|e| failed("find", e))?;
        make(&path).map_err(|e| failed("make", e))?;
        let file = File::open(&path).map_err(|e| failed("open", e))?;
        let metadata = file.metadata().map_err(|e| failed("look at", e))?;
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(CacheError::Owner {
                path,
                owner: metadata.uid(),
            });
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(CacheError::Writable { path });
        }
        let directory = OwnedFd::from(file);
        // A file, too, can be opened for reading.
        open_directory(directory.as_fd(), b".").map_err(|e| failed("open", e.into()))?;
        Ok(Self { path, directory })
    }

    /// An image that was unpacked before.
    ///
    /// # Errors
    /// [`CacheError::Digest`], [`CacheError::NotFound`], and [`CacheError::Damaged`] if its config is not
    /// what its digest says.
    pub fn get(&self, digest: &str) -> Result<Image, CacheError> {
        let digest = parse(digest)?;
        self.find(&digest)?
            .ok_or_else(|| CacheError::NotFound(digest.to_string()))
    }

    /// All images in the cache, by digest.
    ///
    /// # Errors
    /// [`CacheError::System`] if the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Stored>, CacheError> {
        let failed = |errno| system("read", &self.path, errno);
        let mut all = Vec::new();
        for entry in Dir::read_from(&self.directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Some(digest) = entry
                .file_name()
                .to_str()
                .ok()
                .and_then(Digest::from_file_name)
            else {
                continue;
            };
            // It may be removed at this moment.
            let Ok(fd) = open_directory(self.directory.as_fd(), entry.file_name().to_bytes())
            else {
                continue;
            };
            let stat = fstat(&fd).map_err(failed)?;
            let seconds = u64::try_from(stat.st_mtime).unwrap_or(0);
            all.push(Stored {
                root: self.path.join(digest.file_name()).join(ROOT),
                digest: digest.to_string(),
                unpacked: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
            });
        }
        all.sort_by(|a, b| a.digest.cmp(&b.digest));
        Ok(all)
    }

    /// Removes an image that nobody uses.
    ///
    /// # Errors
    /// [`CacheError::InUse`] while an [`Image`] of it is held anywhere, [`CacheError::NotFound`],
    /// [`CacheError::Digest`], [`CacheError::System`].
    pub fn remove(&self, digest: &str) -> Result<(), CacheError> {
        let digest = parse(digest)?;
        let name = digest.file_name();
        let not_found = || CacheError::NotFound(digest.to_string());
        let entry = match open_directory(self.directory.as_fd(), name.as_bytes()) {
            Err(Errno::NOENT) => return Err(not_found()),
            other => other.map_err(|e| system("open", &self.path.join(&name), e))?,
        };
        match flock(&entry, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(CacheError::InUse(digest.to_string())),
            Err(errno) => return Err(system("lock", &self.path.join(&name), errno)),
        }
        if !is_linked(self.directory.as_fd(), &name, &entry) {
            return Err(not_found());
        }
        discard(self.directory.as_fd(), &self.path, &name, &entry)
    }

    /// The image of this digest, if the cache has it.
    pub(crate) fn find(&self, digest: &Digest) -> Result<Option<Image>, CacheError> {
        let name = digest.file_name();
        let path = self.path.join(&name);
        let damaged = |reason| CacheError::Damaged {
            digest: digest.to_string(),
            reason,
        };
        let entry = loop {
            let entry = match open_directory(self.directory.as_fd(), name.as_bytes()) {
                Ok(entry) => entry,
                Err(Errno::NOENT) => return Ok(None),
                Err(Errno::NOTDIR | Errno::LOOP) => return Err(damaged("it is no directory")),
                Err(errno) => return Err(system("open", &path, errno)),
            };
            match flock(&entry, FlockOperation::LockShared) {
                Ok(()) if is_linked(self.directory.as_fd(), &name, &entry) => break entry,
                // It was removed before the lock was had.
                Ok(()) | Err(Errno::INTR) => {}
                Err(errno) => return Err(system("lock", &path, errno)),
            }
        };
        let root = match open_directory(entry.as_fd(), ROOT.as_bytes()) {
            Ok(root) => root,
            Err(_) => return Err(damaged("its tree is missing")),
        };
        let owner = fstat(&root)
            .map_err(|e| system("look at", &path, e))?
            .st_uid;
        if owner != rustix::process::geteuid().as_raw() {
            return Err(damaged("its tree belongs to somebody else"));
        }
        let contents =
            read_config(entry.as_fd()).ok_or_else(|| damaged("its config cannot be read"))?;
        if !digest.is_of(&contents) {
            return Err(damaged("its config is not what its digest says"));
        }
        // The unpacking has understood it, with this tree.
        let config = parse_config(&contents).and_then(|config| Config::new(&config, root.as_fd()));
        let config =
            config.map_err(|_: ImageError| damaged("its config cannot be used with its tree"))?;
        Ok(Some(Image {
            root: path.join(ROOT),
            digest: digest.to_string(),
            config,
            _lease: Arc::new(entry),
        }))
    }

    pub(crate) fn staging(&self) -> Result<staging::Staging, CacheError> {
        staging::sweep(self.directory.as_fd(), &self.path)?;
        staging::Staging::new(self.directory.as_fd(), &self.path)
    }
}

/// Whether everyone on this machine may look into this process's cache.
pub(crate) fn is_shared() -> bool {
    rustix::process::geteuid().is_root()
}

/// The mode of the directories that lead to a tree.
pub(crate) fn chain_mode() -> u32 {
    if is_shared() { 0o755 } else { 0o700 }
}

fn parse(digest: &str) -> Result<Digest, CacheError> {
    let invalid = || CacheError::Digest(crate::text::escaped(digest.as_bytes()));
    Digest::parse(digest).ok_or_else(invalid)
}

/// Makes a directory and those above it, with the mode that they should have whatever the umask is.
fn make(path: &Path) -> std::io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|p| !p.exists()).collect();
    for directory in missing.into_iter().rev() {
        match DirBuilder::new().mode(0o700).create(directory) {
            Ok(()) => std::fs::set_permissions(directory, Permissions::from_mode(chain_mode()))?,
            // Another process is making the same.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn read_config(entry: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(openat2(entry, CONFIG, flags, Mode::empty(), beneath()).ok()?);
    let metadata = file.metadata().ok()?;
    (metadata.is_file() && metadata.len() <= LARGEST_CONFIG).then_some(())?;
    let mut contents = Vec::new();
    file.take(LARGEST_CONFIG).read_to_end(&mut contents).ok()?;
    Some(contents)
}
