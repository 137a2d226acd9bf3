//! Hearing of the programs that are executed inside, and of the calls that are refused.
//!
//! A filter with a listener has execve(2) and refused calls wait (seccomp_unotify(2)). A thread of the host
//! answers for the sandboxes of a plan: it reads what is to be executed from the caller's memory, tells the
//! sandbox's [`Observer`], and lets the kernel go on. That observes and holds nothing: the kernel reads path and
//! arguments again, and another thread of the program can change them in between.
//!
//! While the thread is busy with one call the others wait, so an observer has to be quick. When it ends, what
//! waits fails with `ENOSYS`.

mod access;
mod arguments;

pub use arguments::family;

use crate::error::SpawnError;
use crate::start::host;
pub use access::{Access, Intent};
use cofferdam_seccomp::{Arch, TRACED};
use cofferdam_sys::poll::Poll;
use cofferdam_sys::process::SignalMask;
use cofferdam_sys::seccomp::{self, Answer, Notification};
use cofferdam_sys::{Errno, fd, poll};
use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Who hears of a sandbox's calls. Called on the thread of the observation.
pub trait Observer: Send + Sync {
    /// A program is about to be executed.
    ///
    /// # Errors
    /// What the call fails with; then nothing is executed.
    fn exec(&self, exec: &Exec) -> Result<(), Errno>;

    /// A call is refused: it fails with `EPERM` when this returns.
    fn refused(&self, call: &Refused);

    /// A file is about to be used, where the filter is [traced](cofferdam_seccomp::Profile::traced). The call goes
    /// on when this returns.
    fn access(&self, _: &Access) {}
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

/// The threads that answer: one with the first sandbox, and more with many. They end when this is dropped.
#[derive(Default)]
pub struct Observation {
    threads: Mutex<Vec<Answerer>>,
}

/// Sandboxes of one thread: they wait for each other, and each costs the others a little at every call.
const SHARE: usize = 32;

/// Between two tries of a thread that has no memory to wait with.
const PAUSE: Duration = Duration::from_millis(10);

struct Answerer {
    shared: Arc<Shared>,
    /// One byte wakes the thread; the end of it ends the thread.
    wake: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    newcomers: Mutex<Vec<Newcomer>>,
    /// How many sandboxes the thread answers for.
    count: AtomicUsize,
}

/// A listener with who hears of its calls.
struct Newcomer {
    listener: OwnedFd,
    observer: Arc<dyn Observer>,
    /// Calls that name files wait for it too.
    traced: bool,
}

impl Observation {
    /// Makes sure that one more sandbox can be answered for.
    pub(crate) fn ensure(&self) -> Result<(), SpawnError> {
        let mut threads = self.lock();
        if !threads.iter().any(Answerer::has_room) {
            threads.push(host("a thread that observes", Answerer::start())?);
        }
        Ok(())
    }

    /// Has a thread answer for one more sandbox.
    pub(crate) fn attach(
        &self,
        listener: OwnedFd,
        observer: Arc<dyn Observer>,
        traced: bool,
    ) -> Result<(), Errno> {
        // Older kernels wake another processor up.
        let _ = seccomp::set_sync_wake_up(listener.as_fd());
        let threads = self.lock();
        // Others may have taken the last room since: one more is no harm.
        let thread = threads.iter().find(|thread| thread.has_room());
        if let Some(thread) = thread.or(threads.last()) {
            thread.shared.count.fetch_add(1, Ordering::Relaxed);
            thread.shared.lock().push(Newcomer {
                listener,
                observer,
                traced,
            });
            // A thread that does not hear of it would have the sandbox wait for good.
            while let Err(errno) = fd::write(thread.wake.as_fd(), &[0]) {
                if errno != Errno(libc::EINTR) {
                    thread.shared.lock().pop();
                    thread.shared.count.fetch_sub(1, Ordering::Relaxed);
                    return Err(errno);
                }
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Answerer>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Vec<Newcomer>> {
        self.newcomers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answerer {
    fn start() -> Result<Self, Errno> {
        let (woken, wake) = fd::pipe()?;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        // The host's signal handlers have no business in this thread.
        let mask = SignalMask::FULL.set()?;
        let thread = std::thread::Builder::new()
            .name("cofferdam-watch".into())
            .spawn(move || answer_all(&woken, &of_thread));
        mask.set()?;
        let thread = thread.map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EAGAIN)))?;
        Ok(Self {
            shared,
            wake,
            thread: Some(thread),
        })
    }

    fn has_room(&self) -> bool {
        self.shared.count.load(Ordering::Relaxed) < SHARE
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        let threads = self.threads.get_mut();
        for answerer in threads.unwrap_or_else(PoisonError::into_inner).drain(..) {
            let Answerer { wake, thread, .. } = answerer;
            drop(wake);
            // An observer may hold the last handle of what this belongs to.
            if let Some(thread) = thread
                && thread.thread().id() != std::thread::current().id()
            {
                let _ = thread.join();
            }
        }
    }
}

impl fmt::Debug for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("threads", &self.lock().len())
            .finish()
    }
}

/// A thread: answers until the pipe ends. poll(2) and not epoll(7), which would not hand the processor over
/// (`SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP`) but wake another one.
fn answer_all(woken: &OwnedFd, shared: &Shared) {
    let mut all: Vec<Newcomer> = Vec::new();
    let mut polls = vec![Poll::readable(woken.as_fd())];
    loop {
        match poll::wait(&mut polls) {
            Ok(()) => {}
            Err(Errno(libc::EINTR)) => continue,
            // There is memory again, and meanwhile what is observed waits.
            Err(Errno(libc::ENOMEM)) => {
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(_) => return,
        }
        let mut changed = false;
        if polls[0].is_readable() || polls[0].has_ended() {
            match fd::read(woken.as_fd(), &mut [0; 64]) {
                Ok(0) => return,
                _ => all.append(&mut shared.lock()),
            }
            changed = true;
        }
        let mut index = 0;
        all.retain(|sandbox| {
            index += 1;
            // One that has come just now has not been waited for.
            let Some(poll) = polls.get(index) else {
                return true;
            };
            let mut mute = false;
            if poll.is_readable() {
                // One call of each sandbox in turn. One whose thread was killed meanwhile is none.
                let listener = sandbox.listener.as_fd();
                if let Ok(call) = seccomp::receive(listener) {
                    let answer = decide(sandbox, &call);
                    mute = !is_answered(listener, call.id, answer);
                }
            }
            // What waits fails when the listener is closed; else it would wait for good.
            let gone = mute || !poll.is_readable() && poll.has_ended();
            changed |= gone;
            !gone
        });
        if changed {
            shared
                .count
                .store(all.len() + shared.lock().len(), Ordering::Relaxed);
            polls.truncate(1);
            polls.extend(all.iter().map(|one| Poll::readable(one.listener.as_fd())));
        }
    }
}

/// Answers a call, if its thread is still there to hear it. Tries twice.
fn is_answered(listener: BorrowedFd<'_>, id: u64, answer: Answer) -> bool {
    (0..2).any(|_| {
        matches!(
            seccomp::answer(listener, id, answer),
            // The thread was killed, or has its answer.
            Ok(()) | Err(Errno(libc::ENOENT | libc::EINPROGRESS))
        )
    })
}

fn decide(sandbox: &Newcomer, call: &Notification) -> Answer {
    let (listener, observer) = (sandbox.listener.as_fd(), sandbox.observer.as_ref());
    match i64::from(call.number) {
        libc::SYS_execve | libc::SYS_execveat => {
            let exec = arguments::read(call);
            // What was read of a thread that has gone meanwhile can be another one's.
            if !seccomp::still_waits(listener, call.id) {
                return Answer::Fail(Errno(libc::EINTR));
            }
            if sandbox.traced
                && let Some(path) = &exec.path
            {
                let path = access::absolute(call.pid, access::At::Here, path);
                let is_heard = path.is_some() && seccomp::still_waits(listener, call.id);
                if let Some(path) = path.filter(|_| is_heard) {
                    observer.access(&Access {
                        pid: exec.pid,
                        path,
                        intent: Intent::Execute,
                    });
                }
            }
            match observer.exec(&exec) {
                Ok(()) => Answer::Continue,
                Err(errno) => Answer::Fail(errno),
            }
        }
        number if sandbox.traced && is_traced(number as u32) => {
            let all = access::read(call);
            // A call that nobody waits for any more is none, whatever it is answered.
            if seccomp::still_waits(listener, call.id) {
                all.iter().for_each(|one| observer.access(one));
            }
            Answer::Continue
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

/// Whether the filter has this call wait only where it would be allowed.
fn is_traced(number: u32) -> bool {
    let name = Arch::native().name(number);
    name.is_some_and(|name| TRACED.contains(&name))
}

/// For a filter with a listener and nobody who wants to hear.
pub(crate) struct Unheard;

impl Observer for Unheard {
    fn exec(&self, _: &Exec) -> Result<(), Errno> {
        Ok(())
    }

    fn refused(&self, _: &Refused) {}
}
