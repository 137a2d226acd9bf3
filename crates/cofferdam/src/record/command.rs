//! The record of one command.

use super::denials::{Mark, Told};
use super::stderr::{self, About, Inferred};
use super::{Leaves, Recorder, convert, limits, lock};
use crate::error::SpawnError;
use crate::lower::Lowered;
use crate::output::ExitStatus;
use crate::taken::TakenAway;
use cofferdam_audit::event::{Context, Network, NetworkAct};
use cofferdam_audit::{Audit, Denial, Event};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What is recorded of a command before it is started.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The program, as it was named, and its arguments.
    pub argv: &'a [&'a OsStr],
    /// The working directory inside.
    pub directory: &'a Path,
    /// The variables that are set for it alone.
    pub variables: &'a [&'a OsStr],
    /// The tool call it is started under.
    pub under: Option<&'a Context>,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            argv: &[],
            directory: Path::new(""),
            variables: &[],
            under: None,
        }
    }
}

/// The record of one command.
#[derive(Debug)]
pub(crate) struct CommandRecord {
    recorder: Recorder,
    context: Context,
    /// Its environment ends with it.
    alone: bool,
    mark: Mark,
    /// What was refused, once it has ended.
    told: Option<Told>,
}

impl Recorder {
    /// Records that a command is about to be started; `alone` if the environment is there for it only.
    ///
    /// # Errors
    /// [`SpawnError::Record`]: it must not be started.
    pub(crate) fn command(
        &self,
        asked: &Asked<'_>,
        alone: bool,
    ) -> Result<CommandRecord, SpawnError> {
        let mut context = self.context();
        put_under(&mut context, asked);
        context.command = self.inner.audit.as_ref().map(Audit::next_id);
        if self.records() && alone {
            // All that happens there is its.
            lock(&self.inner.under).clone_from(&context);
        }
        let record = CommandRecord {
            recorder: self.clone(),
            alone,
            mark: self.denials().begin(),
            told: None,
            context,
        };
        let context = record.context.clone();
        self.record(context.clone(), || Event::CommandStarted {
            argv: argv(asked.argv),
            cwd: convert::path(asked.directory),
            variables: argv(asked.variables),
        })
        .map_err(SpawnError::Record)?;
        if self.records() {
            if let (Some(command), false) = (context.command, alone) {
                let argv = asked.argv.iter().map(|one| one.as_bytes().to_vec());
                lock(&self.inner.families).expect(command, argv.collect());
            }
            lock(&self.inner.running).push((context, record.mark));
        }
        Ok(record)
    }
}

/// Records that a command was refused before an environment was there for it.
pub(crate) fn failed_before(
    audit: &Audit,
    mut context: Context,
    asked: &Asked<'_>,
    error: &SpawnError,
) {
    context.command = Some(audit.next_id());
    put_under(&mut context, asked);
    let event = Event::CommandFailed {
        argv: argv(asked.argv),
        error: error.to_string(),
    };
    // What it tells of is not done anyway.
    let _ = audit.record(context, event);
}

impl CommandRecord {
    /// The record of its environment.
    pub(crate) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// It runs.
    pub(crate) fn started(&self) {
        if let Some(command) = self.context.command {
            lock(&self.recorder.inner.families).started(command);
        }
    }

    /// Records that it could not be started.
    pub(crate) fn failed(mut self, asked: &Asked<'_>, error: &SpawnError) {
        let _ = self
            .recorder
            .record(self.context.clone(), || Event::CommandFailed {
                argv: argv(asked.argv),
                error: error.to_string(),
            });
        self.settle();
    }

    /// Records its end, with the limits it hit, what was taken away and what it `said` of refusals before it,
    /// and, of one that is alone, the end of its environment.
    pub(crate) fn ended(
        &mut self,
        lowered: &Lowered,
        status: &ExitStatus,
        said: &[u8],
        leaves: &Leaves,
    ) {
        if self.told.is_some() {
            return;
        }
        self.recorder.catch_up_with_landlock();
        self.infer(lowered, status, said);
        let usage = status.usage().recorded();
        for (limit, denial) in limits::hit(&self.recorder, lowered, status) {
            self.recorder.denials().add(Some(self.mark), denial.clone());
            let _ = self
                .recorder
                .record(self.context.clone(), || Event::LimitHit {
                    limit: limit.into(),
                    denial,
                });
        }
        self.taken(status.taken_away());
        self.recorder.tell_refused_of(self.context.command);
        self.recorder.tell_untold_files();
        let _ = self
            .recorder
            .record(self.context.clone(), || Event::CommandEnded {
                code: status.code(),
                signal: status.signal(),
                usage: usage.clone(),
            });
        if self.alone {
            leaves.discard(&self.recorder);
            self.recorder.end(usage);
        }
        self.settle();
    }

    /// Adds and records what its standard error, as far as it was captured, tells of refusals.
    pub(crate) fn infer(&mut self, lowered: &Lowered, status: &ExitStatus, said: &[u8]) {
        if status.success() {
            return;
        }
        for Inferred { denial, about } in stderr::inferred(lowered, status, said) {
            let denials = self.recorder.denials();
            denials.add(Some(self.mark), denial.clone());
            if let Some(event) = about.event(denial) {
                let _ = self.recorder.record(self.context.clone(), || event);
            }
        }
        if self.told.is_some() {
            self.told = Some(self.recorder.denials().of(self.mark));
        }
    }

    /// What it was refused so far.
    pub(crate) fn told(&self) -> Told {
        match &self.told {
            Some(told) => told.clone(),
            None => self.recorder.denials().of(self.mark),
        }
    }

    fn taken(&self, taken: &[TakenAway]) {
        self.recorder.taken(&self.context, Some(self.mark), taken);
    }

    fn settle(&mut self) {
        if self.recorder.records() {
            let mut running = lock(&self.recorder.inner.running);
            running.retain(|(one, _)| one.command != self.context.command);
            drop(running);
            if let Some(command) = self.context.command {
                lock(&self.recorder.inner.families).ended(command);
            }
        }
        self.told = Some(self.recorder.denials().of(self.mark));
    }
}

/// One that is dropped without an end that is known, as where its start failed later on.
impl Drop for CommandRecord {
    fn drop(&mut self) {
        if self.told.is_none() {
            self.settle();
        }
    }
}

impl About {
    fn event(self, denial: Denial) -> Option<Event> {
        Some(match self {
            About::File(path) => Event::FileDenied {
                pid: 0,
                path,
                times: 1,
                denial,
            },
            About::Network(host) => Event::Network(Network {
                denial: Some(denial),
                ..Network::new(NetworkAct::Connection, host.unwrap_or_default(), None)
            }),
            About::Limit(limit) => Event::LimitHit {
                limit: limit.into(),
                denial,
            },
            About::Other => return None,
        })
    }
}

/// The command's own tool call takes the place of its environment's.
fn put_under(context: &mut Context, asked: &Asked<'_>) {
    if let Some(under) = asked.under.filter(|under| under.span.is_some()) {
        context.span = under.span;
        context.trace = under.trace;
    }
}

fn argv(argv: &[&OsStr]) -> Vec<String> {
    argv.iter().map(|one| convert::text(one)).collect()
}
