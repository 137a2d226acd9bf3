//! What is observed of programs inside: system calls that were refused, and programs that others became.

#![allow(
    dead_code,
    reason = "called by what observes system calls, which the spawn crate hands on"
)]

use super::{Denials, Recorder, convert, remedy};
use cofferdam_audit::{Denial, Event, SinkError};
use cofferdam_policy::SyscallIntent;
use cofferdam_seccomp::Intent;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

impl Denials {
    /// The denial of a system call with this name, or the number of one without: what the call is for, and
    /// what would allow it.
    pub(crate) fn syscall(name: &str) -> Denial {
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
        let denial = Denial::certain("seccomp", what, reason.why);
        match reason.intent.and_then(named) {
            Some((intent, variant)) => denial
                .by("syscalls")
                .remedy(remedy::intent(intent.name(), variant)),
            None => denial
                .by("syscalls")
                .remedy("find another way; nothing in a sandbox is allowed this call"),
        }
    }
}

impl Recorder {
    /// Records a system call that was refused, and adds it to what was refused. `times` is how often.
    pub(crate) fn syscall(&self, pid: u32, name: &str, args: [u64; 6], times: u64) {
        let denial = Denials::syscall(name);
        self.deny(denial.clone());
        let _ = self.record(self.context_inside(), || Event::SyscallDenied {
            pid,
            syscall: name.to_owned(),
            args: args.map(|one| format!("{one:#x}")),
            times,
            denial,
        });
    }

    /// Records that a program asked to be replaced by another.
    ///
    /// # Errors
    /// [`SinkError`]: the call must be refused.
    pub(crate) fn exec(
        &self,
        pid: u32,
        parent: u32,
        path: &[u8],
        argv: &[Vec<u8>],
        truncated: bool,
    ) -> Result<(), SinkError> {
        self.record(self.context_inside(), || Event::Exec {
            pid,
            parent,
            path: convert::text(OsStr::from_bytes(path)),
            argv: argv.iter().map(|one| cofferdam_audit::text(one)).collect(),
            truncated,
        })
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
    use super::Denials;

    #[test]
    fn a_call_is_explained_with_what_allows_it() {
        let text = Denials::syscall("ptrace").for_model();
        for part in [
            "ptrace",
            "other processes",
            "--allow ptrace",
            "SyscallIntent::Ptrace",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = Denials::syscall("bpf").for_model();
        assert!(text.contains("runs programs in the kernel"), "{text}");
        assert!(!text.contains("--allow"), "{text}");
        let text = Denials::syscall("999").for_model();
        assert!(text.contains("the system call 999"), "{text}");
        let text = Denials::syscall("unshare").for_model();
        assert!(text.contains("with these arguments"), "{text}");
    }
}
