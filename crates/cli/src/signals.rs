//! Signals to this process, read from a descriptor instead of handled.

use nix::errno::Errno;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::os::fd::{AsFd, BorrowedFd};

/// What is passed on to the program. It has no controlling terminal, so what the terminal sends
/// arrives here alone.
const PASSED_ON: [Signal; 9] = [
    Signal::SIGINT,
    Signal::SIGTERM,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGTSTP,
    Signal::SIGCONT,
];

/// The signals of this process, from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    fd: SignalFd,
    mask: SigSet,
}

impl Signals {
    /// Blocks the signals, so that they wait to be read; also for threads started later. What the
    /// caller of this process ignores, as nohup(1) does, stays ignored: a blocked signal would be
    /// kept in spite of that.
    pub(crate) fn catch() -> Result<Self, Errno> {
        let ignored = ignored();
        let mut mask = SigSet::empty();
        for signal in PASSED_ON {
            if ignored & (1 << (signal as i32 - 1)) == 0 {
                mask.add(signal);
            }
        }
        mask.thread_block()?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Self {
            fd: SignalFd::with_flags(&mask, flags)?,
            mask,
        })
    }

    /// Has the signals do again what they do to any process. Those that have arrived were meant for the
    /// program, which has ended.
    pub(crate) fn release(self) {
        while let Ok(Some(_)) = self.next() {}
        let _ = self.mask.thread_unblock();
    }

    /// The next signal that has arrived.
    pub(crate) fn next(&self) -> Result<Option<Signal>, Errno> {
        let Some(info) = self.fd.read_signal()? else {
            return Ok(None);
        };
        Signal::try_from(info.ssi_signo as i32).map(Some)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// The signals that this process ignores, one a bit (proc_pid_status(5)).
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}
