//! Removing the groups of host processes that are gone.

use crate::error::{PrepareError, RemoveError};
use crate::files;
use crate::host::{HostName, OURS, State};
use crate::kill::{kill_all, remove_all};
use crate::limits::Version;
use crate::mounts;
use std::path::{Path, PathBuf};

/// Ends and removes the groups of host processes that no longer exist.
///
/// Looks where [`Parent::prepare`](crate::Parent::prepare) of this process could have made groups:
/// in its own group of each v1 hierarchy, and on v2 from its own group upwards. Only directories
/// whose name is exactly one of ours are touched, and only if the host process is certain to be
/// gone: one of another pid or time namespace, or one that `hidepid` may hide, is left alone.
///
/// # Errors
/// [`PrepareError`] when /proc cannot be read. What cannot be removed is in the report.
pub fn sweep() -> Result<SweepReport, PrepareError> {
    let own = HostName::own()?;
    let mut report = SweepReport::default();
    let mut hierarchies = mounts::read().map_err(Box::new)?;
    // v2 first: cgroup.kill there ends the processes in all hierarchies.
    hierarchies.sort_by_key(|each| each.version == Version::V1);
    for hierarchy in &hierarchies {
        let Some(group) = &hierarchy.own else {
            continue;
        };
        let above = match hierarchy.version {
            Version::V1 => 1,
            Version::V2 => usize::MAX,
        };
        for base in group
            .ancestors()
            .take_while(|each| each.starts_with(&hierarchy.mount_point))
            .take(above)
        {
            report.merge(sweep_in(&base.join(OURS), hierarchy.version, &own));
        }
    }
    Ok(report)
}

/// What [`sweep`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SweepReport {
    /// Directories of dead hosts that were removed.
    pub removed: Vec<PathBuf>,
    /// Directories of hosts that are alive, this one too.
    pub alive: Vec<PathBuf>,
    /// Directories of hosts of which nothing can be said from here.
    pub foreign: Vec<PathBuf>,
    /// Directories of dead hosts that could not be removed.
    pub failed: Vec<(PathBuf, RemoveError)>,
}

impl SweepReport {
    fn merge(&mut self, other: Self) {
        self.removed.extend(other.removed);
        self.alive.extend(other.alive);
        self.foreign.extend(other.foreign);
        self.failed.extend(other.failed);
    }
}

/// Sweeps one `cofferdam` directory, and removes it if it is empty then.
pub(crate) fn sweep_in(ours: &Path, version: Version, own: &HostName) -> SweepReport {
    let mut report = SweepReport::default();
    // A base that is the hierarchy's own file system holds no links; another might.
    if !ours
        .symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
    {
        return report;
    }
    for directory in files::directories_in(ours).unwrap_or_default() {
        let name = directory.file_name().and_then(|name| name.to_str());
        let Some(host) = name.and_then(|name| name.parse::<HostName>().ok()) else {
            continue;
        };
        match host.state(own) {
            State::Alive => report.alive.push(directory),
            State::Foreign => report.foreign.push(directory),
            State::Dead => {
                let group = [(version, directory.as_path())];
                let killed = kill_all(&group).map_err(RemoveError::from);
                match killed.and_then(|()| remove_all(&group)) {
                    Ok(()) => report.removed.push(directory),
                    Err(error) => report.failed.push((directory, error)),
                }
            }
        }
    }
    let _ = files::rmdir(ours);
    report
}
