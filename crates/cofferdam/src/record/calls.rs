//! Refused system calls, counted: a program can make them in a loop.

use super::remedy;
use cofferdam_audit::Denial;
use cofferdam_policy::SyscallIntent;
use cofferdam_seccomp::Intent;
use std::collections::HashMap;

/// Refused calls of one environment, by command and number.
#[derive(Debug, Default)]
pub(super) struct RefusedCalls {
    calls: HashMap<(Option<u64>, u32), Count>,
}

/// How often one was made.
#[derive(Clone, Copy, Debug)]
struct Count {
    all: u64,
    /// How often it had been made when it was told last.
    told: u64,
    last: Call,
}

/// Who made it, and with which arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub pid: u32,
    pub number: u32,
    pub args: [u64; 6],
}

impl RefusedCalls {
    /// Counts a call. It is to be told the first time, the tenth, the hundredth and so on, each time with how many
    /// there were since; what is left then is told when its command ends.
    pub fn count(&mut self, command: Option<u64>, call: Call) -> Option<u64> {
        let count = self.calls.entry((command, call.number)).or_insert(Count {
            all: 0,
            told: 0,
            last: call,
        });
        count.all += 1;
        count.last = call;
        if !is_power_of_ten(count.all) {
            return None;
        }
        let since = count.all - count.told;
        count.told = count.all;
        Some(since)
    }

    /// What is left to be told of a command, which has ended: each call with how many.
    pub fn ended(&mut self, command: Option<u64>) -> Vec<(Call, u64)> {
        let of = |(of, _): &(Option<u64>, u32)| *of == command;
        let left = self.calls.iter().filter(|(key, _)| of(key));
        let left = left.map(|(_, count)| (count.last, count.all - count.told));
        let mut left: Vec<(Call, u64)> = left.filter(|(_, since)| *since > 0).collect();
        left.sort_unstable_by_key(|(call, _)| call.number);
        self.calls.retain(|key, _| !of(key));
        left
    }
}

fn is_power_of_ten(mut number: u64) -> bool {
    while number > 1 && number.is_multiple_of(10) {
        number /= 10;
    }
    number == 1
}

/// The denial of a system call with this name, or the number of one without: what the call is for, and what would
/// allow it.
pub(super) fn denial(name: &str) -> Denial {
    let reason = cofferdam_seccomp::reason(name);
    let what = format!("make the system call {name}");
    let Some(reason) = reason else {
        let why = "the profile of system calls does not have it";
        let help = "find another way; --syscalls PROFILE, or .syscalls(|calls| calls.oci(path)) on the \
                    builder, chooses another profile";
        return Denial::certain("seccomp", what, why).remedy(help);
    };
    let what = match reason.by_argument {
        true => format!("{what} with these arguments"),
        false => what,
    };
    let denial = Denial::certain("seccomp", what, reason.why).by("syscalls");
    match reason.intent.and_then(named) {
        Some((intent, variant)) => denial.remedy(remedy::intent(intent.name(), variant)),
        None => denial.remedy("find another way; nothing in a sandbox is allowed this call"),
    }
}

/// An intent as the policy has it, and the name of its variant.
fn named(intent: Intent) -> Option<(SyscallIntent, &'static str)> {
    Some(match intent {
        Intent::Ptrace => (SyscallIntent::Ptrace, "Ptrace"),
        Intent::NestedNamespaces => (SyscallIntent::NestedNamespaces, "NestedNamespaces"),
        Intent::IoUring => (SyscallIntent::IoUring, "IoUring"),
        Intent::Userfaultfd => (SyscallIntent::Userfaultfd, "Userfaultfd"),
        Intent::PerfEvents => (SyscallIntent::PerfEvents, "PerfEvents"),
        Intent::Keyring => (SyscallIntent::Keyring, "Keyring"),
        #[allow(unreachable_patterns, reason = "intents may be added")]
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_explained_with_what_allows_it() {
        let text = denial("ptrace").for_model();
        for part in [
            "ptrace",
            "other processes",
            "--allow ptrace",
            "SyscallIntent::Ptrace",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = denial("bpf").for_model();
        assert!(text.contains("runs programs in the kernel"), "{text}");
        assert!(!text.contains("--allow"), "{text}");
        let text = denial("999").for_model();
        assert!(text.contains("the system call 999"), "{text}");
        let text = denial("unshare").for_model();
        assert!(text.contains("with these arguments"), "{text}");
    }

    #[test]
    fn a_flood_is_told_a_few_times_and_counted_whole() {
        let mut calls = RefusedCalls::default();
        let call = |number, pid| Call {
            pid,
            number,
            args: [0; 6],
        };
        let mut told = Vec::new();
        for pid in 0..12_345 {
            told.extend(calls.count(Some(1), call(7, pid)));
        }
        assert_eq!(told, [1, 9, 90, 900, 9000]);
        assert_eq!(calls.count(Some(2), call(7, 1)), Some(1));
        assert_eq!(calls.ended(Some(1)), [(call(7, 12_344), 2345)]);
        assert_eq!(calls.ended(Some(1)), []);
        assert_eq!(calls.ended(Some(2)), []);
        assert!(calls.calls.is_empty());
    }
}
