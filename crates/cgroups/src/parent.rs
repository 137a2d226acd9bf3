//! Where a host process makes its groups: prepared once, used for every command.

use crate::cgroup::{Cgroup, Leaf};
use crate::error::{CreateError, PrepareError, Reason, Remedy, Unavailable, remedy_for};
use crate::host::{HostName, OURS};
use crate::limits::{Controller, Figures, Limits, Version};
use crate::mounts::{self, Hierarchy};
use crate::probe::{self, has_clone_into, life, place, v2_place};
use crate::{files, sweep, v1, v2};
use cofferdam_sys::Errno;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The directories of this host process, in each hierarchy that the limits need.
///
/// The directories are removed when the `Parent` and every [`Cgroup`] made from it are gone. What a
/// host that was killed left behind is removed by the next `prepare` with the same base, or by
/// [`sweep`](crate::sweep()).
#[derive(Clone, Debug)]
pub struct Parent {
    inner: Arc<Inner>,
}

impl Parent {
    /// Prepares for commands with limits of these kinds (their figures may differ from command to
    /// command), and removes what dead hosts left in the same place.
    ///
    /// With no limits at all, only a v2 directory is used; on a host without one, the freezer's.
    ///
    /// # Errors
    /// [`PrepareError`]; nothing is left behind.
    pub fn prepare(limits: &Limits) -> Result<Self, PrepareError> {
        Self::prepare_with(limits, Figures::Minimal)
    }

    /// As [`Parent::prepare`]; `announce` is told in which directories groups will be made, before they are there: a
    /// host that is killed cannot remove them itself.
    ///
    /// # Errors
    /// As [`Parent::prepare`].
    pub fn prepare_announced(
        limits: &Limits,
        announce: impl FnOnce(Vec<PathBuf>),
    ) -> Result<Self, PrepareError> {
        limits.validate()?;
        let hierarchies = mounts::read().map_err(Box::new)?;
        Self::prepare_announced_on(&hierarchies, limits, Figures::Minimal, announce)
    }

    /// As [`prepare`](Self::prepare), with a choice of figures.
    ///
    /// # Errors
    /// [`PrepareError`]; nothing is left behind.
    pub fn prepare_with(limits: &Limits, figures: Figures) -> Result<Self, PrepareError> {
        limits.validate()?;
        Self::prepare_on(&mounts::read().map_err(Box::new)?, limits, figures)
    }

    /// As [`prepare_with`](Self::prepare_with), with a v2 group of the caller's choice as the base,
    /// for hosts that were given one: it must be writable and hold no processes.
    ///
    /// It is for the caller to see that no limit of the host's own group is evaded so.
    ///
    /// # Errors
    /// [`PrepareError`]; nothing is left behind. [`Reason::NotWritable`] also for a group that this
    /// process could not move its children to: that takes a writable `cgroup.procs` in the nearest
    /// group above both the caller's own and the base.
    pub fn prepare_in(
        base: &Path,
        limits: &Limits,
        figures: Figures,
    ) -> Result<Self, PrepareError> {
        limits.validate()?;
        let hierarchies = mounts::read().map_err(Box::new)?;
        let unified = hierarchies
            .iter()
            .find(|each| each.version == Version::V2 && base.starts_with(&each.mount_point));
        let refused = |reason, file: &Path, errno, remedy| {
            Box::new(Unavailable {
                controller: None,
                reason,
                file: file.to_owned(),
                errno,
                remedy,
            })
        };
        let unified =
            unified.ok_or_else(|| refused(Reason::NotMounted, base, None, Remedy::Mount))?;
        let own = v2::own_group(&hierarchies).map_err(Box::new)?;
        let above_both = own.ancestors().find(|each| base.starts_with(each));
        let procs = above_both
            .unwrap_or(&unified.mount_point)
            .join("cgroup.procs");
        files::open_write(&procs)
            .map_err(|errno| refused(Reason::NotWritable, &procs, Some(errno), Remedy::Delegate))?;
        Self::prepare_on(&only(base), limits, figures)
    }

    pub(crate) fn prepare_on(
        hierarchies: &[Hierarchy],
        limits: &Limits,
        figures: Figures,
    ) -> Result<Self, PrepareError> {
        Self::prepare_announced_on(hierarchies, limits, figures, |_| ())
    }

    fn prepare_announced_on(
        hierarchies: &[Hierarchy],
        limits: &Limits,
        figures: Figures,
        announce: impl FnOnce(Vec<PathBuf>),
    ) -> Result<Self, PrepareError> {
        limits.validate()?;
        let mut inner = Inner {
            host: HostName::own()?,
            trees: Vec::new(),
            figures,
            clone_into: has_clone_into(),
        };
        let chosen = choose(hierarchies, limits, figures).map_err(Box::new)?;
        let trees = chosen.into_iter().map(|(version, base, controllers)| {
            sweep::sweep_in(&base.join(OURS), version, &inner.host);
            Tree::new(version, base, controllers, &inner.host)
        });
        let trees: Vec<Tree> = trees.collect();
        announce(trees.iter().map(|tree| tree.host.clone()).collect());
        for tree in trees {
            // From here on `inner` removes what is made, also on the way out with an error.
            inner.trees.push(tree);
            if let Some(tree) = inner.trees.last() {
                let _held = hold_directories();
                tree.make()?;
                tree.check_files(limits)?;
            }
        }
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Makes a group for one command and puts these limits up.
    ///
    /// # Errors
    /// [`CreateError`]; nothing is left behind.
    pub fn create(&self, limits: &Limits) -> Result<Cgroup, CreateError> {
        // Unique in the process: several parents may share a directory.
        static NEXT: AtomicU64 = AtomicU64::new(1);
        limits.validate()?;
        let inner = &self.inner;
        let needed = limits.controllers();
        let prepared = |each: &Controller| inner.trees.iter().any(|t| t.controllers.contains(each));
        if let Some(controller) = needed.iter().find(|each| !prepared(each)) {
            return Err(CreateError::NotPrepared {
                controller: *controller,
            });
        }
        let name = NEXT.fetch_add(1, Ordering::Relaxed).to_string();
        let mut group = Cgroup::empty(Arc::clone(inner));
        for (index, tree) in inner.trees.iter().enumerate() {
            // The first holds the processes together, whatever is limited: v2's if there is one.
            let wanted = index == 0
                || inner.figures == Figures::Full
                || tree.controllers.iter().any(|each| needed.contains(each));
            if wanted {
                let directory = tree.make_leaf(&name)?;
                // From here on `group` removes it, also on the way out with an error.
                group.add(Leaf::new(tree.version, directory))?;
                let settings = match tree.version {
                    Version::V2 => v2::settings(limits)
                        .into_iter()
                        .filter(|setting| tree.controllers.contains(&setting.controller))
                        .collect(),
                    Version::V1 => v1::settings(limits, &tree.controllers),
                };
                group.put(&settings)?;
            }
        }
        Ok(group)
    }

    /// The directories of this host process, one per hierarchy: all its groups are below them.
    ///
    /// For a watcher that outlives the host: write `1` to `cgroup.kill` in the v2 one, then remove
    /// what is in them, and them.
    pub fn directories(&self) -> Vec<PathBuf> {
        self.inner
            .trees
            .iter()
            .map(|tree| tree.host.clone())
            .collect()
    }
}

/// The shared part: removes the directories when the last user is gone.
#[derive(Debug)]
pub(crate) struct Inner {
    pub host: HostName,
    trees: Vec<Tree>,
    figures: Figures,
    pub clone_into: bool,
}

impl Inner {
    /// Whether this is the process that made it, and not a fork of it.
    pub fn is_owner(&self) -> bool {
        std::process::id() == self.host.pid
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.is_owner() && !self.trees.is_empty() {
            let _held = hold_directories();
            for tree in &self.trees {
                // Another `Parent` of this process, or another host, may still be using them.
                let _ = files::rmdir(&tree.host);
                let _ = files::rmdir(&tree.ours);
            }
        }
    }
}

/// Several parents of this process share its directories: while one makes or uses them, no other may
/// remove them, or make them anew with fewer controllers. (The directory above them is shared with
/// other processes; that is met by trying again.)
fn hold_directories() -> MutexGuard<'static, ()> {
    static DIRECTORIES: Mutex<()> = Mutex::new(());
    // It guards no data, so a panic elsewhere leaves nothing half done.
    DIRECTORIES
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Our directories in one hierarchy.
#[derive(Debug)]
struct Tree {
    version: Version,
    /// What its groups are to limit or to count.
    controllers: Vec<Controller>,
    base: PathBuf,
    ours: PathBuf,
    host: PathBuf,
}

impl Tree {
    fn new(version: Version, base: PathBuf, controllers: Vec<Controller>, host: &HostName) -> Self {
        let ours = base.join(OURS);
        Self {
            version,
            controllers,
            host: ours.join(host.to_string()),
            ours,
            base,
        }
    }

    /// Makes the directories and hands the controllers down; does nothing where that is done.
    fn make(&self) -> Result<(), PrepareError> {
        let mut attempts = 0..32;
        loop {
            match self.try_make() {
                // Another host of the same base found `cofferdam` empty, and removed it.
                Err(PrepareError::Directory { errno, .. } | PrepareError::Enable { errno, .. })
                    if matches!(errno.0, libc::ENOENT | libc::ENODEV)
                        && attempts.next().is_some() => {}
                done => return done,
            }
        }
    }

    fn try_make(&self) -> Result<(), PrepareError> {
        let enable = |directory: &Path| match self.version {
            Version::V1 => Ok(()),
            Version::V2 => {
                v2::enable(directory, &self.controllers).map_err(|(file, value, errno)| {
                    PrepareError::Enable {
                        file,
                        value,
                        errno,
                        remedy: remedy_for(errno, self.version),
                    }
                })
            }
        };
        enable(&self.base)?;
        for directory in [&self.ours, &self.host] {
            files::mkdir(directory).map_err(|errno| PrepareError::Directory {
                directory: directory.clone(),
                errno,
                remedy: remedy_for(errno, self.version),
            })?;
            enable(directory)?;
        }
        Ok(())
    }

    /// Whether this kernel has a file for each limit: the host's directory has what a group's has.
    fn check_files(&self, limits: &Limits) -> Result<(), PrepareError> {
        let settings = match self.version {
            Version::V2 => v2::settings(limits),
            Version::V1 => v1::settings(limits, &self.controllers),
        };
        let missing = settings
            .iter()
            .filter(|setting| setting.required && self.controllers.contains(&setting.controller))
            .find(|setting| {
                !setting
                    .choices
                    .iter()
                    .any(|(f, _)| self.host.join(f).exists())
            });
        match missing {
            None => Ok(()),
            Some(setting) => Err(PrepareError::MissingFile {
                controller: setting.controller,
                file: self.host.join(setting.choices[0].0),
                remedy: Remedy::KernelOption,
            }),
        }
    }

    fn make_leaf(&self, name: &str) -> Result<PathBuf, CreateError> {
        let leaf = self.host.join(name);
        let _held = hold_directories();
        let mut attempts = 0..32;
        loop {
            self.make()?;
            match files::mkdir(&leaf) {
                Ok(true) => return Ok(leaf),
                // Removed between the two calls, as above.
                Err(Errno(libc::ENOENT | libc::ENODEV)) if attempts.next().is_some() => {}
                other => {
                    // Names are never used twice, so one that exists is not ours to take.
                    let errno = other.err().unwrap_or(Errno(libc::EEXIST));
                    return Err(CreateError::Directory {
                        directory: leaf,
                        errno,
                        remedy: remedy_for(errno, self.version),
                    });
                }
            }
        }
    }
}

/// A base for groups: its version and directory, and the controllers it is to serve.
type Choice = (Version, PathBuf, Vec<Controller>);

/// Which directories are needed for the limits and figures. The v2 one comes first.
fn choose(
    hierarchies: &[Hierarchy],
    limits: &Limits,
    figures: Figures,
) -> Result<Vec<Choice>, Unavailable> {
    let on_v1 = |each: &Controller| hierarchies.iter().any(|hierarchy| hierarchy.has(*each));
    let (needed_v1, mut needed_v2): (Vec<_>, Vec<_>) =
        limits.controllers().into_iter().partition(on_v1);
    let mut places: Vec<Choice> = Vec::new();
    for controller in needed_v1 {
        let base = place(hierarchies, controller)?.base;
        add_v1(&mut places, base, controller);
    }
    for controller in &needed_v2 {
        // One by one first, for an error that names the controller.
        place(hierarchies, *controller)?;
    }
    let mut unified = v2_place(hierarchies, &needed_v2);
    if figures == Figures::Full {
        for extra in [Controller::Memory, Controller::Pids] {
            let with: Vec<_> = needed_v2.iter().copied().chain([extra]).collect();
            if on_v1(&extra) {
                if let Ok(place) = place(hierarchies, extra) {
                    add_v1(&mut places, place.base, extra);
                }
            } else if needed_v2.contains(&extra) {
            } else if let Ok(place) = v2_place(hierarchies, &with) {
                unified = Ok(place);
                needed_v2 = with;
            }
        }
        if let (Err(_), Ok(place)) = (&unified, place(hierarchies, Controller::Cpuacct)) {
            add_v1(&mut places, place.base, Controller::Cpuacct);
        }
    }
    match unified {
        Ok(place) => places.insert(0, (Version::V2, place.base, needed_v2)),
        Err(refusal) if !needed_v2.is_empty() => return Err(refusal),
        // v1 limits hold the processes together as well.
        Err(_) if !places.is_empty() => {}
        Err(_) => {
            let probe::Place { version, base } = life(hierarchies)?;
            places.push((version, base, Vec::new()));
        }
    }
    Ok(places)
}

/// One directory per hierarchy, though it may have several controllers (`cpu,cpuacct`).
fn add_v1(places: &mut Vec<Choice>, base: PathBuf, controller: Controller) {
    match places.iter_mut().find(|(_, other, _)| *other == base) {
        Some((_, _, controllers)) if controllers.contains(&controller) => {}
        Some((_, _, controllers)) => controllers.push(controller),
        None => places.push((Version::V1, base, vec![controller])),
    }
}

/// A v2 hierarchy in which only this directory may be the base.
pub(crate) fn only(base: &Path) -> Vec<Hierarchy> {
    vec![Hierarchy::unified(base)]
}
