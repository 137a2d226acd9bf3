//! The group of one command.

use crate::error::{CreateError, KillError, Remedy, RemoveError, remedy_for};
use crate::files;
use crate::kill::{kill_all, remove_all};
use crate::limits::{Controller, Version};
use crate::parent::Inner;
use crate::stats::Stats;
use crate::v2::Setting;
use cofferdam_sys::{Errno, fd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The group of one command: a directory in each hierarchy that is needed.
///
/// Dropping it ends every process inside and removes it, as far as that goes;
/// [`remove`](Self::remove) does the same and says what came of it.
#[derive(Debug)]
pub struct Cgroup {
    // Leaves go before the directories they are in.
    v2: Option<Leaf>,
    v1: Vec<Leaf>,
    in_force: InForce,
    inner: Arc<Inner>,
}

impl Cgroup {
    /// The v2 directory, for clone3(2) with `CLONE_INTO_CGROUP`: the child starts in it.
    ///
    /// `None` where there is none that can be used, or the kernel is older than 5.7: then
    /// [`join`](Self::join) does it. The descriptor is `O_PATH` and close-on-exec.
    pub fn v2_dir(&self) -> Option<BorrowedFd<'_>> {
        let leaf = self.v2.as_ref().filter(|_| self.inner.clone_into)?;
        leaf.directory_fd.as_ref().map(AsFd::as_fd)
    }

    /// *Apply*: puts the calling process into the groups that it did not start in through
    /// [`v2_dir`](Self::v2_dir): all v1 ones, and the v2 one if that is `None`.
    ///
    /// One write(2) per hierarchy to descriptors opened beforehand: no allocation, no lock, no
    /// errno. To be called before ids and capabilities are dropped.
    ///
    /// # Errors
    /// As write(2) on `cgroup.procs`: `EACCES` without the right to, `ENODEV` once the group
    /// was removed.
    pub fn join(&self) -> Result<(), Errno> {
        if !self.inner.clone_into {
            self.v2.iter().try_for_each(Leaf::join)?;
        }
        self.v1.iter().try_for_each(Leaf::join)
    }

    /// *Apply*: as [`join`](Self::join), for a process that was not started by clone3(2) with
    /// `CLONE_INTO_CGROUP`: the v2 group too.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub fn join_all(&self) -> Result<(), Errno> {
        self.v2.iter().chain(&self.v1).try_for_each(Leaf::join)
    }

    /// The figures up to now.
    pub fn stats(&self) -> Stats {
        let v1: Vec<&Path> = self
            .v1
            .iter()
            .map(|leaf| leaf.directory.as_path())
            .collect();
        Stats::read(self.v2.as_ref().map(|leaf| leaf.directory.as_path()), &v1)
    }

    /// Ends every process in the group and waits until they are gone, for 5 seconds at most.
    ///
    /// By `cgroup.kill` where there is one; else by freezing where that can be done and sending
    /// SIGKILL through descriptors of the processes until none is left.
    ///
    /// # Errors
    /// [`KillError`]
    pub fn kill(&self) -> Result<(), KillError> {
        kill_all(&self.directories())
    }

    /// Ends what is inside, reads the figures and removes the group from all hierarchies.
    ///
    /// # Errors
    /// [`RemoveError`]; what could be removed is.
    pub fn remove(mut self) -> Result<Stats, RemoveError> {
        let (stats, removed) = self.take_down();
        removed.map(|()| stats)
    }

    /// What is limited, and where.
    pub fn in_force(&self) -> &InForce {
        &self.in_force
    }

    /// The group's directories, the v2 one first.
    pub fn paths(&self) -> Vec<PathBuf> {
        let leaves = self.v2.iter().chain(&self.v1);
        leaves.map(|leaf| leaf.directory.clone()).collect()
    }

    pub(crate) fn empty(inner: Arc<Inner>) -> Self {
        Self {
            v2: None,
            v1: Vec::new(),
            in_force: InForce::default(),
            inner,
        }
    }

    /// Takes over a directory that was just made, and opens what joining needs.
    pub(crate) fn add(&mut self, mut leaf: Leaf) -> Result<(), CreateError> {
        let opened = leaf.open();
        match leaf.version {
            Version::V2 => self.v2 = Some(leaf),
            Version::V1 => self.v1.push(leaf),
        }
        opened
    }

    /// Writes limits to the directory that was added last.
    pub(crate) fn put(&mut self, settings: &[Setting]) -> Result<(), CreateError> {
        let Some(leaf) = self.v1.last().or(self.v2.as_ref()) else {
            return Ok(());
        };
        for setting in settings {
            let controller = setting.controller;
            let written = leaf.put(setting)?;
            if controller == Controller::Memory && !setting.required {
                self.in_force.swap = Some(match written {
                    Some(("memory.swappiness", _)) => Swap::Discouraged,
                    Some(_) => Swap::Off,
                    None => Swap::Uncontrolled,
                });
            }
            let Some((name, value)) = written else {
                continue;
            };
            let file = (name.to_owned(), value.to_owned());
            let mut limits = self.in_force.limits.iter_mut();
            match limits.find(|applied| applied.controller == controller) {
                Some(applied) => applied.files.push(file),
                None => self.in_force.limits.push(Applied {
                    controller,
                    version: leaf.version,
                    directory: leaf.directory.clone(),
                    files: vec![file],
                }),
            }
        }
        Ok(())
    }

    fn directories(&self) -> Vec<(Version, &Path)> {
        let leaves = self.v2.iter().chain(&self.v1);
        leaves
            .map(|leaf| (leaf.version, leaf.directory.as_path()))
            .collect()
    }

    /// Afterwards there is nothing left for `drop` to do.
    fn take_down(&mut self) -> (Stats, Result<(), RemoveError>) {
        let directories = self.directories();
        let killed = kill_all(&directories);
        let stats = self.stats();
        let removed = remove_all(&directories);
        self.v2 = None;
        self.v1.clear();
        (stats, killed.map_err(RemoveError::from).and(removed))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.inner.is_owner() && (self.v2.is_some() || !self.v1.is_empty()) {
            let _ = self.take_down();
        }
    }
}

/// What a group limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InForce {
    /// Each limit that was put up. One that was asked for and is not here does not exist: it is an
    /// error instead.
    pub limits: Vec<Applied>,
    /// What became of swap; `None` if memory is not limited.
    pub swap: Option<Swap>,
}

/// A limit that was put up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The controller that enforces it.
    pub controller: Controller,
    /// The version of its hierarchy.
    pub version: Version,
    /// The group's directory in that hierarchy.
    pub directory: PathBuf,
    /// File names and what was written to them.
    pub files: Vec<(String, String)>,
}

/// Swap of a group whose memory is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// None can be used: `memory.swap.max` is 0, or `memory.memsw.limit_in_bytes` is the memory limit.
    Off,
    /// v1 without swap accounting: `memory.swappiness` is 0, so the kernel avoids it.
    Discouraged,
    /// The kernel has no file for it: swap, if the host has any, comes on top of the limit.
    Uncontrolled,
}

/// The group in one hierarchy.
#[derive(Debug)]
pub(crate) struct Leaf {
    version: Version,
    directory: PathBuf,
    /// On v2 only.
    directory_fd: Option<OwnedFd>,
    procs: Option<OwnedFd>,
}

impl Leaf {
    pub fn new(version: Version, directory: PathBuf) -> Self {
        Self {
            version,
            directory,
            directory_fd: None,
            procs: None,
        }
    }

    fn open(&mut self) -> Result<(), CreateError> {
        let failed = |file: &Path, errno| CreateError::Open {
            file: file.to_owned(),
            errno,
            remedy: remedy_for(errno, self.version),
        };
        if self.version == Version::V2 {
            let fd = files::open_dir(&self.directory);
            self.directory_fd = Some(fd.map_err(|errno| failed(&self.directory, errno))?);
        }
        let procs = self.directory.join("cgroup.procs");
        let file = files::open_write(&procs).map_err(|errno| failed(&procs, errno))?;
        self.procs = Some(file.into());
        Ok(())
    }

    fn join(&self) -> Result<(), Errno> {
        match &self.procs {
            // 0 is the writer itself.
            Some(procs) => fd::write(procs.as_fd(), b"0").map(|_| ()),
            None => Err(Errno(libc::EBADF)),
        }
    }

    /// Writes to the first of the files that exists, and says which; `None` if there is none and
    /// none is required.
    fn put<'a>(
        &self,
        setting: &'a Setting,
    ) -> Result<Option<(&'static str, &'a str)>, CreateError> {
        for (name, value) in &setting.choices {
            let file = self.directory.join(name);
            match files::write(&file, value) {
                Ok(()) => return Ok(Some((name, value))),
                Err(Errno(libc::ENOENT)) => {}
                Err(errno) => {
                    return Err(CreateError::Write {
                        controller: setting.controller,
                        file,
                        value: value.clone(),
                        errno,
                        remedy: remedy_for(errno, self.version),
                    });
                }
            }
        }
        if setting.required {
            return Err(CreateError::MissingFile {
                controller: setting.controller,
                file: self.directory.join(setting.choices[0].0),
                remedy: Remedy::KernelOption,
            });
        }
        Ok(None)
    }
}
