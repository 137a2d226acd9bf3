//! A profile whose listener hears of programs that are executed and of calls that are refused.

use super::Profile;
use crate::rule::{Condition, Operator, Rule, Width};
use crate::{Action, Arch};

/// The calls that name files, beside execve(2) and execveat(2): what [`Profile::traced`] has wait.
pub const TRACED: &[&str] = &[
    "access",
    "bind",
    "chdir",
    "chmod",
    "chown",
    "connect",
    "creat",
    "faccessat",
    "faccessat2",
    "fchmodat",
    "fchmodat2",
    "fchownat",
    "futimesat",
    "getxattr",
    "inotify_add_watch",
    "lchown",
    "lgetxattr",
    "link",
    "linkat",
    "listxattr",
    "llistxattr",
    "lremovexattr",
    "lsetxattr",
    "lstat",
    "mkdir",
    "mkdirat",
    "mknod",
    "mknodat",
    "newfstatat",
    "open",
    "openat",
    "openat2",
    "readlink",
    "readlinkat",
    "removexattr",
    "rename",
    "renameat",
    "renameat2",
    "rmdir",
    "setxattr",
    "stat",
    "statfs",
    "statx",
    "symlink",
    "symlinkat",
    "truncate",
    "unlink",
    "unlinkat",
    "utime",
    "utimensat",
    "utimes",
];

impl Profile {
    /// The same profile with a listener ([`Filter::apply_with_listener`](crate::Filter::apply_with_listener)):
    /// execve(2) and execveat(2) wait for it where they would be allowed, and so does every call that would fail
    /// with `EPERM`, which the listener is to answer with that. What this says of programs is an observation: the
    /// kernel reads their path and arguments again when the listener lets the call go on.
    ///
    /// One execveat(2) is let through: that with `mark`, a secret number, as its sixth argument, which the
    /// kernel ignores. With it the process that puts the filter on can execute the first program before anybody
    /// has the listener.
    #[must_use]
    pub fn observed(self, mark: u64) -> Self {
        self.heard(mark, &[])
    }

    /// With a listener, for which these calls wait where they would be allowed.
    fn heard(mut self, mark: u64, traced: &[&str]) -> Self {
        let default = self.default;
        for name in ["execve", "execveat"] {
            let rule = self.names.remove(name).unwrap_or(Rule::always(default));
            let mut observed = Rule::default_action();
            if name == "execveat" {
                let marked = Condition::new(5, Width::Qword, Operator::Eq, mark);
                observed = observed.when([marked], Action::Allow);
            }
            for (conditions, action) in rule.branches() {
                observed = observed.when(conditions.iter().copied(), hear(action));
            }
            let fallback = rule.fallback().unwrap_or(default);
            self.names
                .insert(name.to_owned(), observed.otherwise(hear(fallback)));
        }
        for (name, rule) in &mut self.names {
            *rule = match name.as_str() {
                "execve" | "execveat" => continue,
                name if traced.contains(&name) => rule.map(hear),
                _ => rule.map(refuse),
            };
        }
        // The listener lets these go on, so what is refused of them by number must not wait for it.
        let goes_on = |number: u32| {
            let names = Arch::ALL.iter().filter_map(|arch| arch.name(number));
            names
                .into_iter()
                .any(|name| ["execve", "execveat"].contains(&name) || traced.contains(&name))
        };
        for (number, rule) in &mut self.numbers {
            if !goes_on(*number) {
                *rule = rule.map(refuse);
            }
        }
        self.default = refuse(self.default);
        self.unassigned = refuse(self.unassigned);
        self.flags |= libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        self
    }

    /// The same as [observed](Profile::observed), and the calls of [`TRACED`] wait for the listener too where they
    /// would be allowed; it is to let each of these go on. What the profile refuses of them fails as before, and is
    /// not heard of: a listener could not tell the two apart.
    #[must_use]
    pub fn traced(mut self, mark: u64) -> Self {
        for name in TRACED {
            let rule = self.names.remove(*name);
            let rule = rule.unwrap_or(Rule::default_action());
            let fallback = rule.fallback().unwrap_or(self.default);
            self.names
                .insert((*name).to_owned(), rule.otherwise(fallback));
        }
        let mut traced = self.heard(mark, TRACED);
        traced.traced = true;
        traced
    }

    /// Whether the calls with which a listener is handed over, and a program is executed with a mark, get
    /// through this profile: where they do not, it cannot be [observed](Profile::observed).
    pub fn can_be_observed(&self, arch: Arch) -> bool {
        ["sendmsg", "close", "execveat"].iter().all(|name| {
            let rule = self.rule_of(name);
            let always = rule.is_some_and(|rule| {
                let answers = rule.branches().map(|(_, action)| action);
                let mut answers = answers.chain(Some(rule.fallback().unwrap_or(self.default)));
                answers.all(Action::permits)
            });
            let by_default = rule.is_none() && self.default.permits();
            // A rule for the number would come before that for the name.
            let number = arch.number(name);
            let by_number = number.is_some_and(|number| self.numbers.contains_key(&number));
            (always || by_default) && !by_number
        })
    }
}

/// The answer to a call that the listener lets go on: what is refused must not wait for it.
fn hear(action: Action) -> Action {
    match action {
        Action::Allow | Action::Log => Action::Notify,
        other => other,
    }
}

/// The answer to everything else.
fn refuse(action: Action) -> Action {
    match action {
        Action::EPERM => Action::Notify,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARK: u64 = 0x0123_4567_89ab_cdef;

    fn decide(profile: &Profile, name: &str, args: [u64; 6]) -> Action {
        let arch = Arch::native();
        let number = arch.number(name).expect("a call");
        let filter = profile.compile(arch).expect("a filter");
        let answer = filter.evaluate(arch.audit(), number, 0, args);
        assert_eq!(answer, profile.decide(arch, number, &args), "{name}");
        answer
    }

    #[test]
    fn programs_and_refusals_are_heard_of_and_nothing_else_changes() {
        for (profile, stays) in [(Profile::general(), true), (Profile::strict(), true)] {
            assert_eq!(profile.can_be_observed(Arch::native()), stays);
            let observed = profile.clone().observed(MARK);
            let arch = Arch::native();
            let (before, after) = (
                profile.compile(arch).expect("a filter"),
                observed.compile(arch).expect("a filter"),
            );
            for (number, name) in arch.calls() {
                for args in [[0; 6], [u64::MAX; 6], [0, 0, 1, 2, 0o4755, 0]] {
                    let before = before.evaluate(arch.audit(), number, 0, args);
                    let expected = match (name, before) {
                        ("execve" | "execveat", Action::Allow) => Action::Notify,
                        (_, Action::Errno(1)) => Action::Notify,
                        (_, other) => other,
                    };
                    let after = after.evaluate(arch.audit(), number, 0, args);
                    assert_eq!(after, expected, "{name} {args:?}");
                }
            }
        }
    }

    #[test]
    fn what_names_files_waits_where_it_would_be_allowed_and_nowhere_else() {
        let arch = Arch::native();
        for profile in [Profile::general(), Profile::strict()] {
            let before = profile.compile(arch).expect("a filter");
            let traced = profile.clone().traced(MARK);
            let after = traced.compile(arch).expect("a filter");
            assert!(after.is_traced() && !before.is_traced());
            for (number, name) in arch.calls() {
                for args in [[0; 6], [u64::MAX; 6], [0, 0, 0o4755, 0o4755, 0o4755, 0]] {
                    let before = before.evaluate(arch.audit(), number, 0, args);
                    let expected = match (name, before) {
                        ("execve" | "execveat", Action::Allow) => Action::Notify,
                        (name, Action::Allow) if TRACED.contains(&name) => Action::Notify,
                        (name, other) if TRACED.contains(&name) => other,
                        (_, Action::EPERM) => Action::Notify,
                        (_, other) => other,
                    };
                    let after = after.evaluate(arch.audit(), number, 0, args);
                    assert_eq!(after, expected, "{name} {args:?}");
                }
            }
        }
    }

    #[test]
    fn a_program_that_may_not_be_executed_does_not_wait_for_who_lets_it_go_on() {
        let refused = Rule::always(Action::EPERM);
        let some = Rule::allow_if([Condition::dword_eq(4, 0)]).otherwise(Action::EPERM);
        let number = |name| Arch::native().number(name).expect("a call");
        let profiles = [
            Profile::general()
                .rule("execve", refused.clone())
                .rule("execveat", some.clone()),
            Profile::general()
                .rule_for_number(number("execve"), refused.clone())
                .rule_for_number(number("execveat"), some),
            Profile::new(Action::EPERM)
                .rule("execveat", Rule::allow_if([Condition::dword_eq(4, 0)])),
        ];
        for profile in profiles {
            for heard in [profile.clone().observed(MARK), profile.clone().traced(MARK)] {
                assert_eq!(decide(&heard, "execve", [0; 6]), Action::EPERM);
                let flags = |flags| decide(&heard, "execveat", [4, 1, 2, 3, flags, 0]);
                assert_eq!(flags(0x1000), Action::EPERM);
                assert!(matches!(flags(0), Action::Notify | Action::Allow));
            }
        }
        let by_number = Profile::general().rule_for_number(number("openat"), refused);
        assert_eq!(
            decide(&by_number.traced(MARK), "openat", [0; 6]),
            Action::EPERM
        );
    }

    #[test]
    fn only_the_whole_mark_lets_a_program_through_unheard() {
        let profile = Profile::general().observed(MARK);
        let with = |mark| decide(&profile, "execveat", [4, 1, 2, 3, 0x1000, mark]);
        assert_eq!(with(MARK), Action::Allow);
        for bit in 0..64 {
            assert_eq!(with(MARK ^ 1 << bit), Action::Notify, "{bit}");
        }
        assert_eq!(
            decide(&profile, "execve", [4, 1, 2, 3, 0x1000, MARK]),
            Action::Notify
        );
    }

    #[test]
    fn a_profile_that_refuses_the_hand_over_cannot_be_observed() {
        let arch = Arch::native();
        let without = Profile::general().rule("sendmsg", Rule::errno(1));
        assert!(!without.can_be_observed(arch));
        let number = arch.number("close").expect("a call");
        let by_number = Profile::general().rule_for_number(number, Rule::allow());
        assert!(!by_number.can_be_observed(arch));
        assert!(Profile::new(Action::Allow).can_be_observed(arch));
        assert!(!Profile::new(Action::EPERM).can_be_observed(arch));
    }
}
