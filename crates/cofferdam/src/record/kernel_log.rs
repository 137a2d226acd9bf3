//! Reading along in the kernel's audit log: one thread for all environments of this process that asked for it.

use super::{Inner, Recorder, lock};
use cofferdam_landlock::{DenialLog, LogEvent, OpenLogError};
use cofferdam_sys::poll::{self, Poll};
use cofferdam_sys::process::SignalMask;
use cofferdam_sys::{Errno, fd};
use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest that a command's end waits for what the kernel has yet to tell of it, by a thread of its own.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long it has to be quiet for nothing more to come.
const QUIET: Duration = Duration::from_millis(20);

/// Domains that are remembered; the kernel tells of everybody's, and only those of our own are.
const MOST: usize = 64 * 1024;

/// The thread that reads. It ends when nobody holds this any more.
#[derive(Debug)]
pub(crate) struct KernelLog {
    shared: Arc<Shared>,
    /// One byte wakes the thread; the end of it ends the thread.
    wake: Option<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The record of each environment, by the host's number of its process 1.
    environments: Mutex<HashMap<u32, Weak<Inner>>>,
    waits: Mutex<Waits>,
    caught_up: Condvar,
}

/// Those who wait for what has yet to come, numbered from 1.
#[derive(Clone, Copy, Debug, Default)]
struct Waits {
    asked: u64,
    served: u64,
}

impl KernelLog {
    /// The one of this process, or a new one.
    ///
    /// # Errors
    /// Nothing would be heard.
    pub(crate) fn open() -> Result<Arc<Self>, OpenLogError> {
        static OPEN: Mutex<Weak<KernelLog>> = Mutex::new(Weak::new());
        let mut open = lock(&OPEN);
        if let Some(log) = open.upgrade() {
            return Ok(log);
        }
        let log = Arc::new(Self::start(DenialLog::open()?).map_err(OpenLogError::Kernel)?);
        *open = Arc::downgrade(&log);
        Ok(log)
    }

    /// Hears for this record from now on. Nothing may run in its environment yet.
    pub(crate) fn hear_for(&self, init: u32, recorder: &Recorder) {
        let mut environments = lock(&self.shared.environments);
        environments.retain(|_, inner| inner.strong_count() > 0);
        environments.insert(init, Arc::downgrade(&recorder.inner));
    }

    /// Waits until nothing comes any more, so that what has ended is told of.
    pub(super) fn catch_up(&self) {
        let mut waits = lock(&self.shared.waits);
        waits.asked += 1;
        let own = waits.asked;
        if let Some(wake) = &self.wake {
            let _ = fd::write(wake.as_fd(), &[0]);
        }
        let waiting = |waits: &mut Waits| waits.served < own;
        let waited = self
            .shared
            .caught_up
            .wait_timeout_while(waits, PATIENCE, waiting);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn start(log: DenialLog) -> Result<Self, Errno> {
        let (woken, wake) = fd::pipe()?;
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        // The host's signal handlers have no business in this thread.
        let mask = SignalMask::FULL.set()?;
        let thread = std::thread::Builder::new()
            .name("cofferdam-log".into())
            .spawn(move || read_all(log, &woken, &of_thread));
        mask.set()?;
        let thread = thread.map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EAGAIN)))?;
        Ok(Self {
            shared,
            wake: Some(wake),
            thread: Some(thread),
        })
    }
}

impl Drop for KernelLog {
    fn drop(&mut self) {
        drop(self.wake.take());
        // The thread may hold the last handle of a record, and so of this.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// The thread: reads until the pipe ends.
fn read_all(mut log: DenialLog, woken: &OwnedFd, shared: &Shared) {
    let mut domains = HashMap::new();
    loop {
        let Waits { asked, served } = *lock(&shared.waits);
        let mut polls = [Poll::readable(woken.as_fd()), Poll::readable(log.as_fd())];
        let limit = (asked > served || log.is_waiting()).then_some(QUIET);
        match poll::wait_for(&mut polls, limit) {
            Ok(()) => {}
            Err(Errno(libc::EINTR)) => continue,
            // There is memory again.
            Err(Errno(libc::ENOMEM)) => {
                std::thread::sleep(QUIET);
                continue;
            }
            Err(_) => return,
        }
        let [woke, records] = polls;
        if woke.is_readable() {
            // Who asked is served when it has been quiet from now on.
            match fd::read(woken.as_fd(), &mut [0; 16]) {
                Ok(1..) => {}
                _ => return,
            }
        } else if woke.has_ended() {
            return;
        }
        match log.read(|event| hear(event, &mut domains, shared)) {
            Ok(()) => {}
            Err(Errno(libc::ENOBUFS)) => tell_all(shared, Recorder::lost_by_landlock),
            Err(_) => return,
        }
        if !woke.is_readable() && !records.is_readable() && !log.is_waiting() {
            lock(&shared.waits).served = asked;
            shared.caught_up.notify_all();
        }
    }
}

/// Gives what was refused to the record of the environment that refused it.
fn hear(event: LogEvent, domains: &mut HashMap<u64, Weak<Inner>>, shared: &Shared) {
    for domain in &event.domains {
        // Programs inside make domains too, and others on this machine: theirs are not heard of here.
        let environment = lock(&shared.environments).get(&domain.pid).cloned();
        if let Some(environment) = environment
            && domains.len() < MOST
        {
            domains.insert(domain.id, environment);
        }
    }
    for denied in &event.denied {
        if let Some(inner) = domains.get(&denied.domain).and_then(Weak::upgrade) {
            Recorder { inner }.refused_by_landlock(event.pid, denied);
        }
    }
    for gone in &event.gone {
        domains.remove(gone);
    }
}

fn tell_all(shared: &Shared, tell: impl Fn(&Recorder)) {
    let all: Vec<_> = lock(&shared.environments).values().cloned().collect();
    for inner in all.iter().filter_map(Weak::upgrade) {
        tell(&Recorder { inner });
    }
}
