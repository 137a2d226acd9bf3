//! A compiled filter.

use std::fmt;
use std::os::fd::RawFd;
use std::sync::Arc;

use cofferdam_sys::Errno;
use cofferdam_sys::seccomp::WAIT_KILLABLE;
use libc::sock_filter;

use crate::interpret::{self, Data};
use crate::{Action, Arch};

/// A filter program, ready to be put on. Cloning it copies a pointer.
#[derive(Clone, Debug)]
pub struct Filter {
    program: Arc<[sock_filter]>,
    arch: Arch,
    flags: u64,
    traced: bool,
}

impl Filter {
    pub(crate) fn new(program: Vec<sock_filter>, arch: Arch, flags: u64) -> Self {
        Self {
            program: program.into(),
            arch,
            flags,
            traced: false,
        }
    }

    pub(crate) fn with_traced(mut self, traced: bool) -> Self {
        self.traced = traced;
        self
    }

    /// Puts the filter on the calling thread and all it will start, for good.
    ///
    /// One system call, no allocation: it may be called in a child that shares memory with its
    /// parent. It does not set `no_new_privs`; do that first (prctl(2), `PR_SET_NO_NEW_PRIVS`),
    /// else the kernel answers `EACCES` to anyone without `CAP_SYS_ADMIN`.
    ///
    /// # Errors
    /// seccomp(2): `EACCES` as above; `ENOMEM` when the thread's filters together pass 32768
    /// instructions; `EINVAL` from a kernel without `CONFIG_SECCOMP_FILTER`; `ENOSYS` before Linux
    /// 3.17; `EINVAL` too for a filter with a listener. The kernel does not notice a filter compiled for another architecture: it would kill
    /// the process at its next call. Compile for [`Arch::native`].
    pub fn apply(&self) -> Result<(), Errno> {
        if self.has_listener() {
            return Err(Errno(libc::EINVAL));
        }
        cofferdam_sys::seccomp::install(&self.program, self.flags).map(drop)
    }

    /// The same for a filter with a listener ([`Profile::observed`](crate::Profile::observed)): the number of the
    /// descriptor on which its waiting calls are read, close-on-exec. A raw number, as the caller may be a child
    /// that must not run libc's close(2).
    ///
    /// # Errors
    /// As [`Filter::apply`]; `EBUSY` when the thread is under a filter with a listener already: there can be
    /// one. `EINVAL` before Linux 5.0, and for a filter without.
    pub fn apply_with_listener(&self) -> Result<RawFd, Errno> {
        if !self.has_listener() {
            return Err(Errno(libc::EINVAL));
        }
        match cofferdam_sys::seccomp::install(&self.program, self.flags | WAIT_KILLABLE) {
            Err(Errno(libc::EINVAL)) => cofferdam_sys::seccomp::install(&self.program, self.flags),
            done => done,
        }
    }

    /// Whether calls of this filter wait for a listener.
    pub const fn has_listener(&self) -> bool {
        self.flags & libc::SECCOMP_FILTER_FLAG_NEW_LISTENER != 0
    }

    /// Whether calls that name files wait for the listener as well ([`Profile::traced`](crate::Profile::traced)):
    /// it may let those of [`TRACED`](crate::TRACED) go on, and none else.
    pub const fn is_traced(&self) -> bool {
        self.traced
    }

    /// The number of instructions.
    #[allow(clippy::len_without_is_empty)] // A filter has an instruction at least.
    pub fn len(&self) -> usize {
        self.program.len()
    }

    /// The architecture it was compiled for.
    pub const fn arch(&self) -> Arch {
        self.arch
    }

    /// The program, for a caller that installs it in its own way.
    pub fn program(&self) -> &[sock_filter] {
        &self.program
    }

    /// The `SECCOMP_FILTER_FLAG_*` bits [`Filter::apply`] passes.
    pub const fn flags(&self) -> u64 {
        self.flags
    }

    /// What the kernel would answer to a call: `arch` is an `AUDIT_ARCH_*` value, `nr` the number,
    /// `ip` the instruction pointer, `args` the six argument registers.
    pub fn evaluate(&self, arch: u32, nr: u32, ip: u64, args: [u64; 6]) -> Action {
        let data = Data { nr, arch, ip, args };
        Action::decode(interpret::run(&self.program, &data))
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        let parts = |op: &sock_filter| (op.code, op.jt, op.jf, op.k);
        self.arch == other.arch
            && self.flags == other.flags
            && self.traced == other.traced
            && self
                .program
                .iter()
                .map(parts)
                .eq(other.program.iter().map(parts))
    }
}

impl Eq for Filter {}

/// A listing, one instruction a line, with jump targets as line numbers.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (line, op) in self.program.iter().enumerate() {
            write!(f, "{line:4}  ")?;
            let next = line + 1;
            let (yes, no) = (next + usize::from(op.jt), next + usize::from(op.jf));
            match op.code {
                interpret::LOAD => match op.k {
                    interpret::NR => writeln!(f, "load nr")?,
                    interpret::ARCH => writeln!(f, "load arch")?,
                    k => {
                        let half = if k % 8 == 0 { "low" } else { "high" };
                        writeln!(
                            f,
                            "load arg{} {half}",
                            k.saturating_sub(interpret::ARGS) / 8
                        )?;
                    }
                },
                interpret::AND => writeln!(f, "and {:#x}", op.k)?,
                interpret::RET => writeln!(f, "return {}", Action::decode(op.k))?,
                interpret::JA => writeln!(f, "goto {}", next + op.k as usize)?,
                interpret::JEQ => writeln!(f, "== {:#x} ? {yes} : {no}", op.k)?,
                interpret::JGT => writeln!(f, "> {:#x} ? {yes} : {no}", op.k)?,
                interpret::JGE => writeln!(f, ">= {:#x} ? {yes} : {no}", op.k)?,
                interpret::JSET => writeln!(f, "& {:#x} ? {yes} : {no}", op.k)?,
                code => writeln!(f, "code {code:#x} {} {} {:#x}", op.jt, op.jf, op.k)?,
            }
        }
        Ok(())
    }
}
