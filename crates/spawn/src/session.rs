//! A live environment: an init that starts programs for as long as it is wanted.

use crate::error::{SpawnError, Stage};
use crate::plan::Plan;
use crate::process::{Ended, Process};
use crate::protocol::{self, OPEN, Request};
use crate::start::{self, Answer, Launched};
use crate::supervisor::{GRACE, Supervisor};
use crate::{Command, Connector, Listeners, Observer, command};
use cofferdam_cgroups::{Cgroup, Stats};
use cofferdam_sys::{Errno, fd, socket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Instant;

/// Walls that stand, with an init behind them that starts programs: many at once, each with its own
/// streams and end. Dropping it ends all of them and waits for their end; so does the end of the host.
#[derive(Debug)]
pub struct Session {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) supervisor: Supervisor,
    flags: u32,
    handed_out: Option<OwnedFd>,
    listeners: Mutex<Listeners>,
    started: Instant,
}

impl Session {
    pub(crate) fn open(
        plan: &Plan,
        observer: Option<Arc<dyn Observer>>,
    ) -> Result<Self, SpawnError> {
        let flags = command::flags(plan.layers());
        let request = Request {
            kind: OPEN,
            argument: flags,
            ..Request::default()
        };
        let Launched {
            supervisor,
            handed_out,
            listeners,
            started,
            ..
        } = start::launch(plan, &request.to_bytes(), &[], observer)?;
        Ok(Self {
            inner: Arc::new(Inner {
                supervisor,
                flags,
                handed_out,
                listeners: Mutex::new(listeners),
                started,
            }),
        })
    }

    /// The process id of init as the host sees it.
    pub fn id(&self) -> u32 {
        self.inner.supervisor.pid.unsigned_abs()
    }

    /// The session has not ended.
    pub fn is_alive(&self) -> bool {
        self.inner.supervisor.is_alive()
    }

    /// The descriptor that the view handed out
    /// ([`Mounts::hands_out`](cofferdam_namespaces::Mounts::hands_out)).
    pub fn handed_out(&self) -> Option<BorrowedFd<'_>> {
        self.inner.handed_out.as_ref().map(OwnedFd::as_fd)
    }

    /// The listeners that were made inside; the first time. Those that nobody takes are closed with the
    /// session.
    pub fn take_listeners(&self) -> Listeners {
        let listeners = self.inner.listeners.lock();
        std::mem::take(&mut *listeners.unwrap_or_else(PoisonError::into_inner))
    }

    /// What makes sockets in this session's network namespace.
    pub fn connector(&self) -> Connector {
        self.inner.supervisor.connector()
    }

    /// The control group of the session.
    pub fn cgroup(&self) -> Option<&Cgroup> {
        self.inner.supervisor.cgroup.as_ref()
    }

    /// Starts one of many programs. Its descendants outlive it; dropping the [`Process`] kills it and
    /// what is still in its session (setsid(2)).
    ///
    /// # Errors
    /// [`SpawnError`]; the program did not run. [`SpawnError::Ended`] when init is gone.
    pub fn spawn(
        &self,
        command: &Command,
        stdio: [BorrowedFd<'_>; 3],
    ) -> Result<Process, SpawnError> {
        let request = command.encode(self.inner.flags, true);
        let (ours, theirs) = start::host("a socket for the program", socket::stream_pair())?;
        let [stdin, stdout, stderr] = stdio;
        let all = [theirs.as_fd(), stdin, stdout, stderr];
        let fds = match command.terminal {
            Some(_) => &all[..1],
            None => &all,
        };
        let oom_kills = self.inner.supervisor.oom_kills();
        let started = Instant::now();
        self.send(&request, fds)?;
        drop(theirs);
        match start::receive(ours.as_fd(), None) {
            Ok(Some(Answer { reply, fd })) if reply.kind == protocol::STARTED => Ok(
                Process::guest(ours, Arc::downgrade(&self.inner), oom_kills, started, fd),
            ),
            Ok(Some(Answer { reply, .. })) if reply.kind == protocol::FAILED => {
                Err(start::not_started(&reply))
            }
            Ok(_) | Err(_) => Err(self.inner.unanswered()),
        }
    }

    /// Starts the only program of this session, with whose end everything ends. A session in which
    /// something was started before is not for this.
    ///
    /// # Errors
    /// [`SpawnError`]; the program did not run, and the session has ended.
    pub fn spawn_only(
        self,
        command: &Command,
        stdio: [BorrowedFd<'_>; 3],
    ) -> Result<Process, SpawnError> {
        let request = command.encode(self.inner.flags, false);
        let fds: &[BorrowedFd<'_>] = match command.terminal {
            Some(_) => &[],
            None => &stdio,
        };
        let started = Instant::now();
        self.send(&request, fds)?;
        let control = self.inner.supervisor.control.socket.as_fd();
        match start::receive(control, None) {
            Ok(Some(Answer { reply, fd })) if reply.kind == protocol::STARTED => {
                match Arc::try_unwrap(self.inner) {
                    Ok(inner) => {
                        let listeners = inner.listeners.into_inner();
                        let listeners = listeners.unwrap_or_else(PoisonError::into_inner);
                        Ok(Process::own(inner.supervisor, started, fd, listeners))
                    }
                    // Another program's handle is looking at it this very moment.
                    Err(inner) => Err(inner.ended()),
                }
            }
            Ok(Some(Answer { reply, .. })) if reply.kind == protocol::FAILED => {
                Err(start::not_started(&reply))
            }
            Ok(_) | Err(_) => Err(self.inner.ended()),
        }
    }

    /// Ends everything and waits for it: the control group's figures, and the time since the start.
    pub fn end(self) -> Ended {
        let started = self.inner.started;
        let stats = match Arc::try_unwrap(self.inner) {
            Ok(mut inner) => {
                let _ = inner.supervisor.release();
                let _ = inner.supervisor.reap();
                inner.supervisor.remove_cgroup()
            }
            // A handle that looks at it this very moment ends it when it is done.
            Err(_) => None,
        };
        Ended::of_session(started.elapsed(), stats)
    }

    fn send(&self, request: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), SpawnError> {
        let control = &self.inner.supervisor.control;
        let _one = control.sending.lock();
        let control = control.socket.as_fd();
        let mut done = 0;
        while done < request.len() {
            let fds = if done == 0 { fds } else { &[] };
            match socket::send_with_fds(control, &request[done..], fds, 0) {
                Ok(n) => done += n,
                Err(Errno(libc::EINTR)) => {}
                Err(Errno(libc::EPIPE | libc::ECONNRESET)) => return Err(self.inner.ended()),
                // Nothing of this request has gone out, or init could make nothing of the rest.
                Err(errno) => {
                    if done > 0 {
                        self.inner.supervisor.force();
                    }
                    return start::host("the request to init", Err(errno));
                }
            }
        }
        Ok(())
    }
}

impl Inner {
    /// A program's socket has closed without a word: init has ended, or could not take the socket.
    fn unanswered(&self) -> SpawnError {
        // The kernel closes descriptors somewhat before a process counts as ended.
        match fd::wait_readable(self.supervisor.pidfd.as_fd(), Some(GRACE)) {
            Ok(false) => SpawnError::Program {
                stage: Stage::Stdio,
                errno: Errno(libc::EMFILE),
            },
            _ => self.ended(),
        }
    }

    fn ended(&self) -> SpawnError {
        SpawnError::Ended {
            how: match self.supervisor.oom_kills() {
                0 => "its process 1 is gone".into(),
                _ => "the memory limit killed processes of it".into(),
            },
        }
    }

    /// The group's figures now.
    pub(crate) fn stats(&self) -> Option<Stats> {
        self.supervisor.cgroup.as_ref().map(Cgroup::stats)
    }
}

/// How a process looks at the session it belongs to, without keeping it.
pub(crate) type Owner = Weak<Inner>;
