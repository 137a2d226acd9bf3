//! The guests, as `guests` beside this has them, and what is known of each.

use cofferdam::{Enforce, Layer, Layers, SandboxBuilder};

/// One guest.
#[derive(Debug)]
pub struct Guest {
    pub name: &'static str,
    /// What its release begins with.
    pub release: &'static str,
    pub landlock: Landlock,
    pub namespaces: Namespaces,
    /// A child that shares memory may have a time namespace: Linux 6.3.
    pub time: bool,
    /// Attributes of the user on tmpfs: Linux 6.6.
    pub tmpfs_attributes: bool,
    /// Linux 5.14.
    pub cgroup_kill: bool,
}

/// Landlock there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Landlock {
    NotBuilt,
    NotEnabled,
    Abi(u32),
}

/// What keeps namespaces from being put up.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Namespaces {
    Work,
    /// No mount_setattr(2), without which there is no view.
    NoMountSetattr,
    /// Forbidden to ordinary users.
    NotUnprivileged,
    /// Forbidden to all.
    Forbidden,
}

const MODERN: Guest = Guest {
    name: "",
    release: "",
    landlock: Landlock::NotBuilt,
    namespaces: Namespaces::Work,
    time: true,
    tmpfs_attributes: true,
    cgroup_kill: true,
};

const GUESTS: &[Guest] = &[
    Guest {
        name: "5.10",
        release: "5.10.",
        namespaces: Namespaces::NoMountSetattr,
        time: false,
        tmpfs_attributes: false,
        cgroup_kill: false,
        ..MODERN
    },
    Guest {
        name: "6.1",
        release: "6.1.",
        landlock: Landlock::Abi(2),
        time: false,
        tmpfs_attributes: false,
        ..MODERN
    },
    Guest {
        name: "6.12",
        release: "6.12.",
        landlock: Landlock::Abi(6),
        ..MODERN
    },
    Guest {
        name: "6.18",
        release: "6.18.",
        landlock: Landlock::Abi(7),
        ..MODERN
    },
    Guest {
        name: "7.3",
        release: "7.3.",
        landlock: Landlock::Abi(11),
        ..MODERN
    },
    Guest {
        name: "no-landlock",
        release: "6.12.",
        landlock: Landlock::NotEnabled,
        ..MODERN
    },
    Guest {
        name: "no-clone",
        release: "6.1.",
        landlock: Landlock::Abi(2),
        namespaces: Namespaces::NotUnprivileged,
        time: false,
        tmpfs_attributes: false,
        ..MODERN
    },
    Guest {
        name: "no-userns",
        release: "6.18.",
        landlock: Landlock::Abi(7),
        namespaces: Namespaces::Forbidden,
        ..MODERN
    },
];

/// Whether this is one of them. Elsewhere nothing is known of the kernel, so nothing is asserted.
pub fn in_guest() -> bool {
    let inside = std::env::var_os("COFFERDAM_GUEST").is_some();
    if !inside {
        println!("not a guest: tests/kernel-matrix/run runs this");
    }
    inside
}

/// The guest that this is.
pub fn guest() -> &'static Guest {
    let name = std::env::var("COFFERDAM_GUEST").expect("COFFERDAM_GUEST: run by kernel-matrix/run");
    let guest = GUESTS.iter().find(|guest| guest.name == name);
    guest.unwrap_or_else(|| panic!("nothing is known of the guest {name}"))
}

impl Guest {
    /// Whether the caller can put up namespaces.
    pub fn has_namespaces(&self) -> bool {
        self.has_view() || self.namespaces == Namespaces::NoMountSetattr
    }

    /// Whether the caller can put up a view.
    pub fn has_view(&self) -> bool {
        match self.namespaces {
            Namespaces::Work => true,
            Namespaces::NotUnprivileged => is_root(),
            Namespaces::NoMountSetattr | Namespaces::Forbidden => false,
        }
    }

    /// Why not, and what to do, as the errors say it.
    pub fn no_namespaces(&self) -> Option<(&'static str, &'static str)> {
        match self.namespaces {
            _ if self.has_namespaces() => None,
            Namespaces::NotUnprivileged => Some((
                "unprivileged user namespaces are switched off",
                "as root run `sysctl -w kernel.unprivileged_userns_clone=1`",
            )),
            _ => Some((
                "the limit of user namespaces, 0, is reached",
                "as root run `sysctl -w user.max_user_namespaces=65536`",
            )),
        }
    }

    /// The Landlock ABI that is made use of: the newest that is known, of those that are newer.
    pub fn abi(&self) -> Option<u32> {
        match self.landlock {
            Landlock::Abi(number) => Some(number.min(9)),
            _ => None,
        }
    }

    /// Why there is no Landlock, and what to do.
    pub fn no_landlock(&self) -> Option<(&'static str, &'static str)> {
        match self.landlock {
            Landlock::Abi(_) => None,
            Landlock::NotBuilt => Some((
                "the kernel was built without landlock or is older than linux 5.13 (ENOSYS)",
                "use a kernel of 5.13 or later with CONFIG_SECURITY_LANDLOCK=y; in a container, a \
                 runtime whose seccomp profile lets the landlock_* calls through",
            )),
            Landlock::NotEnabled => Some((
                "landlock is built into the kernel but was not enabled at boot (EOPNOTSUPP)",
                "add landlock to the list in /sys/kernel/security/lsm, and boot with the result as \
                 lsm=... on the kernel command line",
            )),
        }
    }

    /// Whether a wall can be built here by the caller at all: root only behind namespaces.
    pub fn can_run(&self) -> bool {
        self.has_namespaces() || !is_root()
    }
}

/// Every layer as far as it can be put up.
pub fn prefer(builder: SandboxBuilder) -> SandboxBuilder {
    builder.layers(|_| {
        let layers = Layer::ALL.into_iter();
        layers.fold(Layers::default(), |all, layer| {
            all.with(layer, Enforce::Prefer)
        })
    })
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    // SAFETY: geteuid(2) touches no memory and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
