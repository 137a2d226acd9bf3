//! Landlock's version numbers.

use core::fmt;

use landlock::ABI;

/// A version of Landlock's interface that this crate knows, [`Abi::OLDEST`] to [`Abi::NEWEST`].
///
/// Each version has everything that the versions before it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Abi(u8);

impl Abi {
    /// The first version, of Linux 5.13.
    pub const OLDEST: Self = Self(1);
    /// The newest version this crate makes use of, of Linux 7.1. What later kernels add is left
    /// alone, so that a kernel update never changes what a program may do.
    pub const NEWEST: Self = Self(9);

    /// The version that a kernel with this number is used as: `None` for 0, and
    /// [`Abi::NEWEST`] for all that are newer.
    pub const fn of_kernel(number: u32) -> Option<Self> {
        if number == 0 {
            None
        } else if number >= Self::NEWEST.0 as u32 {
            Some(Self::NEWEST)
        } else {
            Some(Self(number as u8))
        }
    }

    /// The number, 1 or more.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The first kernel release with this version, as in `uname -r`. Distributions port versions
    /// back to older kernels, so ask [`probe`](crate::probe) and not the release.
    pub const fn kernel(self) -> &'static str {
        match self.0 {
            0 | 1 => "5.13",
            2 => "5.19",
            3 => "6.2",
            4 => "6.7",
            5 => "6.10",
            6 => "6.12",
            7 => "6.15",
            8 => "7.0",
            _ => "7.1",
        }
    }

    /// All versions, oldest first.
    pub fn all() -> impl Iterator<Item = Self> {
        (Self::OLDEST.0..=Self::NEWEST.0).map(Self)
    }

    pub(crate) fn to_landlock(self) -> ABI {
        ABI::from(i32::from(self.0))
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_is_the_newest_that_the_access_right_tables_hold() {
        assert_eq!(ABI::from(i32::MAX), Abi::NEWEST.to_landlock());
        for abi in Abi::all() {
            assert_eq!(abi.to_landlock() as u8, abi.number());
        }
    }

    #[test]
    fn kernels_are_used_as_the_newest_known_version() {
        assert_eq!(Abi::of_kernel(0), None);
        assert_eq!(Abi::of_kernel(1), Some(Abi::OLDEST));
        assert_eq!(Abi::of_kernel(8).map(Abi::number), Some(8));
        for newer in [9, 10, 1000, u32::MAX] {
            assert_eq!(Abi::of_kernel(newer), Some(Abi::NEWEST));
        }
    }
}
