//! Environments that stand ready before they are wanted.

use crate::command::Command;
use crate::error::SpawnError;
use crate::lower::Lowered;
use crate::record::Recorder;
use crate::sandbox::Sandbox;
use cofferdam_spawn::Session;
use cofferdam_sys::process::SignalMask;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::num::NonZero;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

/// Keeps environments of one sandbox ready, each for one command: a command then starts as fast as a
/// process of the host's own, behind the same walls as any [`Sandbox::command`]. A thread puts a new
/// one up for each that is used. Dropping the pool ends those that stand; commands that run go on.
#[derive(Debug)]
pub struct Pool {
    shared: Arc<Shared>,
    filler: Option<JoinHandle<()>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) lowered: Arc<Lowered>,
    size: usize,
    state: Mutex<State>,
    /// Something was taken, or the pool is over.
    wanted: Condvar,
    /// Something was put up.
    ready: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Ready>,
    over: bool,
}

/// An environment that stands.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) session: Session,
    pub(crate) lowered: Arc<Lowered>,
    pub(crate) recorder: Recorder,
    /// When its layers came to be.
    pub(crate) since: SystemTime,
}

impl Ready {
    /// Puts one up.
    pub(crate) fn new(lowered: &Arc<Lowered>) -> Result<Self, SpawnError> {
        let lowered = lowered.for_start().map_err(SpawnError::prepare)?;
        let since = lowered.since();
        let (session, recorder) = lowered.put_up()?;
        Ok(Self {
            session,
            lowered,
            recorder,
            since,
        })
    }
}

/// How long the thread waits before it tries again what has failed: for lack of memory, say.
const AGAIN: Duration = Duration::from_millis(100);

/// How long a command has the machine to itself before the environment that it used is replaced.
const HEAD_START: Duration = Duration::from_millis(1);

impl Pool {
    pub(crate) fn new(sandbox: &Sandbox, size: NonZero<usize>) -> Result<Self, SpawnError> {
        let lowered = Arc::clone(&sandbox.lowered);
        // The first one here and now, so that walls that cannot be put up are known of.
        let first = Ready::new(&lowered)?;
        let shared = Arc::new(Shared {
            lowered,
            size: size.get(),
            state: Mutex::new(State {
                ready: VecDeque::from([first]),
                over: false,
            }),
            wanted: Condvar::new(),
            ready: Condvar::new(),
        });
        let filler = Arc::clone(&shared);
        let filler = std::thread::Builder::new()
            .name("cofferdam-pool".into())
            .spawn(move || filler.fill())
            .map_err(SpawnError::Thread)?;
        Ok(Self {
            shared,
            filler: Some(filler),
        })
    }

    /// A command that uses one of the environments. With none ready it puts its own up, as
    /// [`Sandbox::command`] does.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::of_pool(&self.shared, program.as_ref())
    }

    /// How many environments stand ready.
    pub fn ready(&self) -> usize {
        self.shared.lock().ready.len()
    }

    /// Waits until all environments stand ready, for at most `limit`; whether they do.
    pub fn wait_ready(&self, limit: Duration) -> bool {
        let state = self.shared.lock();
        let size = self.shared.size;
        let waited = self
            .shared
            .ready
            .wait_timeout_while(state, limit, |state| state.ready.len() < size);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.ready.len() >= size
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().over = true;
        self.shared.wanted.notify_all();
        if let Some(filler) = self.filler.take() {
            let _ = filler.join();
        }
        let ready = std::mem::take(&mut self.shared.lock().ready);
        drop(ready);
    }
}

impl Shared {
    /// Takes an environment that stands, if there is one. [`Shared::refill`] is to be called once the
    /// command has been started in it.
    pub(crate) fn take(&self) -> Option<Ready> {
        loop {
            let taken = self.lock().ready.pop_front();
            match taken {
                // One that was killed meanwhile is of no use.
                Some(ready) if !ready.session.is_alive() => {}
                other => return other,
            }
        }
    }

    /// Has what was taken replaced.
    pub(crate) fn refill(&self) {
        self.wanted.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the pool full until it is over.
    fn fill(&self) {
        // The host's signal handlers have no business in this thread.
        let _ = SignalMask::FULL.set();
        let mut state = self.lock();
        loop {
            if state.over {
                return;
            }
            if state.ready.len() >= self.size {
                let waited = self.wanted.wait(state);
                drop(waited.unwrap_or_else(PoisonError::into_inner));
                // The command that was just started goes first.
                std::thread::sleep(HEAD_START);
                state = self.lock();
                continue;
            }
            drop(state);
            let made = Ready::new(&self.lowered);
            state = self.lock();
            match made {
                Ok(ready) if !state.over => {
                    state.ready.push_back(ready);
                    self.ready.notify_all();
                }
                Ok(ready) => {
                    drop(state);
                    drop(ready);
                    return;
                }
                // A command that finds none ready meets the same error, and reports it.
                Err(_) => {
                    let waited = self.wanted.wait_timeout(state, AGAIN);
                    (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}
