//! Resource limits of the calling process (prlimit(2), getrlimit(2)).

use crate::{Errno, Result, syscall};

/// No limit (`RLIM_INFINITY`).
pub const INFINITY: u64 = u64::MAX;

/// What a limit is about. The names are the kernel's `RLIMIT_*` constants, the units are
/// getrlimit(2)'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Address space of the process, in bytes.
    As,
    /// Size of a core file, in bytes; 0 means none is written, unless `core_pattern` names a pipe.
    Core,
    /// Processor time, in seconds; `SIGXCPU` at the soft limit, `SIGKILL` at the hard one.
    Cpu,
    /// Data segment (heap and private writable mappings), in bytes.
    Data,
    /// Size to which the process may grow a file, in bytes; `SIGXFSZ` beyond.
    Fsize,
    /// Locks by flock(2) and leases; counted by Linux 2.4.0 to 2.4.24 only.
    Locks,
    /// Memory locked into RAM, in bytes.
    Memlock,
    /// Bytes in POSIX message queues of the real user id.
    Msgqueue,
    /// Ceiling of the nice value, as 20 minus nice: 1 to 40.
    Nice,
    /// One more than the highest file descriptor number.
    Nofile,
    /// Processes and threads of the real user id, in the process's user namespace and those above.
    Nproc,
    /// Resident set, in pages; without effect since Linux 2.4.30.
    Rss,
    /// Ceiling of the real-time priority.
    Rtprio,
    /// Processor time under a real-time policy without a blocking call, in microseconds.
    Rttime,
    /// Queued signals of the real user id.
    Sigpending,
    /// Stack of the main thread, in bytes; also bounds argv and the environment at execve(2).
    Stack,
}

impl Resource {
    /// The kernel's number.
    // libc's constants are of one integer type with glibc and of another with musl.
    #[allow(clippy::unnecessary_cast)]
    pub const fn number(self) -> u32 {
        (match self {
            Self::As => libc::RLIMIT_AS,
            Self::Core => libc::RLIMIT_CORE,
            Self::Cpu => libc::RLIMIT_CPU,
            Self::Data => libc::RLIMIT_DATA,
            Self::Fsize => libc::RLIMIT_FSIZE,
            Self::Locks => libc::RLIMIT_LOCKS,
            Self::Memlock => libc::RLIMIT_MEMLOCK,
            Self::Msgqueue => libc::RLIMIT_MSGQUEUE,
            Self::Nice => libc::RLIMIT_NICE,
            Self::Nofile => libc::RLIMIT_NOFILE,
            Self::Nproc => libc::RLIMIT_NPROC,
            Self::Rss => libc::RLIMIT_RSS,
            Self::Rtprio => libc::RLIMIT_RTPRIO,
            Self::Rttime => libc::RLIMIT_RTTIME,
            Self::Sigpending => libc::RLIMIT_SIGPENDING,
            Self::Stack => libc::RLIMIT_STACK,
        }) as u32
    }
}

/// `struct rlimit64`, which has this layout on every architecture.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Limit {
    soft: u64,
    hard: u64,
}

/// Sets both limits of the calling process, [`INFINITY`] for none.
///
/// Limits belong to the thread group: in a `CLONE_VM` child they are the child's own, as it is a
/// process of its own, and the host's stay.
///
/// # Errors
/// `EINVAL` when `soft` is above `hard`; `EPERM` when `hard` is raised without `CAP_SYS_RESOURCE`
/// in the first user namespace, or `Nofile` is set above `/proc/sys/fs/nr_open`. Since Linux 2.6.36.
pub fn set(resource: Resource, soft: u64, hard: u64) -> Result<()> {
    let limit = Limit { soft, hard };
    // SAFETY: prlimit64 reads one struct rlimit64 from the third argument, which lives until the
    // call returns, and writes nothing as the fourth is null; pid 0 is the calling process.
    let answer = unsafe {
        syscall!(
            libc::SYS_prlimit64,
            0,
            resource.number(),
            &raw const limit,
            0
        )
    };
    Errno::check(answer).map(drop)
}

/// The calling process's soft and hard limit, in that order.
///
/// # Errors
/// `EINVAL` for a resource that this kernel does not have. Since Linux 2.6.36.
pub fn get(resource: Resource) -> Result<(u64, u64)> {
    let mut limit = Limit::default();
    // SAFETY: with a null third argument prlimit64 changes nothing, and writes one struct rlimit64
    // through the fourth; pid 0 is the calling process.
    let answer = unsafe { syscall!(libc::SYS_prlimit64, 0, resource.number(), 0, &raw mut limit) };
    Errno::check(answer)?;
    Ok((limit.soft, limit.hard))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Resources with the name that the kernel prints in `/proc/self/limits`.
    const KERNEL_NAMES: [(Resource, &str); 16] = [
        (Resource::As, "Max address space"),
        (Resource::Core, "Max core file size"),
        (Resource::Cpu, "Max cpu time"),
        (Resource::Data, "Max data size"),
        (Resource::Fsize, "Max file size"),
        (Resource::Locks, "Max file locks"),
        (Resource::Memlock, "Max locked memory"),
        (Resource::Msgqueue, "Max msgqueue size"),
        (Resource::Nice, "Max nice priority"),
        (Resource::Nofile, "Max open files"),
        (Resource::Nproc, "Max processes"),
        (Resource::Rss, "Max resident set"),
        (Resource::Rtprio, "Max realtime priority"),
        (Resource::Rttime, "Max realtime timeout"),
        (Resource::Sigpending, "Max pending signals"),
        (Resource::Stack, "Max stack size"),
    ];

    // One test, as limits are the whole process's and tests run on threads of one.
    #[test]
    fn limits_are_those_that_proc_shows() {
        let shown = |resource: Resource| {
            let name = KERNEL_NAMES
                .iter()
                .find(|(r, _)| *r == resource)
                .expect("named")
                .1;
            let limits = std::fs::read_to_string("/proc/self/limits").expect("limits");
            let line = limits
                .lines()
                .find_map(|line| line.strip_prefix(name))
                .unwrap_or_else(|| panic!("no {name}"));
            let mut fields = line.split_whitespace().map(|field| match field {
                "unlimited" => INFINITY,
                number => number.parse().expect("number"),
            });
            (fields.next().expect("soft"), fields.next().expect("hard"))
        };
        for (resource, _) in KERNEL_NAMES {
            assert_eq!(get(resource), Ok(shown(resource)), "{resource:?}");
        }

        // Lowered and put back below the hard limit, which needs no privilege.
        let (soft, hard) = get(Resource::Core).expect("get");
        set(Resource::Core, 0, hard).expect("set");
        assert_eq!(shown(Resource::Core), (0, hard));
        set(Resource::Core, soft, hard).expect("put back");
        assert_eq!(shown(Resource::Core), (soft, hard));

        assert_eq!(set(Resource::Core, 2, 1), Err(Errno(libc::EINVAL)));
    }
}
