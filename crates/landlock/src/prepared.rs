//! A resolved ruleset, and putting the calling thread under it.

use core::fmt;
use std::ffi::{CString, OsStr};
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cofferdam_sys::landlock::{self as sys, RulesetAttr};
use cofferdam_sys::{Errno, fd};

use crate::{Feature, Missing, PrepareError};

/// A ruleset that is ready to be applied, any number of times and from any thread.
///
/// Without [`inside`](crate::Ruleset::inside) rules the kernel's ruleset is made once, here, and
/// every [`Prepared::apply`] uses it. With them each application makes one of its own: a ruleset is
/// one object behind all copies of its descriptor, so what one child adds to a shared one would be
/// allowed to the next.
#[derive(Debug)]
pub struct Prepared {
    parts: Parts,
    shared: Option<OwnedFd>,
}

impl Prepared {
    /// Makes the kernel's ruleset, if all of its rules are known by now.
    pub(crate) fn new(parts: Parts) -> Result<Self, PrepareError> {
        let mut prepared = Self {
            parts,
            shared: None,
        };
        if prepared.in_force() && prepared.parts.inside.is_empty() {
            let shared = prepared.build().map_err(|source| PrepareError::Kernel {
                path: prepared.path_of(source).map(Path::to_owned),
                source,
            })?;
            prepared.shared = Some(shared);
            // The rules hold the files from now on.
            prepared.parts.host.clear();
        }
        Ok(prepared)
    }

    /// Puts the calling thread under the ruleset, for good, and with it whatever the thread starts
    /// from now on. Other threads are not restricted.
    ///
    /// Bare system calls only: opening the inside paths, adding rules, restricting, closing. The
    /// descriptors of [`Prepared::descriptors`] must still be open.
    ///
    /// With nothing that the kernel offers ([`Prepared::handled`] is empty) this does nothing.
    ///
    /// # Errors
    /// The step and its error number. The thread is then not restricted, and no descriptor is left
    /// open. `EPERM` at [`ApplyStep::Restrict`] means that `no_new_privs` is not set, `E2BIG` that
    /// the thread is under 16 rulesets already.
    pub fn apply(&self) -> Result<(), ApplyError> {
        if !self.in_force() {
            return Ok(());
        }
        if let Some(shared) = &self.shared {
            return self.restrict(shared.as_fd());
        }
        let ruleset = self.build()?;
        let answer = self.restrict(ruleset.as_fd());
        close(ruleset);
        answer
    }

    /// What a thread is restricted in after [`Prepared::apply`].
    pub fn handled(&self) -> &[Feature] {
        &self.parts.handled
    }

    /// What was asked for and is not in force, as this kernel does not offer it. Whether that is
    /// acceptable is for the caller to say; see [`Missing::weakens`].
    pub fn missing(&self) -> &[Missing] {
        &self.parts.missing
    }

    /// The descriptors that [`Prepared::apply`] uses. They are close-on-exec; a child must not
    /// close them before it has applied the ruleset.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        let host = self.parts.host.iter().map(|rule| rule.fd.as_fd());
        host.chain(self.shared.iter().map(AsFd::as_fd))
    }

    /// The path of the rule that an error of [`Prepared::apply`] is about, if it is about one.
    pub fn path_of(&self, error: ApplyError) -> Option<&Path> {
        let rule = error.rule as usize;
        match error.step {
            ApplyStep::AddHost => self.parts.host.get(rule).map(|rule| rule.path.as_path()),
            ApplyStep::OpenInside | ApplyStep::StatInside | ApplyStep::AddInside => {
                let rule = self.parts.inside.get(rule)?;
                Some(Path::new(OsStr::from_bytes(rule.path.as_bytes())))
            }
            _ => None,
        }
    }

    fn in_force(&self) -> bool {
        self.parts.attr != RulesetAttr::default()
    }

    fn restrict(&self, ruleset: BorrowedFd<'_>) -> Result<(), ApplyError> {
        sys::restrict_self(ruleset, self.parts.flags).map_err(at(ApplyStep::Restrict, 0))
    }

    /// Makes a ruleset with all rules.
    fn build(&self) -> Result<OwnedFd, ApplyError> {
        let ruleset =
            sys::create_ruleset(&self.parts.attr).map_err(at(ApplyStep::CreateRuleset, 0))?;
        match self.fill(ruleset.as_fd()) {
            Ok(()) => Ok(ruleset),
            Err(error) => {
                close(ruleset);
                Err(error)
            }
        }
    }

    fn fill(&self, ruleset: BorrowedFd<'_>) -> Result<(), ApplyError> {
        // The kernel refuses a rule that allows nothing (ENOMSG): it is what no rule means, too.
        for (index, rule) in (0..).zip(&self.parts.host) {
            if rule.access != 0 {
                sys::add_path_rule(ruleset, rule.fd.as_fd(), rule.access)
                    .map_err(at(ApplyStep::AddHost, index))?;
            }
        }
        for (index, rule) in (0..).zip(&self.parts.inside) {
            let target = sys::open_target(&rule.path).map_err(at(ApplyStep::OpenInside, index))?;
            let answer = rule.add(ruleset, target.as_fd(), index);
            close(target);
            answer?;
        }
        for (index, rule) in (0..).zip(&self.parts.ports) {
            sys::add_port_rule(ruleset, rule.port, rule.access)
                .map_err(at(ApplyStep::AddPort, index))?;
        }
        Ok(())
    }
}

/// All that a [`Prepared`] is made of.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) attr: RulesetAttr,
    pub(crate) flags: u32,
    pub(crate) host: Vec<HostRule>,
    pub(crate) inside: Vec<InsideRule>,
    pub(crate) ports: Vec<PortRule>,
    pub(crate) handled: Vec<Feature>,
    pub(crate) missing: Vec<Missing>,
}

#[derive(Debug)]
pub(crate) struct HostRule {
    pub(crate) path: PathBuf,
    pub(crate) fd: OwnedFd,
    pub(crate) access: u64,
}

#[derive(Debug)]
pub(crate) struct InsideRule {
    pub(crate) path: CString,
    /// For a directory.
    pub(crate) access: u64,
    /// For anything else: the kernel refuses rights there that only directories have.
    pub(crate) file_access: u64,
}

impl InsideRule {
    fn add(
        &self,
        ruleset: BorrowedFd<'_>,
        target: BorrowedFd<'_>,
        index: u32,
    ) -> Result<(), ApplyError> {
        let directory = sys::is_directory(target).map_err(at(ApplyStep::StatInside, index))?;
        let access = if directory {
            self.access
        } else {
            self.file_access
        };
        if access == 0 {
            return Ok(());
        }
        sys::add_path_rule(ruleset, target, access).map_err(at(ApplyStep::AddInside, index))
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PortRule {
    pub(crate) port: u16,
    pub(crate) access: u64,
}

/// What [`Prepared::apply`] was doing when it failed. The numbers are stable, so that a child can
/// hand them to its parent over a pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum ApplyStep {
    /// landlock_create_ruleset(2).
    CreateRuleset = 1,
    /// landlock_add_rule(2) for a host path.
    AddHost = 2,
    /// openat2(2) of an inside path.
    OpenInside = 3,
    /// fstat(2) of an inside path.
    StatInside = 4,
    /// landlock_add_rule(2) for an inside path.
    AddInside = 5,
    /// landlock_add_rule(2) for a port.
    AddPort = 6,
    /// landlock_restrict_self(2).
    Restrict = 7,
}

impl ApplyStep {
    /// The step with this number.
    pub const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::CreateRuleset,
            2 => Self::AddHost,
            3 => Self::OpenInside,
            4 => Self::StatInside,
            5 => Self::AddInside,
            6 => Self::AddPort,
            7 => Self::Restrict,
            _ => return None,
        })
    }

    const fn doing(self) -> &'static str {
        match self {
            Self::CreateRuleset => "creating the landlock ruleset",
            Self::AddHost => "adding the landlock rule of host path",
            Self::OpenInside => "opening, for its landlock rule, inside path",
            Self::StatInside => "looking, for its landlock rule, at inside path",
            Self::AddInside => "adding the landlock rule of inside path",
            Self::AddPort => "adding the landlock rule of port",
            Self::Restrict => "putting the thread under the landlock ruleset",
        }
    }
}

/// Where [`Prepared::apply`] failed, and the kernel's answer. Plain data: it can be sent as bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ApplyError {
    /// What it was doing.
    pub step: ApplyStep,
    /// Which of the rules of that kind, from 0, in the order in which they were given (ports:
    /// sorted). See [`Prepared::path_of`]. 0 for steps that are about no rule.
    pub rule: u32,
    /// The error number.
    pub errno: Errno,
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.step.doing())?;
        if !matches!(self.step, ApplyStep::CreateRuleset | ApplyStep::Restrict) {
            write!(f, " number {}", self.rule)?;
        }
        write!(f, ": {}", self.errno)?;
        let hint = match (self.step, self.errno.raw()) {
            (ApplyStep::Restrict, libc::EPERM) => "set no_new_privs on the thread first",
            (ApplyStep::Restrict, libc::E2BIG) => {
                "the thread is under 16 rulesets already, or the rules of all are too many"
            }
            (ApplyStep::OpenInside, libc::ELOOP) => {
                "no part of the path may be a symbolic link; name what it leads to"
            }
            (ApplyStep::AddHost | ApplyStep::Restrict, libc::EBADF) => {
                "its descriptor was closed; keep those of Prepared::descriptors open"
            }
            (ApplyStep::CreateRuleset, libc::EINVAL | libc::E2BIG) => {
                "the ruleset was prepared for a newer kernel than this one; prepare it with probe()"
            }
            (ApplyStep::AddHost | ApplyStep::AddInside, libc::EBADFD) => {
                "landlock rules need a file on a file system that can be mounted"
            }
            _ => return Ok(()),
        };
        write!(f, " ({hint})")
    }
}

impl std::error::Error for ApplyError {}

fn at(step: ApplyStep, rule: u32) -> impl FnOnce(Errno) -> ApplyError {
    move |errno| ApplyError { step, rule, errno }
}

/// Closes without libc, whose close(2) writes to the thread's `errno` when it fails.
fn close(owned: OwnedFd) {
    // Nothing was written through the descriptor, so there is no error worth telling.
    let _ = fd::close(owned.into_raw_fd());
}
