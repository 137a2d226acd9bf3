//! The architectures a filter can be compiled for.

use std::fmt;

use crate::table;

/// An architecture: it decides the system call numbers and the value the kernel reports as
/// `seccomp_data.arch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Arch {
    /// x86_64 in its 64-bit mode. x32 and 32-bit entry are refused by every filter.
    X86_64,
    /// 64-bit ARM. 32-bit processes (AArch32) are refused by every filter.
    Aarch64,
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
compile_error!("cofferdam-seccomp knows x86_64 and aarch64");

impl Arch {
    /// Every architecture this crate has a table for.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// The architecture this program was built for.
    pub const fn native() -> Self {
        if cfg!(target_arch = "x86_64") {
            Self::X86_64
        } else {
            Self::Aarch64
        }
    }

    /// The `AUDIT_ARCH_*` value of `linux/audit.h`: ELF machine number, 64-bit, little endian.
    pub const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xc000_003e,
            Self::Aarch64 => 0xc000_00b7,
        }
    }

    /// The number of a system call, `None` if this architecture does not have it.
    pub fn number(self, name: &str) -> Option<u32> {
        table::of(self).number(name)
    }

    /// The name of a system call, `None` for a number nobody assigned as of Linux 7.0.
    pub fn name(self, number: u32) -> Option<&'static str> {
        table::of(self).name(number)
    }

    /// Every system call of this architecture with its number, in ascending order.
    pub fn calls(self) -> impl Iterator<Item = (u32, &'static str)> {
        table::of(self).calls()
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        })
    }
}
