//! What this host offers, tried out rather than guessed, and what to do where it offers less.

use crate::helper;
use crate::idmap::IdMap;
use crate::idmap::text;
use crate::missing::Missing;
use crate::set::Namespaces;
use cofferdam_sys::mount::overlay::{self, probe_overlay};
use cofferdam_sys::mount::{self, MountAttr};
use cofferdam_sys::probe::{Step, clone3_reaches_kernel, mount_reaches_kernel, probe_namespaces};
use cofferdam_sys::{Errno, cred, process};
use std::path::{Path, PathBuf};

/// Whether something is there, and why not.
pub type Feature = Result<(), Missing>;

/// What [`probe`] found.
#[derive(Debug)]
#[non_exhaustive]
pub struct Support {
    /// A user namespace.
    pub user_namespaces: Feature,
    /// A mount namespace in a user namespace, in which mounts can be made.
    pub mount: Feature,
    /// A mount namespace without a user namespace: for root alone.
    pub mount_without_user: Feature,
    /// A pid namespace with a new proc for it.
    pub pid_and_proc: Feature,
    /// Network namespaces.
    pub net: Feature,
    /// IPC namespaces.
    pub ipc: Feature,
    /// UTS namespaces.
    pub uts: Feature,
    /// Cgroup namespaces.
    pub cgroup: Feature,
    /// Time namespaces.
    pub time: Feature,
    /// fsopen(2), fsmount(2), open_tree(2), move_mount(2).
    pub mount_api: Feature,
    /// openat2(2).
    pub openat2: Feature,
    /// mount_setattr(2).
    pub mount_setattr: Feature,
    /// Id-mapped mounts; whether a file system takes part is seen when it is tried.
    pub id_mapped_mounts: Feature,
    /// Overlayfs in a user namespace.
    pub overlay: Feature,
    /// Overlays whose upper layer is in memory can note that a directory hides the lower layers'.
    /// Without it such a directory cannot be emptied and removed or made anew (`EIO`); all else works.
    pub overlay_in_memory: Feature,
    /// nftables that redirect connections in a network namespace; [`probe_redirect`](crate::probe_redirect)
    /// says for which families.
    pub redirect: Feature,
    /// newuidmap(1) and newgidmap(1); which ranges the user has is seen at [`IdMap::prepare`].
    pub id_helpers: Feature,
}

/// Tries out what this host offers to the calling process: a few short-lived children, about a
/// millisecond each, and calls that change nothing.
pub fn probe() -> Support {
    let facts = Facts::read();
    let one = |namespaces: Namespaces| try_out(namespaces, &facts);
    let user = Namespaces {
        user: true,
        ..Namespaces::default()
    };
    let mount = Namespaces {
        mount: true,
        ..user
    };
    let pid = Namespaces { pid: true, ..mount };
    let calls = Calls::try_out();
    let without_user = Namespaces {
        user: false,
        ..mount
    };
    let mount = one(mount);
    let (overlay, overlay_in_memory) = try_overlay(&mount, &facts);
    Support {
        user_namespaces: one(user),
        mount,
        overlay,
        overlay_in_memory,
        mount_without_user: if facts.privileged {
            one(without_user)
        } else {
            let what = "a mount namespace without a user namespace";
            Err(Missing::Privilege { what })
        },
        pid_and_proc: one(pid),
        net: one(Namespaces { net: true, ..user }),
        ipc: one(Namespaces { ipc: true, ..user }),
        uts: one(Namespaces { uts: true, ..user }),
        cgroup: one(Namespaces {
            cgroup: true,
            ..user
        }),
        time: match time_namespaces_are_safe() {
            true => one(Namespaces { time: true, ..user }),
            false => Err(Missing::Kernel {
                what: "a time namespace for a child that shares memory",
                since: "6.3",
            }),
        },
        id_mapped_mounts: calls.mount_setattr.clone().and_then(|()| {
            let what = "an id-mapped mount";
            if facts.initial_admin {
                Ok(())
            } else {
                Err(Missing::Privilege { what })
            }
        }),
        mount_api: calls.mount_api,
        openat2: calls.openat2,
        mount_setattr: calls.mount_setattr,
        redirect: crate::probe_redirect().map(drop),
        id_helpers: helper::installed().map_err(|program| Missing::Helper { program }),
    }
}

/// Asks for the calls that a view is made with; nothing is changed, and no process made.
///
/// # Errors
/// The first that is not there.
pub fn probe_view_calls() -> Feature {
    let calls = Calls::try_out();
    calls.mount_api?;
    calls.openat2?;
    calls.mount_setattr
}

impl Support {
    /// Every feature with its name, in the order of the fields.
    pub fn features(&self) -> [(&'static str, &Feature); 17] {
        [
            ("user namespaces", &self.user_namespaces),
            ("mount namespace", &self.mount),
            (
                "mount namespace without user namespace",
                &self.mount_without_user,
            ),
            ("pid namespace with proc", &self.pid_and_proc),
            ("network namespace", &self.net),
            ("ipc namespace", &self.ipc),
            ("uts namespace", &self.uts),
            ("cgroup namespace", &self.cgroup),
            ("time namespace", &self.time),
            ("mounts by descriptor", &self.mount_api),
            ("openat2", &self.openat2),
            ("mount_setattr", &self.mount_setattr),
            ("id-mapped mounts", &self.id_mapped_mounts),
            ("overlay", &self.overlay),
            ("overlay in memory", &self.overlay_in_memory),
            ("redirected connections", &self.redirect),
            ("newuidmap and newgidmap", &self.id_helpers),
        ]
    }
}

/// Whether a child that shares its parent's memory (`CLONE_VM`) may be made in a time namespace. Before
/// Linux 6.3 the kernel could map the new namespace's clock page into that memory, and so change the
/// parent's clocks.
pub fn time_namespaces_are_safe() -> bool {
    cofferdam_sys::uts::kernel_version() >= (6, 3)
}

/// What explains a refusal.
#[derive(Debug, Clone, Default)]
struct Facts {
    unprivileged_clone: Option<u64>,
    max_user_namespaces: Option<u64>,
    apparmor_restricts: Option<u64>,
    dumpable: bool,
    chroot: bool,
    /// `CAP_SYS_ADMIN`, here.
    privileged: bool,
    /// The same, in the initial user namespace.
    initial_admin: bool,
    /// A filter answers clone3(2) in the kernel's place.
    clone_filtered: bool,
    /// The same of mount(2).
    mount_filtered: bool,
    program: PathBuf,
    namespaces: Vec<&'static str>,
}

const CAP_SYS_ADMIN: u64 = 1 << 21;

impl Facts {
    fn read() -> Self {
        let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse().ok();
        let privileged = cred::capget().is_ok_and(|sets| sets.effective & CAP_SYS_ADMIN != 0);
        let uid_map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
        let whole = uid_map.split_whitespace().eq(["0", "0", "4294967295"]);
        let built = |name: &&'static str| Path::new("/proc/self/ns").join(name).exists();
        Self {
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            max_user_namespaces: number("/proc/sys/user/max_user_namespaces"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
            dumpable: process::dumpable().is_ok_and(|value| value == 1),
            chroot: in_chroot(),
            privileged,
            initial_admin: privileged && whole,
            clone_filtered: clone3_reaches_kernel().is_err(),
            mount_filtered: mount_reaches_kernel().is_err(),
            program: std::env::current_exe().unwrap_or_default(),
            namespaces: Namespaces::all()
                .names()
                .into_iter()
                .filter(built)
                .collect(),
        }
    }
}

/// The root of a chroot is no mount point: mountinfo has no line for it (proc_pid_mountinfo(5)).
fn in_chroot() -> bool {
    std::fs::read_to_string("/proc/self/mountinfo")
        .is_ok_and(|text| !text.lines().any(|line| line.split(' ').nth(4) == Some("/")))
}

fn try_out(namespaces: Namespaces, facts: &Facts) -> Feature {
    for name in namespaces.names() {
        if !facts.namespaces.contains(&name) {
            return Err(not_built(name));
        }
    }
    let map = IdMap::current();
    probe_namespaces(namespaces.clone_flags(), &text(&map.uid), &text(&map.gid))
        .map_err(|(step, errno)| diagnose(step, errno, facts))
}

/// The overlay, and the one in memory.
fn try_overlay(mount: &Feature, facts: &Facts) -> (Feature, Feature) {
    if let Err(missing) = mount {
        return (Err(missing.clone()), Err(missing.clone()));
    }
    let map = IdMap::current();
    match probe_overlay(&text(&map.uid), &text(&map.gid)) {
        Ok(()) => (Ok(()), Ok(())),
        Err((overlay::Step::Attribute, errno)) => (Ok(()), Err(no_attribute(errno))),
        Err((step, errno)) => {
            let missing = diagnose_overlay(step, errno, facts);
            (Err(missing.clone()), Err(missing))
        }
    }
}

fn no_attribute(errno: Errno) -> Missing {
    match errno.raw() {
        libc::EOPNOTSUPP => Missing::Kernel {
            what: "a `user.` attribute in a tmpfs",
            since: "6.6 with CONFIG_TMPFS_XATTR",
        },
        _ => Missing::Refused {
            step: "setting an attribute in a tmpfs",
            errno,
        },
    }
}

fn diagnose_overlay(step: overlay::Step, errno: Errno, facts: &Facts) -> Missing {
    use overlay::Step as Part;
    let refusal = matches!(errno.raw(), libc::EPERM | libc::EACCES);
    match (step, errno.raw()) {
        (Part::Known, libc::ENODEV) => Missing::Module { module: "overlay" },
        // EINVAL is for the option.
        (Part::Mount, libc::EPERM | libc::EINVAL)
            if cofferdam_sys::uts::kernel_version() < (5, 11) =>
        {
            Missing::Kernel {
                what: "an overlay in a user namespace",
                since: "5.11",
            }
        }
        (Part::Stage, _) => diagnose(Step::Tmpfs, errno, facts),
        _ if refusal && facts.apparmor_restricts == Some(1) => diagnose(Step::Tmpfs, errno, facts),
        _ => Missing::Refused {
            step: "mounting an overlay in the new namespace",
            errno,
        },
    }
}

fn not_built(name: &'static str) -> Missing {
    let option = match name {
        "user" => "CONFIG_USER_NS",
        "pid" => "CONFIG_PID_NS",
        "net" => "CONFIG_NET_NS",
        "ipc" => "CONFIG_IPC_NS",
        "uts" => "CONFIG_UTS_NS",
        "cgroup" => "CONFIG_CGROUPS (Linux 4.6)",
        "time" => "CONFIG_TIME_NS (Linux 5.6)",
        _ => "CONFIG_NAMESPACES",
    };
    let namespace = name;
    Missing::NotBuilt { namespace, option }
}

fn diagnose(step: Step, errno: Errno, facts: &Facts) -> Missing {
    let refusal = matches!(errno.raw(), libc::EPERM | libc::EACCES);
    let maps = matches!(step, Step::DenySetgroups | Step::UidMap | Step::GidMap);
    match (step, errno.raw()) {
        (Step::Clone, libc::ENOSPC | libc::EUSERS) => Missing::UserNamespaceLimit {
            limit: facts.max_user_namespaces.unwrap_or_default(),
        },
        (Step::Clone, libc::ENOSYS) => unknown("clone3", "5.3"),
        (Step::Tmpfs | Step::Proc, libc::ENOSYS) => unknown("mounting by descriptor", "5.2"),
        (Step::MountSetattr, libc::ENOSYS) => unknown("mount_setattr", "5.12"),
        _ if refusal && step == Step::Clone && facts.unprivileged_clone == Some(0) => {
            Missing::UnprivilegedCloneOff
        }
        _ if refusal && facts.apparmor_restricts == Some(1) && step != Step::Proc => {
            let program = facts.program.clone();
            let name = profile_name(&program);
            Missing::AppArmor { name, program }
        }
        _ if refusal && maps && !facts.dumpable => Missing::NotDumpable,
        _ if refusal && step == Step::Clone && facts.chroot => Missing::Chroot,
        // The question of a filter has been answered: it was none.
        _ if refusal && step == Step::Clone && !facts.clone_filtered => {
            Missing::Forbidden { errno }
        }
        _ if refusal && step == Step::PrivateMounts && !facts.mount_filtered => {
            Missing::MountsForbidden { errno }
        }
        (Step::Proc, libc::EPERM) => Missing::ProcCovered,
        _ => Missing::Refused {
            step: step_name(step),
            errno,
        },
    }
}

/// `ENOSYS`: the kernel has not got the call, or it has and a filter answers in its place.
fn unknown(what: &'static str, since: &'static str) -> Missing {
    let mut numbers = since.split('.').map(|number| number.parse().unwrap_or(0));
    let since_version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    match cofferdam_sys::uts::kernel_version() >= since_version {
        true => Missing::Hidden { what },
        false => Missing::Kernel { what, since },
    }
}

fn step_name(step: Step) -> &'static str {
    match step {
        Step::Clone => "making the namespaces",
        Step::DenySetgroups => "writing /proc/self/setgroups",
        Step::UidMap => "writing /proc/self/uid_map",
        Step::GidMap => "writing /proc/self/gid_map",
        Step::Hostname => "setting the host name in the new namespace",
        Step::PrivateMounts => "changing mount propagation in the new namespace",
        Step::Tmpfs => "mounting a tmpfs in the new namespace",
        Step::MountSetattr => "setting mount attributes in the new namespace",
        Step::Proc => "mounting a proc in the new namespace",
    }
}

fn profile_name(program: &Path) -> String {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    name.chars()
        .map(|c| if safe(c) { c } else { '_' })
        .collect()
}

/// Calls that fail whatever the kernel: only that it knows them is of interest.
struct Calls {
    mount_api: Feature,
    openat2: Feature,
    mount_setattr: Feature,
}

impl Calls {
    fn try_out() -> Self {
        let known = |answer: Option<Errno>, what, since| match answer {
            Some(Errno(libc::ENOSYS)) => Err(unknown(what, since)),
            _ => Ok(()),
        };
        Self {
            mount_api: known(
                mount::open_tree(-1, c"", 0).err(),
                "mounting by descriptor",
                "5.2",
            ),
            openat2: known(mount::openat2(-1, c"x", 0, 0, 0).err(), "openat2", "5.6"),
            mount_setattr: known(
                mount::mount_setattr(-1, 0, &MountAttr::default()).err(),
                "mount_setattr",
                "5.12",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            dumpable: true,
            program: "/opt/my agent/host".into(),
            ..Facts::default()
        }
    }

    #[test]
    fn each_refusal_has_its_remedy() {
        let eperm = Errno(libc::EPERM);
        let eacces = Errno(libc::EACCES);
        let ubuntu = Facts {
            apparmor_restricts: Some(1),
            ..facts()
        };
        for (step, errno) in [(Step::UidMap, eacces), (Step::PrivateMounts, eperm)] {
            let text = diagnose(step, errno, &ubuntu).to_string();
            assert!(text.contains("profile host \"/opt/my agent/host\" flags=(unconfined)"));
            assert!(text.contains("userns,") && text.contains("apparmor_parser -r"));
            let reason = diagnose(step, errno, &ubuntu).reason();
            assert!(reason.contains("AppArmor") && !reason.contains("apparmor_parser"));
        }
        let debian = Facts {
            unprivileged_clone: Some(0),
            ..facts()
        };
        assert_eq!(
            diagnose(Step::Clone, eperm, &debian),
            Missing::UnprivilegedCloneOff
        );
        let none = Facts {
            max_user_namespaces: Some(0),
            ..facts()
        };
        assert_eq!(
            diagnose(Step::Clone, Errno(libc::ENOSPC), &none),
            Missing::UserNamespaceLimit { limit: 0 }
        );
        let hardened = Facts {
            dumpable: false,
            ..facts()
        };
        assert_eq!(
            diagnose(Step::UidMap, eacces, &hardened),
            Missing::NotDumpable
        );
        assert_eq!(diagnose(Step::Proc, eperm, &ubuntu), Missing::ProcCovered);
        let unknown = diagnose_overlay(overlay::Step::Known, Errno(libc::ENODEV), &facts());
        assert!(unknown.to_string().contains("modprobe overlay"));
        assert!(matches!(
            diagnose_overlay(overlay::Step::Mount, eperm, &ubuntu),
            Missing::AppArmor { .. }
        ));
        // Whether a filter answered has been asked.
        let filtered = Facts {
            clone_filtered: true,
            ..facts()
        };
        assert!(matches!(
            diagnose(Step::Clone, eperm, &filtered),
            Missing::Refused { .. }
        ));
        assert_eq!(
            diagnose(Step::Clone, eperm, &facts()),
            Missing::Forbidden { errno: eperm }
        );
        assert_eq!(
            diagnose(Step::PrivateMounts, eperm, &facts()),
            Missing::MountsForbidden { errno: eperm }
        );
        // A call that this kernel has and that answers as if it had not.
        let hidden = diagnose(Step::Clone, Errno(libc::ENOSYS), &filtered);
        assert_eq!(hidden, Missing::Hidden { what: "clone3" });
        assert!(hidden.remedy().contains("seccomp=unconfined"));
        assert!(matches!(
            super::unknown("a call", "99.0"),
            Missing::Kernel { .. }
        ));
    }
}
