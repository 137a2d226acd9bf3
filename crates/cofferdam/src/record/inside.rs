//! What is observed of programs inside: what they execute, and calls that they are refused.

use super::calls::{Call, denial};
use super::{Inner, Recorder, convert, lock};
use cofferdam_audit::Event;
use cofferdam_audit::event::Context;
use cofferdam_seccomp::Arch;
use cofferdam_spawn::{Access, Exec, Observer, Refused, family};
use cofferdam_sys::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::{Arc, OnceLock, Weak};

/// Hears for the record of one environment, once there is one: an environment is put up before it is recorded, and
/// nothing is executed in it before that.
#[derive(Debug, Default)]
pub(crate) struct Ear(OnceLock<Weak<Inner>>);

impl Ear {
    /// Hears for this record from now on, for as long as it is there.
    pub(crate) fn hear_for(&self, recorder: &Recorder) {
        let _ = self.0.set(Arc::downgrade(&recorder.inner));
    }

    fn recorder(&self) -> Option<Recorder> {
        let inner = self.0.get()?.upgrade()?;
        Some(Recorder { inner })
    }
}

impl Observer for Ear {
    fn exec(&self, exec: &Exec) -> Result<(), Errno> {
        // What cannot be recorded is not done.
        let recorder = self.recorder().ok_or(Errno(libc::EPERM))?;
        recorder.exec(exec)
    }

    fn refused(&self, call: &Refused) {
        if let Some(recorder) = self.recorder() {
            recorder.refused(call);
        }
    }

    fn access(&self, access: &Access) {
        if let Some(recorder) = self.recorder() {
            recorder.access(access);
        }
    }
}

impl Recorder {
    /// Records that a program is about to be replaced by another.
    fn exec(&self, exec: &Exec) -> Result<(), Errno> {
        let command = match self.is_alone() {
            true => None,
            false => lock(&self.inner.families).executes(
                (exec.pid, exec.parent),
                &exec.argv,
                self.inner.init,
                parent,
            ),
        };
        let path = exec.path.as_deref();
        let event = || Event::Exec {
            pid: exec.pid,
            parent: exec.parent,
            path: path
                .map(|path| convert::text(OsStr::from_bytes(path)))
                .unwrap_or_default(),
            argv: exec
                .argv
                .iter()
                .map(|one| cofferdam_audit::text(one))
                .collect(),
            truncated: exec.truncated,
        };
        let recorded = self.record(self.context_of(command), event);
        recorded.map_err(|_| Errno(libc::EPERM))
    }

    /// Records a call that is refused, and adds it to what was refused.
    fn refused(&self, call: &Refused) {
        // Asked for only where it tells anything: that takes calls.
        let command = match self.is_alone() {
            true => None,
            false => self.command_of(family(call.pid).0),
        };
        let call = Call {
            pid: call.pid,
            number: call.number,
            args: call.args,
        };
        let times = lock(&self.inner.refused_calls).count(command, call);
        if let Some(times) = times {
            self.tell_refused(command, call, times);
        }
    }

    /// The command that a process belongs to; none where it is not known, or the only one.
    pub(super) fn command_of(&self, pid: u32) -> Option<u64> {
        if self.is_alone() {
            return None;
        }
        lock(&self.inner.families).command_of(pid, self.inner.init, parent)
    }

    /// Tells of the refused calls of a command that have not been told of; it has ended.
    pub(super) fn tell_refused_of(&self, command: Option<u64>) {
        let command = command.filter(|_| !self.is_alone());
        let left = lock(&self.inner.refused_calls).ended(command);
        for (call, times) in left {
            self.tell_refused(command, call, times);
        }
    }

    fn tell_refused(&self, command: Option<u64>, call: Call, times: u64) {
        let name = Arch::native().name(call.number);
        let name = name.map_or_else(|| call.number.to_string(), str::to_owned);
        let denial = denial(&name);
        let context = self.context_of(command);
        let mark = self.mark_of(context.command);
        self.inner.denials.add(mark, denial.clone());
        // It is refused in any case.
        let _ = self.record(context, || Event::SyscallDenied {
            pid: call.pid,
            syscall: name,
            args: call.args.map(|one| format!("{one:#x}")),
            times,
            denial,
        });
    }

    /// Where an event of this command belongs; of none, if it is not known.
    pub(super) fn context_of(&self, command: Option<u64>) -> Context {
        if command.is_none() {
            return self.context_inside();
        }
        let running = lock(&self.inner.running);
        match running.iter().find(|(one, _)| one.command == command) {
            Some((context, _)) => context.clone(),
            // A daemon outlives its command.
            None => Context {
                session: self.inner.session,
                command,
                ..Context::default()
            },
        }
    }

    /// The environment is there for one command.
    fn is_alone(&self) -> bool {
        lock(&self.inner.under).command.is_some()
    }
}

fn parent(pid: u32) -> u32 {
    family(pid).1
}
