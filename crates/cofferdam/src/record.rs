//! The record of what sandboxes do, and what is told of their refusals.
//!
//! An event is recorded before what it tells of is done, wherever that can still be refused: an
//! environment is recorded before anything runs in it, a program before it is started (if that then
//! fails, a second event says so), a connection before it is opened, a change before it is applied. What
//! has happened already (an end, a denial) is recorded as far as the sinks take it.

mod calls;
mod command;
mod convert;
mod denials;
mod families;
mod files;
mod inside;
mod kernel_log;
mod landlock;
mod limits;
#[cfg(feature = "egress")]
mod network;
mod once;
mod remedy;
mod shown;
mod stderr;
mod traced;

pub(crate) use command::{Asked, CommandRecord, failed_before};
pub(crate) use denials::Denials;
pub(crate) use files::{Held, Leaves};
pub(crate) use inside::Ear;
pub(crate) use kernel_log::KernelLog;
#[cfg(feature = "egress")]
pub(crate) use network::{Route, Routes};
pub(crate) use shown::Shown;

use calls::RefusedCalls;
use denials::Mark;
use families::Families;
use landlock::ByLandlock;
use traced::Traced;

use crate::enforcement::LayerReport;
use crate::error::SpawnError;
use crate::lower::Lowered;
use cofferdam_audit::event::{Context, Usage};
use cofferdam_audit::{Audit, Event, SinkError};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The record of one environment: of a session, or of a single command. Without an [`Audit`] it collects
/// denials and does nothing else.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    audit: Option<Audit>,
    session: Option<u64>,
    denials: Denials,
    /// Where events belong that no command is known of.
    under: Mutex<Context>,
    /// The commands that run.
    running: Mutex<Vec<(Context, Mark)>>,
    /// Which process belongs to which of them, in a session.
    families: Mutex<Families>,
    refused_calls: Mutex<RefusedCalls>,
    /// Where files are traced.
    traced: Option<Traced>,
    /// Where the kernel's audit log is read.
    by_landlock: Option<ByLandlock>,
    /// The host's number of process 1; 0 where it is not known.
    init: u32,
    /// Forks that were refused so far, of all commands.
    forks_refused: AtomicU64,
    since: Instant,
    /// The end is recorded.
    ended: AtomicBool,
}

impl Recorder {
    /// Records that an environment was put up, whose process 1 has this id.
    ///
    /// # Errors
    /// [`SpawnError::Record`]: the environment must not be used.
    pub(crate) fn start(lowered: &Lowered, pid: u32) -> Result<Self, SpawnError> {
        let audit = lowered.audit.clone();
        let recorder = Self {
            inner: Arc::new(Inner {
                session: audit.as_ref().map(Audit::next_id),
                audit,
                denials: Denials::default(),
                under: Mutex::default(),
                running: Mutex::default(),
                families: Mutex::default(),
                refused_calls: Mutex::default(),
                traced: lowered.traces().then(|| Traced::new(lowered.shown.clone())),
                by_landlock: lowered
                    .kernel_log
                    .as_ref()
                    .map(|log| ByLandlock::new(lowered.shown.clone(), Arc::clone(log))),
                init: pid,
                forks_refused: AtomicU64::new(0),
                since: Instant::now(),
                ended: AtomicBool::new(false),
            }),
        };
        let started = recorder.record(recorder.context(), || Event::SessionStarted {
            policy: convert::digest(&lowered.policy),
            enforcement: lowered.reports.iter().map(LayerReport::state_of).collect(),
            workspace: workspace(lowered),
            pid,
        });
        if let Err(error) = started {
            // It has not begun, so no end is recorded either.
            recorder.inner.ended.store(true, Ordering::Relaxed);
            return Err(SpawnError::Record(error));
        }
        Ok(recorder)
    }

    /// Whether events go anywhere.
    pub(crate) fn records(&self) -> bool {
        self.inner.audit.is_some()
    }

    /// What was refused so far.
    pub(crate) fn denials(&self) -> &Denials {
        &self.inner.denials
    }

    /// From now on, what belongs to no command of its own belongs to this tool call.
    pub(crate) fn set_under(&self, under: &Context) {
        *lock(&self.inner.under) = Context {
            span: under.span,
            trace: under.trace,
            ..Context::default()
        };
    }

    /// Where an event belongs that is the environment's as a whole.
    pub(crate) fn context(&self) -> Context {
        let under = lock(&self.inner.under);
        Context {
            session: self.inner.session,
            command: None,
            span: under.span,
            trace: under.trace,
        }
    }

    /// Where an event belongs of which only the environment is known. The command is known where the
    /// environment is its own; else the tool call is known, if all that runs under one runs under the same.
    pub(crate) fn context_inside(&self) -> Context {
        let under = lock(&self.inner.under).clone();
        if under.command.is_some() {
            return Context {
                session: self.inner.session,
                ..under
            };
        }
        let running = lock(&self.inner.running);
        let mut spans = running
            .iter()
            .map(|(one, _)| one)
            .filter(|one| one.span.is_some());
        let Some(first) = spans.next() else {
            drop(running);
            return self.context();
        };
        match spans.all(|one| one.span == first.span) {
            true => Context {
                session: self.inner.session,
                command: None,
                span: first.span,
                trace: first.trace,
            },
            false => Context {
                session: self.inner.session,
                ..Context::default()
            },
        }
    }

    /// Records the end; what is recorded afterwards is about what is left of it.
    pub(crate) fn end(&self, usage: Usage) {
        if !self.inner.ended.swap(true, Ordering::Relaxed) {
            let _ = self.record(self.context(), || Event::SessionEnded { usage });
        }
    }

    /// Records an event, if events go anywhere.
    ///
    /// # Errors
    /// [`SinkError`]: what the event tells of must not be done.
    pub(crate) fn record(
        &self,
        context: Context,
        event: impl FnOnce() -> Event,
    ) -> Result<(), SinkError> {
        match &self.inner.audit {
            None => Ok(()),
            Some(audit) => audit.record(context, event()),
        }
    }

    /// The command's beginning in the list of denials, while it runs.
    fn mark_of(&self, command: Option<u64>) -> Option<Mark> {
        let running = lock(&self.inner.running);
        let one = running.iter().find(|(one, _)| one.command == command)?;
        command.map(|_| one.1)
    }
}

/// One that was put up and never used, or whose start failed.
impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(audit) = &self.audit
            && !*self.ended.get_mut()
        {
            let under = lock(&self.under);
            let context = Context {
                session: self.session,
                command: None,
                span: under.span,
                trace: under.trace,
            };
            let usage = Usage {
                wall_us: convert::micros(self.since.elapsed()),
                ..Usage::default()
            };
            let _ = audit.record(context, Event::SessionEnded { usage });
        }
    }
}

fn workspace(lowered: &Lowered) -> Option<String> {
    let workspace = lowered.policy.filesystem.workspace.as_ref()?;
    Some(convert::path(workspace))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
