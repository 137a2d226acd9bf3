//! A running program: the socket on which init speaks of it, and its end.

use crate::Connector;
use crate::network::Listeners;
use crate::protocol::{self, Request};
use crate::session::Owner;
use crate::start::receive;
use crate::supervisor::{GRACE, Supervisor, hang_up};
use cofferdam_cgroups::Stats;
use cofferdam_sys::process::Usage;
use cofferdam_sys::{Errno, socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// A program inside a sandbox.
///
/// If it is the only one, dropping this kills it and all its descendants, waits for their end, and
/// removes the control group. If it is one of a session's, dropping this kills it and what is still in
/// its session (setsid(2)), and waits for its end.
#[derive(Debug)]
pub struct Process {
    place: Place,
    started: Instant,
    /// When [`Process::kill`] was called first.
    killed: Option<Instant>,
    /// init did not end everything in time and was killed.
    forced: bool,
    terminal: Option<OwnedFd>,
    listeners: Listeners,
    ended: Option<Ended>,
}

/// Where a program runs.
#[derive(Debug)]
enum Place {
    /// Alone, with an init of its own.
    Own(Supervisor),
    /// In a session.
    Guest {
        socket: OwnedFd,
        session: Owner,
        /// How often the memory limit had killed a process before.
        oom_kills: u64,
    },
}

/// How a program ended and what the whole sandbox used.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ended {
    /// The exit code, `None` after a signal.
    pub code: Option<i32>,
    /// The signal that ended the program.
    pub signal: Option<i32>,
    /// The time limit ended it.
    pub timed_out: bool,
    /// The control group's memory limit killed at least one process; of a program in a session, that
    /// it did so while the program ran, and a SIGKILL ended the program.
    pub oom_killed: bool,
    /// From the clone to the end of the program.
    pub wall: Duration,
    /// What the program and all its descendants used, as init counted it; zero if init was killed.
    /// Of a program in a session: it, and those descendants that were waited for (getrusage(2)).
    /// Peak memory is that of the largest one. (init's own figures as the host gets them would not
    /// do: its peak is that of the host, whose memory it shared before it was executed.)
    pub usage: Usage,
    /// The control group's figures, where there is one; of the whole session, up to now, where there
    /// is one of those.
    pub cgroup: Option<Stats>,
}

/// Why the end of a program is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The socket or the pidfd failed.
    #[error("the end of the program cannot be awaited: {0}")]
    Wait(#[source] Errno),
}

impl Process {
    pub(crate) fn own(
        supervisor: Supervisor,
        started: Instant,
        terminal: Option<OwnedFd>,
        listeners: Listeners,
    ) -> Self {
        let mut process = Self::new(Place::Own(supervisor), started, terminal);
        process.listeners = listeners;
        process
    }

    pub(crate) fn guest(
        socket: OwnedFd,
        session: Owner,
        oom_kills: u64,
        started: Instant,
        terminal: Option<OwnedFd>,
    ) -> Self {
        let place = Place::Guest {
            socket,
            session,
            oom_kills,
        };
        Self::new(place, started, terminal)
    }

    fn new(place: Place, started: Instant, terminal: Option<OwnedFd>) -> Self {
        Self {
            place,
            started,
            killed: None,
            forced: false,
            terminal,
            listeners: Listeners::default(),
            ended: None,
        }
    }

    /// The host's process id of the init that this program has to itself; `None` in a session.
    pub fn init_id(&self) -> Option<u32> {
        match &self.place {
            Place::Own(supervisor) => Some(supervisor.pid.unsigned_abs()),
            Place::Guest { .. } => None,
        }
    }

    /// The host's side of the program's terminal, if it was given one; the first time.
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// The listeners that were made inside; the first time, and none where the program is one of a
    /// session's, which has them itself. Those that nobody takes are closed with this.
    pub fn take_listeners(&mut self) -> Listeners {
        std::mem::take(&mut self.listeners)
    }

    /// What makes sockets in the program's network namespace; `None` where the program is one of a session's,
    /// which gives it out itself.
    pub fn connector(&self) -> Option<Connector> {
        match &self.place {
            Place::Own(supervisor) => Some(supervisor.connector()),
            Place::Guest { .. } => None,
        }
    }

    /// Becomes readable when the program has ended, for event loops. Reading is left to
    /// [`Process::wait`].
    pub fn readiness(&self) -> BorrowedFd<'_> {
        match &self.place {
            Place::Own(supervisor) => supervisor.control.socket.as_fd(),
            Place::Guest { socket, .. } => socket.as_fd(),
        }
    }

    /// Waits until the program has ended and, if it is the only one, every process of the sandbox is
    /// gone; with a `timeout`, at most that long: `None` when it still runs then. The timeout is about
    /// waiting only; it ends nothing.
    ///
    /// # Errors
    /// [`WaitError`] when the kernel refuses to wait.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Result<Option<Ended>, WaitError> {
        if let Some(ended) = &self.ended {
            return Ok(Some(ended.clone()));
        }
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let grace = self.killed.map(|at| at + GRACE);
        let reply = loop {
            let until = deadline
                .into_iter()
                .chain(grace.filter(|_| !self.forced))
                .min();
            match receive(self.readiness(), until) {
                Ok(answer) => break answer.map(|answer| answer.reply),
                Err(Errno(libc::ETIMEDOUT)) if until == deadline => return Ok(None),
                Err(Errno(libc::ETIMEDOUT)) => {
                    self.force();
                    self.forced = true;
                }
                Err(errno) => return Err(WaitError::Wait(errno)),
            }
        };
        let mut ended = Ended {
            wall: self.started.elapsed(),
            ..Ended::default()
        };
        let mut how = libc::SIGKILL;
        match &mut self.place {
            Place::Own(supervisor) => {
                let exit = supervisor.reap().map_err(WaitError::Wait)?;
                how = exit.and_then(|exit| exit.signal).unwrap_or(how);
                ended.cgroup = supervisor.remove_cgroup();
                let oom_kills = ended.cgroup.as_ref().and_then(|stats| stats.oom_kills);
                ended.oom_killed = oom_kills.unwrap_or(0) > 0;
            }
            Place::Guest { session, .. } => {
                ended.cgroup = session.upgrade().and_then(|session| session.stats());
            }
        }
        match reply {
            Some(reply) if reply.kind == protocol::EXITED => ended.fill(&reply),
            // init was killed, and the program with it.
            _ => ended.signal = Some(how),
        }
        if let Place::Guest { oom_kills, .. } = &self.place {
            let now = ended.cgroup.as_ref().and_then(|stats| stats.oom_kills);
            ended.oom_killed = ended.signal == Some(libc::SIGKILL) && now.unwrap_or(0) > *oom_kills;
        }
        self.ended = Some(ended.clone());
        Ok(Some(ended))
    }

    /// Kills the program and every descendant; in a session, those still in its session (setsid(2)).
    /// [`Process::wait`] then tells how it ended.
    ///
    /// # Errors
    /// None when all has ended already; else the kernel's answer.
    pub fn kill(&mut self) -> Result<(), Errno> {
        if self.ended.is_some() {
            return Ok(());
        }
        self.killed.get_or_insert_with(Instant::now);
        match &self.place {
            Place::Own(supervisor) => supervisor.release(),
            Place::Guest { socket, .. } => hang_up(socket.as_fd()),
        }
    }

    /// Kills the program and waits for its end, whatever comes of it.
    pub fn end(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let _ = self.kill();
        match &mut self.place {
            Place::Own(supervisor) => drop(supervisor.reap()),
            Place::Guest { socket, .. } => {
                drop(receive(socket.as_fd(), Some(Instant::now() + GRACE)));
            }
        }
    }

    /// Sends a signal to the program.
    ///
    /// # Errors
    /// `EPIPE` when it has ended.
    pub fn signal(&self, signal: i32) -> Result<(), Errno> {
        let request = Request {
            kind: protocol::SIGNAL,
            argument: signal.unsigned_abs(),
            ..Request::default()
        };
        socket::send_with_fds(self.readiness(), &request.to_bytes(), &[], 0).map(drop)
    }

    /// init was told to end the program and has not: it is ended itself. One of a session's programs
    /// got its SIGKILL from init; nothing more can be done for it without the others.
    fn force(&self) {
        if let Place::Own(supervisor) = &self.place {
            supervisor.force();
        }
    }
}

impl Ended {
    pub(crate) fn of_session(wall: Duration, stats: Option<Stats>) -> Self {
        let oom_kills = stats.as_ref().and_then(|stats| stats.oom_kills);
        Self {
            wall,
            oom_killed: oom_kills.unwrap_or(0) > 0,
            cgroup: stats,
            ..Self::default()
        }
    }

    pub(crate) fn fill(&mut self, reply: &protocol::Reply) {
        // The wait status of the kernel (wait(2)): the low seven bits are the signal.
        let signal = reply.value & 0x7f;
        self.timed_out = reply.detail & protocol::TIMED_OUT != 0;
        self.signal = (signal != 0).then_some(signal);
        self.code = (signal == 0).then_some((reply.value >> 8) & 0xff);
        self.usage = Usage {
            user: Duration::from_micros(reply.user),
            system: Duration::from_micros(reply.system),
            max_rss: reply.max_rss,
            major_faults: reply.major_faults,
            context_switches: reply.context_switches,
        };
        if self.timed_out {
            self.signal = Some(libc::SIGKILL);
            self.code = None;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}
