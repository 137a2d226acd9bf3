//! Which namespaces a child gets.

/// A set of namespaces (namespaces(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Namespaces {
    /// Users, groups and capabilities (Linux 3.8).
    pub user: bool,
    /// Mounts (Linux 2.4.19).
    pub mount: bool,
    /// Process ids (Linux 2.6.24); the child is pid 1.
    pub pid: bool,
    /// Interfaces, routes, ports and abstract sockets (Linux 2.6.29).
    pub net: bool,
    /// System V objects and POSIX message queues (Linux 2.6.19).
    pub ipc: bool,
    /// Host and domain name (Linux 2.6.19).
    pub uts: bool,
    /// What is seen of the cgroup tree (Linux 4.6).
    pub cgroup: bool,
    /// Offsets of the monotonic and boot clocks (Linux 5.6). Not for a child that shares memory with
    /// its parent (`CLONE_VM`) before Linux 6.3: the kernel then could map the new namespace's clock
    /// page into that memory.
    pub time: bool,
}

impl Namespaces {
    /// All eight.
    pub fn all() -> Self {
        Self {
            user: true,
            mount: true,
            pid: true,
            net: true,
            ipc: true,
            uts: true,
            cgroup: true,
            time: true,
        }
    }

    /// The `CLONE_NEW*` bits for clone3(2).
    ///
    /// `CLONE_NEWTIME` is among them: unlike the older clone(2), where that bit belongs to the exit
    /// signal, clone3 takes it, and the child itself is in the new time namespace.
    pub fn clone_flags(&self) -> u64 {
        self.members()
            .iter()
            .filter(|(present, _, _)| *present)
            .fold(0, |bits, (_, flag, _)| bits | *flag as u64)
    }

    /// The names that `/proc/PID/ns` uses, of those in the set.
    pub fn names(&self) -> Vec<&'static str> {
        self.members()
            .iter()
            .filter(|(present, _, _)| *present)
            .map(|(_, _, name)| *name)
            .collect()
    }

    fn members(&self) -> [(bool, libc::c_int, &'static str); 8] {
        [
            (self.user, libc::CLONE_NEWUSER, "user"),
            (self.mount, libc::CLONE_NEWNS, "mnt"),
            (self.pid, libc::CLONE_NEWPID, "pid"),
            (self.net, libc::CLONE_NEWNET, "net"),
            (self.ipc, libc::CLONE_NEWIPC, "ipc"),
            (self.uts, libc::CLONE_NEWUTS, "uts"),
            (self.cgroup, libc::CLONE_NEWCGROUP, "cgroup"),
            (self.time, libc::CLONE_NEWTIME, "time"),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_the_kernels() {
        // include/uapi/linux/sched.h
        assert_eq!(Namespaces::default().clone_flags(), 0);
        assert_eq!(Namespaces::all().clone_flags(), 0x7e02_0080);
        let some = Namespaces {
            user: true,
            pid: true,
            ..Namespaces::default()
        };
        assert_eq!(some.clone_flags(), 0x1000_0000 | 0x2000_0000);
        assert_eq!(some.names(), ["user", "pid"]);
    }
}
