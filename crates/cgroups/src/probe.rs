//! What this host offers to this process. Reads only.

use crate::error::{Reason, Remedy, Unavailable};
use crate::limits::{Controller, Version};
use crate::mounts::{self, Hierarchy};
use crate::{files, v1, v2};
use std::fmt;
use std::path::{Path, PathBuf};

/// Looks at the hierarchies, the caller's place in them and what it may do there.
///
/// Changes nothing on the host and never fails: what cannot be read is reported as unavailable.
pub fn probe() -> Support {
    match mounts::read() {
        Ok(hierarchies) => survey(&hierarchies),
        Err(unreadable) => Support {
            mode: Mode::None,
            life: Err(unreadable.clone()),
            controllers: Controller::LIMITING
                .iter()
                .map(|each| {
                    let controller = Some(*each);
                    (
                        *each,
                        Err(Unavailable {
                            controller,
                            ..unreadable.clone()
                        }),
                    )
                })
                .collect(),
            clone_into: false,
            kill: false,
            freeze: false,
            systemd: SystemdPresence::find(),
        },
    }
}

/// The answer of [`probe`]. `Display` prints it for a person, one line per fact.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Support {
    /// Which versions of cgroups the host has mounted.
    pub mode: Mode,
    /// Where groups would be made to hold processes together and to end them.
    pub life: Result<Place, Unavailable>,
    /// For each controller that a limit may need: where, or why not.
    pub controllers: Vec<(Controller, Result<Place, Unavailable>)>,
    /// Whether clone3(2) can start a child inside a group (`CLONE_INTO_CGROUP`, Linux 5.7).
    pub clone_into: bool,
    /// Whether the kernel ends a whole group at once (`cgroup.kill`, Linux 5.14); else its processes
    /// are ended one by one.
    pub kill: bool,
    /// Whether a group can be frozen: `cgroup.freeze` (Linux 5.2), or v1's freezer.
    pub freeze: bool,
    /// Whether systemd could be asked for a delegated group (feature `systemd`).
    pub systemd: SystemdPresence,
}

impl Support {
    /// Where this controller can be used, or why not.
    pub fn controller(&self, controller: Controller) -> Option<&Result<Place, Unavailable>> {
        let found = self
            .controllers
            .iter()
            .find(|(each, _)| *each == controller);
        found.map(|(_, place)| place)
    }
}

/// Which versions are mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Only v2. With the caller's own group, if it is visible.
    V2 {
        /// The directory of the caller's own group.
        own: Option<PathBuf>,
    },
    /// v1 hierarchies, and v2 beside them without the controllers bound to v1.
    Hybrid {
        /// The directory of the caller's own group on v2.
        own: Option<PathBuf>,
    },
    /// Only v1 hierarchies.
    V1,
    /// None.
    None,
}

/// A directory in which groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The version of its hierarchy.
    pub version: Version,
    /// The base: groups go to `cofferdam/…` below it.
    pub base: PathBuf,
}

/// Traces of systemd, found without talking to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemdPresence {
    /// systemd is pid 1: `/run/systemd/system` exists (sd_booted(3)).
    pub booted: bool,
    /// The socket of the user's bus, if it exists.
    pub user_bus: Option<PathBuf>,
    /// Whether this build can use it: feature `systemd`.
    pub compiled_in: bool,
}

impl SystemdPresence {
    fn find() -> Self {
        let bus = std::env::var_os("XDG_RUNTIME_DIR")
            .map(|directory| PathBuf::from(directory).join("bus"));
        Self {
            booted: Path::new("/run/systemd/system").is_dir(),
            user_bus: bus.filter(|bus| bus.exists()),
            compiled_in: cfg!(feature = "systemd"),
        }
    }
}

fn survey(hierarchies: &[Hierarchy]) -> Support {
    let any_v1 = hierarchies
        .iter()
        .any(|each| each.version == Version::V1 && each.has_any());
    let unified = hierarchies.iter().find(|each| each.version == Version::V2);
    let mode = match (any_v1, unified.map(|each| each.own.clone())) {
        (true, Some(own)) => Mode::Hybrid { own },
        (false, Some(own)) => Mode::V2 { own },
        (true, None) => Mode::V1,
        (false, None) => Mode::None,
    };
    let kernel = kernel_version();
    let freezer = |each: &Hierarchy| each.names.iter().any(|name| name == "freezer");
    Support {
        mode,
        life: life(hierarchies),
        controllers: Controller::LIMITING
            .iter()
            .map(|each| (*each, place(hierarchies, *each)))
            .collect(),
        clone_into: unified.is_some() && has_clone_into(),
        kill: unified.is_some() && kernel >= (5, 14),
        freeze: unified.is_some() && kernel >= (5, 2) || hierarchies.iter().any(freezer),
        systemd: SystemdPresence::find(),
    }
}

/// Where groups with this controller can be made. A controller is bound to one hierarchy only: if
/// a v1 hierarchy has it, v2 has not.
pub(crate) fn place(
    hierarchies: &[Hierarchy],
    controller: Controller,
) -> Result<Place, Unavailable> {
    if hierarchies.iter().any(|each| each.has(controller)) {
        return v1::base(hierarchies, controller).map(|base| Place {
            version: Version::V1,
            base,
        });
    }
    v2_place(hierarchies, &[controller]).map_err(|refusal| Unavailable {
        controller: Some(controller),
        ..refusal
    })
}

/// The v2 base for these controllers together.
pub(crate) fn v2_place(
    hierarchies: &[Hierarchy],
    needed: &[Controller],
) -> Result<Place, Unavailable> {
    let own = v2::own_group(hierarchies)?;
    let mut mounts = hierarchies
        .iter()
        .filter(|each| each.version == Version::V2);
    let mount_point = mounts
        .next()
        .map_or(own.as_path(), |each| &each.mount_point);
    let base =
        v2::base(mount_point, &own, needed).map_err(|refusal| for_v1(hierarchies, refusal))?;
    Ok(Place {
        version: Version::V2,
        base,
    })
}

/// Where groups can be made at all: on v2, or on v1 where there is no v2 to be used.
pub(crate) fn life(hierarchies: &[Hierarchy]) -> Result<Place, Unavailable> {
    v2_place(hierarchies, &[]).or_else(|refusal| {
        v1::life_base(hierarchies)
            .map(|base| Place {
                version: Version::V1,
                base,
            })
            .ok_or(refusal)
    })
}

/// On a host with v1 hierarchies, delegating v2 alone brings no limits.
fn for_v1(hierarchies: &[Hierarchy], refusal: Unavailable) -> Unavailable {
    let v1 = hierarchies
        .iter()
        .any(|each| each.version == Version::V1 && each.has_any());
    match refusal.remedy {
        Remedy::Delegate if v1 && refusal.reason == Reason::NotWritable => Unavailable {
            remedy: Remedy::BootUnified,
            ..refusal
        },
        _ => refusal,
    }
}

/// `CLONE_INTO_CGROUP` came with Linux 5.7; clone(2).
pub(crate) fn has_clone_into() -> bool {
    kernel_version() >= (5, 7)
}

fn kernel_version() -> (u32, u32) {
    let release = files::read(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V2 { .. } => "v2",
            Self::Hybrid { .. } => "hybrid (v1 controllers, and v2 beside them)",
            Self::V1 => "v1",
            Self::None => "none mounted",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} below {}", self.version, self.base.display())
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let yes = |yes: bool| if yes { "yes" } else { "no" };
        writeln!(f, "cgroups: {}", self.mode)?;
        match &self.life {
            Ok(place) => writeln!(f, "groups: {place}")?,
            Err(refusal) => writeln!(f, "groups: {refusal}")?,
        }
        for (controller, place) in &self.controllers {
            match place {
                Ok(place) => writeln!(f, "{controller}: {place}")?,
                Err(refusal) => writeln!(f, "{controller}: {refusal}")?,
            }
        }
        writeln!(f, "start a child inside a group: {}", yes(self.clone_into))?;
        writeln!(f, "end a group at once: {}", yes(self.kill))?;
        writeln!(f, "freeze a group: {}", yes(self.freeze))?;
        write!(
            f,
            "systemd: {}, user bus: {}",
            yes(self.systemd.booted),
            yes(self.systemd.user_bus.is_some())
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_follows_from_the_mounts() {
        let mode = |mounts: &str| survey(&mounts::parse(mounts, "4:memory:/\n0::/\n")).mode;
        let v2 = "9 1 0:38 / /nowhere/v2 rw - cgroup2 c rw\n";
        let v1 = "8 1 0:32 / /nowhere/memory rw - cgroup c rw,memory\n";
        let own = Some(PathBuf::from("/nowhere/v2"));
        assert_eq!(mode(v2), Mode::V2 { own: own.clone() });
        assert_eq!(mode(v1), Mode::V1);
        assert_eq!(mode(&format!("{v1}{v2}")), Mode::Hybrid { own });
        assert_eq!(mode(""), Mode::None);
    }

    #[test]
    fn what_is_missing_is_named_with_its_remedy() {
        let v1 = "8 1 0:32 / /nowhere/memory rw - cgroup c rw,memory\n";
        let support = survey(&mounts::parse(v1, "4:memory:/\n"));
        let memory = support
            .controller(Controller::Memory)
            .unwrap()
            .as_ref()
            .unwrap_err();
        assert_eq!(
            (&memory.reason, memory.errno),
            (&Reason::NotWritable, Some(crate::Errno(2)))
        );
        let pids = support
            .controller(Controller::Pids)
            .unwrap()
            .as_ref()
            .unwrap_err();
        assert_eq!(
            (&pids.reason, pids.remedy),
            (&Reason::NotMounted, Remedy::Mount)
        );
        let text = support.to_string();
        assert!(
            text.contains("pids: the pids controller cannot be used: no hierarchy"),
            "{text}"
        );
        assert!(!support.clone_into && !support.kill && !support.freeze);
    }

    #[test]
    fn this_kernel_has_a_version() {
        assert!(kernel_version() >= (4, 0));
    }
}
