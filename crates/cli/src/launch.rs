//! From a command line to a place where programs can be started.

use crate::args::{PolicyArguments, RecordArguments, ReviewArguments};
use crate::compose::{self, ComposeError, Composed};
use crate::denied::Denied;
use crate::failure::RunFailure;
use crate::review::Selection;
use crate::{hint, progress, records};
use cofferdam::image::Image;
use cofferdam::{Child, Command, Sandbox, Session, Snapshot, SnapshotError, SpawnError};
use std::ffi::{OsStr, OsString};

/// What a command line asks for, checked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub composed: Composed,
    pub selection: Option<Selection>,
    /// There is something to be looked at afterwards.
    pub has_overlay: bool,
}

/// Composes the policy, and refuses options that mean nothing with it.
pub(crate) fn ask(
    policy: &PolicyArguments,
    review: &ReviewArguments,
) -> Result<Asked, ComposeError> {
    let composed = compose::compose(policy)?;
    let has_overlay = compose::has_overlay(&composed.policy.filesystem);
    let given = [
        (!review.apply.apply.is_empty(), "--apply"),
        (review.apply.diff, "--diff"),
        (review.save.is_some(), "--save"),
        (review.from.is_some(), "--from"),
    ];
    if let Some((_, option)) = given.iter().find(|(given, _)| *given && !has_overlay) {
        return Err(ComposeError::ReviewOfNothing(option));
    }
    Ok(Asked {
        selection: Selection::new(&review.apply.apply, review.apply.apply_risky)?,
        composed,
        has_overlay,
    })
}

/// A sandbox, and what it needs to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub sandbox: Sandbox,
    pub selection: Option<Selection>,
    /// What the gate denied so far.
    pub denied: Denied,
    variables: Vec<(OsString, OsString)>,
    has_overlay: bool,
    from: Option<Snapshot>,
    /// Keeps the image from being removed.
    image: Option<Image>,
}

impl Launch {
    /// Prepares all that a start needs, and starts nothing.
    pub(crate) fn prepare(
        policy: &PolicyArguments,
        review: &ReviewArguments,
        record: &RecordArguments,
    ) -> Result<Self, RunFailure> {
        let asked = ask(policy, review)?;
        let from = review.from.as_deref().map(Snapshot::open).transpose();
        let from = from.map_err(RunFailure::Snapshot)?;
        if let Some(name) = &review.save {
            // It would be a pity to learn it when all is done.
            match Snapshot::open(name) {
                Err(SnapshotError::NotFound(_)) => {}
                Ok(_) => return Err(RunFailure::Taken(name.clone())),
                Err(error) => return Err(RunFailure::Snapshot(error)),
            }
        }
        let Composed { policy, variables } = asked.composed;
        let image = progress::unpack(&policy.filesystem.root)?;
        let denied = Denied::default();
        let heard = denied.clone();
        let mut builder = Sandbox::builder();
        if let Some(audit) = records::of_run(record, &policy)? {
            builder = builder.audit(audit);
            if record.trace {
                builder = builder.trace_files();
            }
            if record.kernel_log {
                builder = builder.kernel_log();
            }
        }
        Ok(Self {
            sandbox: builder
                .policy(policy)
                .on_network_event(move |event| heard.hear(&event))
                .build()?,
            denied,
            selection: asked.selection,
            variables,
            has_overlay: asked.has_overlay,
            from,
            image,
        })
    }

    /// The words of a command: those that were typed, or else the image's.
    pub(crate) fn words(&self, typed: &[OsString]) -> Result<Vec<OsString>, RunFailure> {
        if !typed.is_empty() {
            return Ok(typed.to_vec());
        }
        let image = self.image.as_ref().ok_or(RunFailure::NoCommand)?;
        let words = [&image.config.entrypoint[..], &image.config.command[..]].concat();
        match words.is_empty() {
            true => Err(RunFailure::NoEntrypoint),
            false => Ok(words),
        }
    }

    /// Puts up what has to outlive the command: a session, where its changes are to be looked at.
    pub(crate) fn start(&self) -> Result<Place<'_>, RunFailure> {
        let session = match &self.from {
            Some(snapshot) => Some(self.sandbox.start_from(snapshot)),
            None if self.has_overlay => Some(self.sandbox.start()),
            None => None,
        };
        let session = session.transpose().map_err(|error| self.failed(error))?;
        Ok(Place {
            launch: self,
            session,
        })
    }

    fn failed(&self, error: SpawnError) -> RunFailure {
        RunFailure::Spawn {
            hints: hint::for_spawn(&error, self.sandbox.policy()),
            error,
        }
    }
}

/// Where a command is started.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    launch: &'a Launch,
    pub session: Option<Session>,
}

impl Place<'_> {
    /// A command with the variables that were typed.
    pub(crate) fn command(&self, program: &OsStr) -> Command {
        let mut command = match &self.session {
            Some(session) => session.command(program),
            None => self.launch.sandbox.command(program),
        };
        command.envs(
            self.launch
                .variables
                .iter()
                .map(|(name, value)| (name, value)),
        );
        command
    }

    /// Starts a command.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Child, RunFailure> {
        command.spawn().map_err(|error| self.launch.failed(error))
    }
}
