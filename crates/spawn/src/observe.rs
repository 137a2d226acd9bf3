//! Hearing of the programs that are executed inside, and of the calls that are refused.
//!
//! A filter with a listener has execve(2) and refused calls wait (seccomp_unotify(2)). One thread of the host
//! answers for all sandboxes of a plan: it reads what is to be executed from the caller's memory, tells the
//! sandbox's [`Observer`], and lets the kernel go on. That observes and holds nothing: the kernel reads path and
//! arguments again, and another thread of the program can change them in between.
//!
//! While the thread is busy with one call the others wait, so an observer has to be quick. When it ends, what
//! waits fails with `ENOSYS`.

mod arguments;

use crate::error::SpawnError;
use crate::start::host;
use cofferdam_sys::process::SignalMask;
use cofferdam_sys::seccomp::{self, Answer, Notification};
use cofferdam_sys::{Errno, epoll, fd};
use std::collections::HashMap;
use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

/// Who hears of a sandbox's calls. Called on the thread of the observation.
pub trait Observer: Send + Sync {
    /// A program is about to be executed.
    ///
    /// # Errors
    /// What the call fails with; then nothing is executed.
    fn exec(&self, exec: &Exec) -> Result<(), Errno>;

    /// A call is refused: it fails with `EPERM` when this returns.
    fn refused(&self, call: &Refused);
}

/// A program that is about to be executed. All of it is the caller's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exec {
    /// The process, as the host numbers it.
    pub pid: u32,
    /// Its parent; 0 if that is not known.
    pub parent: u32,
    /// The path as it was given, at most 4096 bytes; `None` if it cannot be read.
    pub path: Option<Vec<u8>>,
    /// The arguments: at most 64, of at most 1024 bytes each and 8192 together.
    pub argv: Vec<Vec<u8>>,
    /// Not everything of the arguments was read.
    pub truncated: bool,
}

/// A call that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// The thread, as the host numbers it.
    pub pid: u32,
    /// The call's number, on this machine's architecture.
    pub number: u32,
    /// Its six arguments.
    pub args: [u64; 6],
}

/// The thread that answers. It is started with the first sandbox and ends when this is dropped.
#[derive(Default)]
pub struct Observation {
    running: Mutex<Option<Running>>,
}

struct Running {
    shared: Arc<Mutex<Vec<Newcomer>>>,
    /// One byte wakes the thread; the end of it ends the thread.
    wake: OwnedFd,
    thread: JoinHandle<()>,
}

/// A listener with who hears of its calls.
type Newcomer = (OwnedFd, Arc<dyn Observer>);

impl Observation {
    /// Starts the thread unless it runs.
    pub(crate) fn ensure(&self) -> Result<(), SpawnError> {
        let mut running = self.lock();
        if running.is_none() {
            *running = Some(host("the thread of the observation", Running::start())?);
        }
        Ok(())
    }

    /// Has the thread answer for one more sandbox.
    pub(crate) fn attach(&self, listener: OwnedFd, observer: Arc<dyn Observer>) {
        // Older kernels wake another processor up.
        let _ = seccomp::set_sync_wake_up(listener.as_fd());
        if let Some(running) = &*self.lock() {
            let newcomers = running.shared.lock();
            let mut newcomers = newcomers.unwrap_or_else(PoisonError::into_inner);
            newcomers.push((listener, observer));
            drop(newcomers);
            let _ = fd::write(running.wake.as_fd(), &[0]);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn start() -> Result<Self, Errno> {
        let epoll = epoll::create()?;
        let (woken, wake) = fd::pipe()?;
        epoll::add(epoll.as_fd(), woken.as_fd(), WAKE)?;
        let shared = Arc::default();
        let newcomers = Arc::clone(&shared);
        // The host's signal handlers have no business in this thread.
        let mask = SignalMask::FULL.set()?;
        let thread = std::thread::Builder::new()
            .name("cofferdam-watch".into())
            .spawn(move || answer_all(&epoll, &woken, &newcomers));
        mask.set()?;
        let thread = thread.map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EAGAIN)))?;
        Ok(Self {
            shared,
            wake,
            thread,
        })
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let running = self.running.get_mut();
        let running = running.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Running { wake, thread, .. }) = running {
            drop(wake);
            // An observer may hold the last handle of what this belongs to.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("running", &self.lock().is_some())
            .finish()
    }
}

/// The key of the pipe that wakes the thread.
const WAKE: u64 = 0;

/// The thread: answers until the pipe ends. What fails here is a listener whose programs are gone.
fn answer_all(epoll: &OwnedFd, woken: &OwnedFd, newcomers: &Mutex<Vec<Newcomer>>) {
    let mut all: HashMap<u64, Newcomer> = HashMap::new();
    let mut next = WAKE + 1;
    loop {
        let ready = match epoll::wait(epoll.as_fd()) {
            Ok(ready) => ready,
            Err(Errno(libc::EINTR)) => continue,
            Err(_) => return,
        };
        for ready in ready {
            if ready.key == WAKE {
                let mut bytes = [0; 64];
                match fd::read(woken.as_fd(), &mut bytes) {
                    Ok(0) => return,
                    _ => {
                        let new = newcomers.lock();
                        let new = std::mem::take(&mut *new.unwrap_or_else(PoisonError::into_inner));
                        for newcomer in new {
                            if epoll::add(epoll.as_fd(), newcomer.0.as_fd(), next).is_ok() {
                                all.insert(next, newcomer);
                                next += 1;
                            }
                        }
                    }
                }
                continue;
            }
            let Some((listener, observer)) = all.get(&ready.key) else {
                continue;
            };
            if ready.readable {
                // One call of each sandbox in turn.
                if let Ok(call) = seccomp::receive(listener.as_fd()) {
                    let answer = decide(listener, &call, observer.as_ref());
                    let _ = seccomp::answer(listener.as_fd(), call.id, answer);
                }
            } else if ready.ended {
                // Closing it takes it from the set too.
                all.remove(&ready.key);
            }
        }
    }
}

fn decide(listener: &OwnedFd, call: &Notification, observer: &dyn Observer) -> Answer {
    match i64::from(call.number) {
        libc::SYS_execve | libc::SYS_execveat => {
            let exec = arguments::read(call);
            // What was read of a thread that has gone meanwhile can be another one's.
            if !seccomp::still_waits(listener.as_fd(), call.id) {
                return Answer::Fail(Errno(libc::EINTR));
            }
            match observer.exec(&exec) {
                Ok(()) => Answer::Continue,
                Err(errno) => Answer::Fail(errno),
            }
        }
        number => {
            observer.refused(&Refused {
                pid: call.pid,
                number: number as u32,
                args: call.args,
            });
            Answer::Fail(Errno(libc::EPERM))
        }
    }
}

/// For a filter with a listener and nobody who wants to hear.
pub(crate) struct Unheard;

impl Observer for Unheard {
    fn exec(&self, _: &Exec) -> Result<(), Errno> {
        Ok(())
    }

    fn refused(&self, _: &Refused) {}
}
