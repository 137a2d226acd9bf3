//! What a sandbox may ask of the kernel, as data.

use std::collections::BTreeMap;

use crate::{Action, Arch, CompileError, Filter, Rule, compile, reference};

pub mod general;
pub mod intents;
pub(crate) mod observe;
mod set_user_id;
pub mod strict;

/// Rules for system calls and an answer for all others.
///
/// - A call with a rule gets the rule's answer.
/// - A call the tables know (Linux 7.0) without a rule gets the default answer.
/// - A number the tables do not know gets [`Profile::unassigned`]'s answer: `ENOSYS` unless the
///   default lets calls through, so that a newer libc falls back to what it used before.
/// - x32 calls get `EPERM` on x86_64, and a call of another architecture's mode (32-bit entry on
///   either) kills the process. No rule changes that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub(crate) default: Action,
    pub(crate) unassigned: Action,
    pub(crate) names: BTreeMap<String, Rule>,
    pub(crate) numbers: BTreeMap<u32, Rule>,
    pub(crate) skipped: Vec<String>,
    pub(crate) flags: u64,
    pub(crate) traced: bool,
}

/// The bit that marks an x32 call on x86_64 (`__X32_SYSCALL_BIT`).
pub(crate) const X32_BIT: u32 = 0x4000_0000;

impl Profile {
    /// An empty profile: every call gets `default`.
    pub const fn new(default: Action) -> Self {
        Self {
            default,
            unassigned: if default.permits() {
                default
            } else {
                Action::ENOSYS
            },
            names: BTreeMap::new(),
            numbers: BTreeMap::new(),
            skipped: Vec::new(),
            flags: 0,
            traced: false,
        }
    }

    /// The profile for general programs: compilers, interpreters, package managers, databases,
    /// browsers. What it refuses, and why: [`reason`](crate::reason()).
    pub fn general() -> Self {
        general::profile()
    }

    /// The profile for computing with files: no sockets but pairs, no terminal tricks, no watches.
    pub fn strict() -> Self {
        strict::profile()
    }

    /// Allows everything but giving a file the set-user-ID bit, which general and strict refuse too:
    /// to be put on beside an imported profile.
    pub fn no_set_user_id_files() -> Self {
        set_user_id::rules(Self::new(Action::Allow))
            .rules(
                ["mknod"],
                &Rule::allow_if([set_user_id::absent(1)]).otherwise(Action::EPERM),
            )
            .rules(
                ["mknodat"],
                &Rule::allow_if([set_user_id::absent(2)]).otherwise(Action::EPERM),
            )
    }

    /// Adds what a use needs.
    #[must_use]
    pub fn allow(mut self, intent: crate::Intent) -> Self {
        intent.add_to(&mut self);
        self
    }

    /// Sets the rule of the call with this name, replacing an earlier one. A name that only another
    /// architecture has is ignored when compiling; one that none has is an error then.
    #[must_use]
    pub fn rule(mut self, name: impl Into<String>, rule: Rule) -> Self {
        self.names.insert(name.into(), rule);
        self
    }

    /// Sets the same rule for several calls.
    #[must_use]
    pub fn rules<N: Into<String>>(
        mut self,
        names: impl IntoIterator<Item = N>,
        rule: &Rule,
    ) -> Self {
        let named = names.into_iter().map(|name| (name.into(), rule.clone()));
        self.names.extend(named);
        self
    }

    /// Sets the rule of the call with this number; it comes before a rule for the call's name. For
    /// calls newer than the tables. Below 0x40000000.
    #[must_use]
    pub fn rule_for_number(mut self, number: u32, rule: Rule) -> Self {
        self.numbers.insert(number, rule);
        self
    }

    /// Sets the answer for numbers nobody had assigned as of Linux 7.0.
    #[must_use]
    pub const fn unassigned(mut self, action: Action) -> Self {
        self.unassigned = action;
        self
    }

    /// Asks the kernel to log every call that is not allowed (`SECCOMP_FILTER_FLAG_LOG`, since
    /// Linux 4.14; what is logged also depends on `/proc/sys/kernel/seccomp/actions_logged`).
    #[must_use]
    pub const fn log_denials(mut self) -> Self {
        self.flags |= libc::SECCOMP_FILTER_FLAG_LOG;
        self
    }

    /// The answer to calls without a rule.
    pub const fn default_action(&self) -> Action {
        self.default
    }

    /// The rule for a call, `None` if it gets the default.
    pub fn rule_of(&self, name: &str) -> Option<&Rule> {
        self.names.get(name)
    }

    /// Names an imported profile has rules for that the architecture it was imported for lacks.
    /// Those rules were left out.
    pub fn skipped_names(&self) -> &[String] {
        &self.skipped
    }

    /// The answer to a call, read off the rules without compiling them. `nr` is the number with the
    /// x32 bit if there is one; the call is taken to come from the architecture's native mode.
    pub fn decide(&self, arch: Arch, nr: u32, args: &[u64; 6]) -> Action {
        if arch == Arch::X86_64 && (X32_BIT..=i32::MAX as u32).contains(&nr) {
            return Action::EPERM;
        }
        let name = arch.name(nr);
        let named = || name.and_then(|name| self.names.get(name));
        match (self.numbers.get(&nr).or_else(named), name) {
            (Some(rule), _) => rule.decide(args).unwrap_or(self.default),
            (None, Some(_)) => self.default,
            (None, None) => self.unassigned,
        }
    }

    /// Compiles the profile for an architecture, which need not be the one this runs on.
    ///
    /// # Errors
    /// A name no architecture knows, an argument index past 5, an errno past 4095, a number in the
    /// x32 range, or more than 4096 instructions.
    pub fn compile(&self, arch: Arch) -> Result<Filter, CompileError> {
        compile::compile(self, arch)
    }

    /// Compiles the profile with the `seccompiler` crate instead: an independent compiler, as a
    /// second opinion on what [`Profile::compile`] makes.
    ///
    /// The result is one filter per answer, to be put on in this order: the kernel runs all of them
    /// and acts on the strictest answer, of equals the last filter's. They are longer and slower to
    /// put on, and have no answer of their own for unassigned and x32 numbers, which get the default.
    ///
    /// # Errors
    /// Those of [`Profile::compile`], and [`CompileError::NotExpressible`] for a rule whose branches
    /// have different answers, or answers that no order of filters can give.
    pub fn compile_with_seccompiler(&self, arch: Arch) -> Result<Vec<Filter>, CompileError> {
        reference::compile(self, arch)
    }

    /// Checks what the builder let through.
    pub(crate) fn validate(&self) -> Result<(), CompileError> {
        check_action(self.default, || "the default action".to_owned())?;
        check_action(self.unassigned, || "unassigned numbers".to_owned())?;
        for (name, rule) in &self.names {
            if Arch::ALL.iter().all(|arch| arch.number(name).is_none()) {
                return Err(CompileError::UnknownSyscall { name: name.clone() });
            }
            check_rule(name, rule)?;
        }
        for (&number, rule) in &self.numbers {
            if number >= X32_BIT {
                return Err(CompileError::NumberOutOfRange { number });
            }
            check_rule(&number.to_string(), rule)?;
        }
        Ok(())
    }
}

fn check_rule(syscall: &str, rule: &Rule) -> Result<(), CompileError> {
    if let Some(action) = rule.fallback() {
        check_action(action, || syscall.to_owned())?;
    }
    for (conditions, action) in rule.branches() {
        check_action(action, || syscall.to_owned())?;
        if let Some(condition) = conditions.iter().find(|condition| condition.arg > 5) {
            return Err(CompileError::ArgumentOutOfRange {
                syscall: syscall.to_owned(),
                argument: condition.arg,
            });
        }
    }
    Ok(())
}

fn check_action(action: Action, context: impl FnOnce() -> String) -> Result<(), CompileError> {
    match action {
        // MAX_ERRNO of the kernel, which clamps what is above.
        Action::Errno(errno) if errno > 4095 => Err(CompileError::ErrnoOutOfRange {
            context: context(),
            errno,
        }),
        _ => Ok(()),
    }
}
