//! Why a host does not offer something, and what to do about it.

use crate::helper;
use cofferdam_sys::Errno;
use std::path::{Path, PathBuf};

/// Why something is not there, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {}", self.reason(), self.remedy())]
#[non_exhaustive]
pub enum Missing {
    /// The kernel is too old.
    Kernel {
        /// What is missing.
        what: &'static str,
        /// The first version that has it.
        since: &'static str,
    },
    /// The kernel was built without it.
    NotBuilt {
        /// The namespace.
        namespace: &'static str,
        /// The kernel's build option.
        option: &'static str,
    },
    /// Debian's switch is off.
    UnprivilegedCloneOff,
    /// The limit on user namespaces is reached, or zero.
    UserNamespaceLimit {
        /// The limit.
        limit: u64,
    },
    /// Ubuntu's AppArmor rule.
    AppArmor {
        /// A name for the profile.
        name: String,
        /// The program that needs it: the one that is running.
        program: PathBuf,
    },
    /// The caller has made itself non-dumpable, so its own files in /proc belong to root.
    NotDumpable,
    /// The caller is in a chroot.
    Chroot,
    /// A filter around this process hides a call that the kernel has.
    Hidden {
        /// The call.
        what: &'static str,
    },
    /// Refused by the kernel itself, no filter between.
    Forbidden {
        /// What it answered.
        errno: Errno,
    },
    /// Mounts are refused by the kernel itself, in a namespace with every right to them.
    MountsForbidden {
        /// What it answered.
        errno: Errno,
    },
    /// A new proc would show what is hidden in the host's.
    ProcCovered,
    /// Refused for no reason that can be seen from inside: a seccomp filter or security module.
    Refused {
        /// What was being done.
        step: &'static str,
        /// What the kernel answered.
        errno: Errno,
    },
    /// A file system that is neither built in nor loaded.
    Module {
        /// The module.
        module: &'static str,
    },
    /// A part of nftables that is neither built in nor loaded.
    NetfilterModule {
        /// The module.
        module: &'static str,
    },
    /// The caller is not root on the host.
    Privilege {
        /// What needs it.
        what: &'static str,
    },
    /// newuidmap(1) or newgidmap(1) is not installed.
    Helper {
        /// The program.
        program: &'static str,
    },
}

impl Missing {
    /// Why it is not there.
    pub fn reason(&self) -> String {
        match self {
            Self::Kernel { what, since } => {
                format!("{what} needs Linux {since}")
            }
            Self::NotBuilt { namespace, .. } => {
                format!("this kernel has no {namespace} namespaces")
            }
            Self::UnprivilegedCloneOff => "unprivileged user namespaces are switched off".into(),
            Self::UserNamespaceLimit { limit } => {
                format!("the limit of user namespaces, {limit}, is reached")
            }
            Self::AppArmor { .. } => "AppArmor takes every right from user namespaces of programs \
                without a profile (kernel.apparmor_restrict_unprivileged_userns=1)"
                .into(),
            Self::NotDumpable => "this process has set PR_SET_DUMPABLE to 0, so it cannot write \
                its children's id maps"
                .into(),
            Self::Chroot => "user namespaces cannot be made in a chroot".into(),
            Self::Hidden { what } => format!(
                "{what} is hidden by a seccomp filter around this process (ENOSYS, though Linux has it), \
                 as a container's or another sandbox's"
            ),
            Self::Forbidden { errno } => format!(
                "the kernel itself refuses user namespaces to this process ({errno}): its root \
                 directory is not that of its mount namespace (a chroot), or a security module \
                 forbids them"
            ),
            Self::MountsForbidden { errno } => format!(
                "a security module forbids mounts to this process ({errno}), as Landlock does to \
                 everything in an outer sandbox that uses it"
            ),
            Self::ProcCovered => "the kernel refuses a new proc because the one here is partly \
                covered, as in a container"
                .into(),
            Self::Refused { step, errno } => format!(
                "{step} was refused ({errno}) by a seccomp filter or a security module around this \
                 process"
            ),
            Self::Module { module } => {
                format!("this kernel has no file system `{module}` built in or loaded")
            }
            Self::NetfilterModule { module } => format!(
                "this kernel has no `{module}` built in or loaded, which redirects connections"
            ),
            Self::Privilege { what } => {
                format!("{what} needs CAP_SYS_ADMIN in the host's own user namespace")
            }
            Self::Helper { program } => {
                format!("mapping more than one's own id needs {program}, which is not in PATH")
            }
        }
    }

    /// What a person with the necessary rights on this machine can do about it. Of several lines
    /// where a file has to be written.
    pub fn remedy(&self) -> String {
        match self {
            Self::Kernel { .. } => "use a newer kernel".into(),
            Self::NotBuilt { option, .. } => format!("use one built with {option}"),
            Self::UnprivilegedCloneOff => {
                "as root run `sysctl -w kernel.unprivileged_userns_clone=1`".into()
            }
            Self::UserNamespaceLimit { .. } => {
                "as root run `sysctl -w user.max_user_namespaces=65536`".into()
            }
            Self::AppArmor { name, program } => format!(
                "as root write /etc/apparmor.d/{name} as below and run \
                 `apparmor_parser -r /etc/apparmor.d/{name}`\n{}",
                profile(name, program)
            ),
            Self::NotDumpable => "leave it at 1 until they run".into(),
            Self::Chroot => "start the program outside, or with pivot_root".into(),
            Self::ProcCovered => "run the outer container with \
                `--security-opt systempaths=unconfined`, or leave proc out of the view"
                .into(),
            Self::Forbidden { .. } => "start the program outside of a chroot, or look for the \
                module's refusal in the kernel's log"
                .into(),
            Self::MountsForbidden { .. } => {
                "start the program outside of that sandbox, or have it \
                built without that module; in Docker run with `--security-opt apparmor=unconfined`"
                    .into()
            }
            Self::Refused { .. } | Self::Hidden { .. } => "have it allowed; in Docker run with \
                `--security-opt seccomp=unconfined --security-opt apparmor=unconfined`"
                .into(),
            Self::Module { module } | Self::NetfilterModule { module } => format!(
                "as root run `modprobe {module}`, and write `{module}` to \
                 /etc/modules-load.d/{module}.conf for the next start"
            ),
            Self::Privilege { .. } => "run as root, or do without".into(),
            Self::Helper { .. } => helper::PACKAGES.into(),
        }
    }
}

/// A profile that changes nothing but to allow user namespaces.
fn profile(name: &str, program: &Path) -> String {
    format!(
        "abi <abi/4.0>,\ninclude <tunables/global>\nprofile {name} \"{}\" flags=(unconfined) {{\n  userns,\n}}",
        program.display()
    )
}
