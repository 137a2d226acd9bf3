//! What the running kernel offers.

use core::fmt;

use cofferdam_sys::{Errno, landlock as sys};

use crate::{Abi, Feature};

/// Asks the running kernel, in one system call.
///
/// The answer is the same for the whole life of the system, unless a seccomp filter on the calling
/// thread denies the question.
pub fn probe() -> Support {
    Support(match sys::abi_version() {
        Ok(0) | Err(Errno(libc::ENOSYS)) => Err(Unavailable::NotBuilt),
        Ok(number) => Ok(number),
        Err(Errno(libc::EOPNOTSUPP)) => Err(Unavailable::DisabledAtBoot),
        Err(errno) => Err(Unavailable::Refused(errno)),
    })
}

/// What a kernel offers of Landlock: an ABI, or nothing with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Support(Result<u32, Unavailable>);

impl Support {
    /// As if the kernel had this ABI: 1 to 9 to see what an older kernel would lack. A ruleset
    /// prepared against an ABI above the kernel's own cannot be made.
    ///
    /// 0 stands for a kernel without Landlock.
    pub const fn of_abi(number: u32) -> Self {
        Self(if number == 0 {
            Err(Unavailable::NotBuilt)
        } else {
            Ok(number)
        })
    }

    /// As if the kernel offered nothing, for this reason.
    pub const fn none(reason: Unavailable) -> Self {
        Self(Err(reason))
    }

    /// The ABI that rulesets are prepared for: the kernel's, or [`Abi::NEWEST`] if that is older.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn abi(self) -> Result<Abi, Unavailable> {
        self.0
            .and_then(|number| Abi::of_kernel(number).ok_or(Unavailable::NotBuilt))
    }

    /// The number that the kernel itself gave, which may be above [`Abi::NEWEST`].
    pub fn kernel_abi(self) -> Option<u32> {
        self.0.ok()
    }

    /// Whether a ruleset can have this here.
    pub fn offers(self, feature: Feature) -> bool {
        self.abi().is_ok_and(|abi| abi >= feature.abi())
    }
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(number) => write!(f, "landlock abi {number}"),
            Err(reason) => write!(f, "no landlock: {reason}"),
        }
    }
}

/// Why Landlock cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// `ENOSYS`: the kernel does not have the call.
    #[error("the kernel was built without landlock or is older than linux 5.13 (ENOSYS)")]
    NotBuilt,
    /// `EOPNOTSUPP`: built in, but not among the security modules that the boot enabled.
    #[error("landlock is built into the kernel but was not enabled at boot (EOPNOTSUPP)")]
    DisabledAtBoot,
    /// Any other answer: something that stands between, a seccomp filter as a rule.
    #[error("the call landlock_create_ruleset was refused ({0})")]
    Refused(Errno),
}

impl Unavailable {
    /// What a person with the necessary rights on this machine can do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::NotBuilt => {
                "use a kernel of 5.13 or later with CONFIG_SECURITY_LANDLOCK=y; in a container, \
                 a runtime whose seccomp profile lets the landlock_* calls through"
            }
            Self::DisabledAtBoot => {
                "add landlock to the list in /sys/kernel/security/lsm, and boot with the result as \
                 lsm=... on the kernel command line"
            }
            Self::Refused(_) => {
                "a seccomp filter around this process denies the landlock_* calls: allow them in \
                 the container runtime's profile"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Right;

    #[test]
    fn an_older_abi_offers_less() {
        let count = |n| {
            Feature::all()
                .filter(|feature| Support::of_abi(n).offers(*feature))
                .count()
        };
        let counts: Vec<usize> = (0..=10).map(count).collect();
        assert_eq!(counts, [0, 13, 14, 15, 17, 18, 20, 21, 21, 22, 22]);
        assert!(!Support::of_abi(4).offers(Feature::File(Right::IoctlDev)));
        assert!(Support::of_abi(5).offers(Feature::File(Right::IoctlDev)));
    }

    #[test]
    fn without_landlock_the_reason_is_kept() {
        let support = Support::none(Unavailable::DisabledAtBoot);
        assert_eq!(support.abi(), Err(Unavailable::DisabledAtBoot));
        assert_eq!(support.kernel_abi(), None);
        assert!(Unavailable::DisabledAtBoot.remedy().contains("lsm="));
        assert!(
            Unavailable::Refused(Errno(libc::EPERM))
                .to_string()
                .contains("EPERM")
        );
        assert_eq!(Support::of_abi(0).abi(), Err(Unavailable::NotBuilt));
    }
}
