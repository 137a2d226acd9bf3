//! A delegated v2 group from systemd, over D-Bus (feature `systemd`).
//!
//! systemd gives a group away only as a unit with `Delegate=yes`, and removes a unit that has no
//! process; slices cannot be delegated. So the unit needs a process that stays ([`Holder`]). A
//! delegated group that holds processes cannot hand controllers down, so the holder is moved to a
//! leaf of its own (`holder`), as systemd's "Control Group APIs and Delegation" describes. The
//! host process is not moved and not changed.
//!
//! ```no_run
//! use cofferdam_cgroups::systemd::{Holder, Manager, Unit};
//! use cofferdam_cgroups::{Figures, Limits, Parent};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = Limits { processes: Some(64), ..Limits::default() };
//! let unit = Unit::start(Manager::User, Holder::Watcher)?;
//! let parent = Parent::prepare_in(unit.group(), &limits, Figures::Minimal)?;
//! # Ok(())
//! # }
//! ```
//!
//! An ordinary user's host must itself run below the user's manager (`user@UID.service`, as
//! programs of a desktop session and of `systemd-run --user` do): a process moves between groups
//! only by leave of the nearest group above both, and above a login session's scope that is root's.
//! [`Parent::prepare_in`](crate::Parent::prepare_in) checks it and names the remedy.
//!
//! Needs systemd 240 or later. Of user managers, systemd delegates `memory`, `pids` and `cpu` by default; `io` takes
//! `Delegate=io` on `user@.service`.

use crate::error::{MoveError, Unavailable};
use crate::limits::Version;
use crate::{files, mounts, v2};
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use zbus::blocking::{Connection, Proxy, connection::Builder};
use zbus::zvariant::{OwnedObjectPath, Value};

const SERVICE: &str = "org.freedesktop.systemd1";
const MANAGER_PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
/// For one call, and for the unit to become active.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which systemd to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manager {
    /// The calling user's: on the session bus.
    User,
    /// The host's: on the system bus; for root.
    System,
}

/// The process that keeps the unit alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// systemd starts one, in a transient service: `tail --pid`, which ends within a second after
    /// the host process. Then systemd ends all processes of the unit and removes its groups, so a
    /// host that was killed leaves nothing behind.
    Watcher,
    /// A process of the caller's, in a transient scope; systemd moves it there. Stopping the unit
    /// ends it, so it may not be the host process itself.
    Process(u32),
}

/// A transient unit with a delegated group. Dropping it stops it, as far as that goes: systemd ends
/// every process in it and removes its groups.
#[derive(Debug)]
pub struct Unit {
    name: String,
    group: PathBuf,
    connection: Connection,
    running: bool,
}

impl Unit {
    /// Has systemd start the unit, waits for it and moves its holder into a leaf.
    ///
    /// The connection has a thread of its own for as long as the unit lives.
    ///
    /// # Errors
    /// [`SystemdError`]; a unit that was started already is stopped.
    pub fn start(manager: Manager, holder: Holder) -> Result<Self, SystemdError> {
        let hierarchies = mounts::read().map_err(Box::new)?;
        let unified = hierarchies.iter().find(|each| each.version == Version::V2);
        let Some(unified) = unified else {
            // For the error that says so.
            v2::own_group(&hierarchies).map_err(Box::new)?;
            return Err(SystemdError::NoGroup {
                reported: String::new(),
            });
        };
        let bus = match manager {
            Manager::User => Builder::session(),
            Manager::System => Builder::system(),
        };
        let connection = bus
            .and_then(|builder| builder.method_timeout(PATIENCE).build())
            .map_err(|source| SystemdError::NoBus {
                manager,
                source: Box::new(source),
            })?;
        Self::start_on(connection, &unified.mount_point, holder)
    }

    /// The unit's group, whose only processes are in its leaf `holder`: a base for
    /// [`Parent::prepare_in`](crate::Parent::prepare_in).
    pub fn group(&self) -> &Path {
        &self.group
    }

    /// The unit's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Stops the unit: systemd ends every process in it and removes its groups.
    ///
    /// # Errors
    /// [`SystemdError::Call`]
    pub fn stop(mut self) -> Result<(), SystemdError> {
        self.running = false;
        self.stop_call()
    }

    fn start_on(
        connection: Connection,
        mount_point: &Path,
        holder: Holder,
    ) -> Result<Self, SystemdError> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let host = std::process::id();
        let mut properties: Vec<(&str, Value<'_>)> = vec![
            ("Description", Value::from("Cofferdam sandboxes")),
            ("Delegate", Value::from(true)),
            // Not kept after a failure.
            ("CollectMode", Value::from("inactive-or-failed")),
            ("KillSignal", Value::from(libc::SIGKILL)),
        ];
        let suffix = match holder {
            Holder::Watcher => {
                let tail = ["/usr/bin/tail", "/bin/tail"]
                    .into_iter()
                    .find(|path| Path::new(path).exists())
                    .ok_or(SystemdError::NoTail)?;
                let watch = format!("--pid={host}");
                let arguments = vec!["tail", watch.as_str(), "-f", "/dev/null"];
                let command = vec![(tail, arguments, false)];
                // Active once execve(2) succeeded (systemd 240): before that the process may not be
                // in its group yet, and would come after room was made there.
                properties.push(("Type", Value::from("exec")));
                properties.push(("ExecStart", Value::new(command).try_to_owned()?.into()));
                "service"
            }
            Holder::Process(pid) if pid == host => return Err(SystemdError::OwnProcess),
            Holder::Process(pid) => {
                properties.push(("PIDs", Value::new(vec![pid])));
                "scope"
            }
        };
        let name = format!("cofferdam-{host}-{next}.{suffix}");
        let auxiliary: Vec<(&str, Vec<(&str, Value<'_>)>)> = Vec::new();
        let manager = manager(&connection)?;
        let started: Result<OwnedObjectPath, _> = manager.call(
            "StartTransientUnit",
            &(&name, "fail", properties, auxiliary),
        );
        drop(manager);
        started.map_err(|source| call_failed("StartTransientUnit", source))?;
        // From here on `unit` stops it, also on the way out with an error.
        let mut unit = Self {
            name,
            group: PathBuf::new(),
            connection,
            running: true,
        };
        let reported = unit.wait_until_active(suffix)?;
        unit.group = below(mount_point, &reported).ok_or(SystemdError::NoGroup { reported })?;
        unit.make_room()?;
        Ok(unit)
    }

    /// Waits for the unit and returns its control group.
    fn wait_until_active(&self, suffix: &str) -> Result<String, SystemdError> {
        let until = Instant::now() + PATIENCE;
        let manager = manager(&self.connection)?;
        let path: OwnedObjectPath = manager
            .call("GetUnit", &(&self.name,))
            .map_err(|source| call_failed("GetUnit", source))?;
        let properties = Proxy::new(
            &self.connection,
            SERVICE,
            path,
            "org.freedesktop.DBus.Properties",
        )?;
        let get = |interface: &str, property: &str| -> Result<String, SystemdError> {
            let found: zbus::Result<HashMap<String, zbus::zvariant::OwnedValue>> =
                properties.call("GetAll", &(interface,));
            let mut found = found.map_err(|source| call_failed("GetAll", source))?;
            let value = found
                .remove(property)
                .and_then(|value| String::try_from(value).ok());
            Ok(value.unwrap_or_default())
        };
        loop {
            let state = get("org.freedesktop.systemd1.Unit", "ActiveState")?;
            match state.as_str() {
                "active" => break,
                "activating" | "reloading" if Instant::now() < until => {
                    sleep(Duration::from_millis(5));
                }
                _ => {
                    let name = self.name.clone();
                    return Err(SystemdError::NotActive { name, state });
                }
            }
        }
        let interface = match suffix {
            "scope" => "org.freedesktop.systemd1.Scope",
            _ => "org.freedesktop.systemd1.Service",
        };
        get(interface, "ControlGroup")
    }

    /// Moves what is in the group itself into a leaf of it.
    fn make_room(&self) -> Result<(), SystemdError> {
        let procs = self.group.join("cgroup.procs");
        // Once is enough, but for what the holder may fork meanwhile.
        for _ in 0..16 {
            let pids = files::pids(&procs).map_err(|errno| MoveError::File {
                file: procs.clone(),
                errno,
            })?;
            if pids.is_empty() {
                return Ok(());
            }
            let pids: Vec<u32> = pids
                .into_iter()
                .filter_map(|pid| pid.try_into().ok())
                .collect();
            v2::move_into_leaf(&self.group, "holder", &pids)?;
        }
        Err(SystemdError::Move(MoveError::File {
            file: procs,
            errno: cofferdam_sys::Errno(libc::EBUSY),
        }))
    }

    fn stop_call(&self) -> Result<(), SystemdError> {
        let stopped: zbus::Result<OwnedObjectPath> =
            manager(&self.connection)?.call("StopUnit", &(&self.name, "replace"));
        stopped
            .map(|_| ())
            .map_err(|source| call_failed("StopUnit", source))
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if self.running {
            let _ = self.stop_call();
        }
    }
}

/// Getting a delegated group from systemd failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SystemdError {
    /// The bus cannot be reached.
    #[error(
        "the {manager:?} bus cannot be reached: is systemd running, and DBUS_SESSION_BUS_ADDRESS or \
         XDG_RUNTIME_DIR set? (`loginctl enable-linger` starts a user's without a login)"
    )]
    NoBus {
        /// Which bus.
        manager: Manager,
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// systemd refused a call.
    #[error("systemd refused {method}: {source}")]
    Call {
        /// The method.
        method: &'static str,
        /// What it answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A message could not be built.
    #[error("cannot build a message for the bus")]
    Message {
        /// What went wrong.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The unit did not become active.
    #[error("the unit {name} is {state:?} and not active: see `systemctl status` for the cause")]
    NotActive {
        /// The unit.
        name: String,
        /// Its state; empty when systemd reports none.
        state: String,
    },
    /// The unit has no group that is seen here.
    #[error("systemd reports {reported:?} as the unit's group, which is none seen from here")]
    NoGroup {
        /// What it reports.
        reported: String,
    },
    /// There is no `tail` to hold the unit.
    #[error("there is no /usr/bin/tail to hold the unit: install coreutils, or give a process")]
    NoTail,
    /// The host itself was given as the holder.
    #[error("the host process may not hold the unit: stopping the unit would end it")]
    OwnProcess,
    /// v2 is not mounted.
    #[error(transparent)]
    Unavailable(#[from] Box<Unavailable>),
    /// The holder could not be moved.
    #[error(transparent)]
    Move(#[from] MoveError),
}

impl From<zbus::Error> for SystemdError {
    fn from(source: zbus::Error) -> Self {
        Self::Message {
            source: Box::new(source),
        }
    }
}

impl From<zbus::zvariant::Error> for SystemdError {
    fn from(source: zbus::zvariant::Error) -> Self {
        Self::Message {
            source: Box::new(source),
        }
    }
}

fn call_failed(method: &'static str, source: zbus::Error) -> SystemdError {
    SystemdError::Call {
        method,
        source: Box::new(source),
    }
}

fn manager(connection: &Connection) -> zbus::Result<Proxy<'_>> {
    Proxy::new(connection, SERVICE, MANAGER_PATH, MANAGER)
}

/// The directory of a group that systemd names; the root is nobody's to take.
fn below(mount_point: &Path, reported: &str) -> Option<PathBuf> {
    let path = Path::new(reported.strip_prefix('/').filter(|rest| !rest.is_empty())?);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let directory = mount_point.join(path);
    (plain && directory.is_dir()).then_some(directory)
}

#[cfg(test)]
mod tests;
