//! A command in a sandbox.

use crate::child::Child;
use crate::egress::{Attachment, Published};
use crate::environment;
use crate::error::{RunError, SpawnError};
use crate::lower::Lowered;
use crate::output::{ExitStatus, Output};
use crate::pool::{self, Ready};
use crate::pty::{Pty, PtySize};
use crate::record::{self, Asked, CommandRecord, Leaves, Recorder};
use crate::sandbox::Sandbox;
use crate::session;
use crate::stdio::{Stdio, Stream, Which};
use cofferdam_audit::event::Context;
use cofferdam_spawn::Process;
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// A command to start in a [`Sandbox`], as `std::process::Command`.
///
/// Standard streams are inherited by [`Command::spawn`] and [`Command::status`], and piped by
/// [`Command::output`] (standard input empty), unless they are set.
#[derive(Debug)]
pub struct Command {
    lowered: Arc<Lowered>,
    place: Place,
    program: OsString,
    arguments: Vec<OsString>,
    /// `None` removes the variable.
    variables: BTreeMap<OsString, Option<OsString>>,
    clear: bool,
    directory: Option<PathBuf>,
    timeout: Option<Duration>,
    streams: [Option<Stdio>; 3],
    terminal: Option<PtySize>,
    /// The tool call under which it is started.
    under: Context,
}

/// Where a command is started.
#[derive(Debug)]
enum Place {
    /// Behind walls of its own.
    Alone,
    /// In a session, which it does not keep alive.
    Session(Weak<session::Inner>),
    /// In an environment of a pool, if one stands ready.
    Pool(Arc<pool::Shared>),
}

/// A program that was started, the process id of the init it runs under, and what was prepared for it.
pub(crate) struct Begun {
    pub(crate) process: Process,
    pub(crate) attachment: Option<Attachment>,
    pub(crate) init: u32,
    pub(crate) lowered: Arc<Lowered>,
    pub(crate) record: CommandRecord,
    /// What it will leave in overlays of its own.
    pub(crate) leaves: Leaves,
}

/// Why a start failed.
struct Failed {
    error: SpawnError,
    /// The record has it already.
    recorded: bool,
}

impl From<SpawnError> for Failed {
    fn from(error: SpawnError) -> Self {
        Self {
            error,
            recorded: false,
        }
    }
}

impl Command {
    pub(crate) fn new(sandbox: &Sandbox, program: &OsStr) -> Self {
        Self::at(Place::Alone, Arc::clone(&sandbox.lowered), program)
    }

    pub(crate) fn in_session(session: &Arc<session::Inner>, program: &OsStr) -> Self {
        let lowered = Arc::clone(&session.lowered);
        Self::at(Place::Session(Arc::downgrade(session)), lowered, program)
    }

    pub(crate) fn of_pool(pool: &Arc<pool::Shared>, program: &OsStr) -> Self {
        let lowered = Arc::clone(&pool.lowered);
        Self::at(Place::Pool(Arc::clone(pool)), lowered, program)
    }

    fn at(place: Place, lowered: Arc<Lowered>, program: &OsStr) -> Self {
        Self {
            lowered,
            place,
            program: program.to_owned(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            clear: false,
            directory: None,
            timeout: None,
            streams: [const { None }; 3],
            terminal: None,
            under: Context::default(),
        }
    }

    /// Adds an argument.
    pub fn arg(&mut self, argument: impl AsRef<OsStr>) -> &mut Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args(&mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> &mut Self {
        for argument in arguments {
            self.arg(argument);
        }
        self
    }

    /// Sets a variable, for this command only.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.variables
            .insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Sets variables, for this command only.
    pub fn envs(
        &mut self,
        variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    ) -> &mut Self {
        for (name, value) in variables {
            self.env(name, value);
        }
        self
    }

    /// Removes a variable that the sandbox would give.
    pub fn env_remove(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.variables.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Removes every variable; also those set on this command before.
    pub fn env_clear(&mut self) -> &mut Self {
        self.clear = true;
        self.variables.clear();
        self
    }

    /// The working directory inside the sandbox; a relative one is taken from the sandbox's own.
    pub fn current_dir(&mut self, directory: impl AsRef<Path>) -> &mut Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// The wall-clock time after which the command is ended with all its descendants. The policy's
    /// own limit holds as well: the shorter of the two.
    pub fn timeout(&mut self, limit: Duration) -> &mut Self {
        self.timeout = Some(limit);
        self
    }

    /// Standard input.
    pub fn stdin(&mut self, stream: impl Into<Stdio>) -> &mut Self {
        self.streams[0] = Some(stream.into());
        self
    }

    /// Standard output.
    pub fn stdout(&mut self, stream: impl Into<Stdio>) -> &mut Self {
        self.streams[1] = Some(stream.into());
        self
    }

    /// Standard error.
    pub fn stderr(&mut self, stream: impl Into<Stdio>) -> &mut Self {
        self.streams[2] = Some(stream.into());
        self
    }

    /// Gives the command a terminal of the sandbox's own as standard input, output and error, with job
    /// control; its other side is [`Child::pty`](crate::Child::pty). [`Command::output`] collects what
    /// is written to it.
    pub fn pty(&mut self, size: PtySize) -> &mut Self {
        self.terminal = Some(size);
        self
    }

    /// Starts it under a tool call: all that is recorded of it carries the span and the trace of this
    /// context. In a [`Session`](crate::Session), [`Session::under`](crate::Session::under) says how far that
    /// goes for what the gate decides.
    pub fn under(&mut self, context: &Context) -> &mut Self {
        self.under = context.clone();
        self
    }

    /// Starts the command. Returns when the program has been executed behind the whole wall;
    /// blocks for that long (about a millisecond).
    ///
    /// # Errors
    /// [`SpawnError`]; the program did not run and nothing is left behind.
    pub fn spawn(&mut self) -> Result<Child, SpawnError> {
        self.spawn_with([Stdio::inherit(), Stdio::inherit(), Stdio::inherit()])
    }

    /// Starts the command and waits for its end.
    ///
    /// # Errors
    /// [`RunError`]: it could not be started, or its end is not known.
    pub fn status(&mut self) -> Result<ExitStatus, RunError> {
        Ok(self.spawn()?.wait()?)
    }

    /// Starts the command, waits for its end and collects what it writes.
    ///
    /// # Errors
    /// [`RunError`]: it could not be started, or its output or end is not known.
    pub fn output(&mut self) -> Result<Output, RunError> {
        let child = self.spawn_with([Stdio::null(), Stdio::piped(), Stdio::piped()])?;
        Ok(child.wait_with_output()?)
    }

    pub(crate) fn spawn_with(&mut self, defaults: [Stdio; 3]) -> Result<Child, SpawnError> {
        self.try_spawn(defaults).map_err(|failed| {
            if !failed.recorded {
                self.record_failure(&failed.error);
            }
            failed.error
        })
    }

    fn try_spawn(&self, defaults: [Stdio; 3]) -> Result<Child, Failed> {
        let command = self.resolve()?;
        let defaults = match self.terminal {
            None => defaults,
            Some(_) => {
                self.check_terminal()?;
                [Stdio::null(), Stdio::null(), Stdio::null()]
            }
        };
        let other_user = self.lowered.throwaway.is_some();
        let open = |which: Which, default: &Stdio| {
            let chosen = self.streams[which as usize].as_ref().unwrap_or(default);
            Stream::open(&chosen.0, which, other_user).map_err(SpawnError::Stdio)
        };
        let [stdin, stdout, stderr] = [
            open(Which::In, &defaults[0])?,
            open(Which::Out, &defaults[1])?,
            open(Which::Err, &defaults[2])?,
        ];
        let lowered = &self.lowered;
        if let Some(id) = &lowered.throwaway {
            // A program may open its streams anew (`/dev/stderr`), which asks for the pipe's owner.
            for stream in [&stdin, &stdout, &stderr] {
                stream.give_to(id.0).map_err(SpawnError::Stdio)?;
            }
        }
        let streams = [
            stdin.inner.as_fd(),
            stdout.inner.as_fd(),
            stderr.inner.as_fd(),
        ];
        let mut begun = self.start(&command, streams)?;
        let pty = begun.process.take_terminal().map(Pty::new);
        // The program's ends of the pipes must close here, or the host never reads their end.
        Ok(Child::new(
            begun,
            pty,
            [
                (stdin.pipe, stdin.relay),
                (stdout.pipe, stdout.relay),
                (stderr.pipe, stderr.relay),
            ],
        ))
    }

    fn check_terminal(&self) -> Result<(), SpawnError> {
        if self.streams.iter().any(Option::is_some) {
            return Err(SpawnError::TerminalAndStream);
        }
        // Without a view `/dev/pts` would be the host's.
        if self.lowered.plan.layers().mounts.is_none() || !self.lowered.policy.filesystem.dev {
            return Err(SpawnError::NoTerminal);
        }
        Ok(())
    }

    fn start(
        &self,
        command: &cofferdam_spawn::Command,
        streams: [BorrowedFd<'_>; 3],
    ) -> Result<Begun, Failed> {
        let published = match (&self.place, &self.lowered.egress) {
            (Place::Alone | Place::Pool(_), Some(egress)) => egress.publish()?,
            _ => Vec::new(),
        };
        let mut begun = match &self.place {
            Place::Alone => self.start_alone(command, streams, published)?,
            Place::Pool(pool) => match pool.take() {
                Some(ready) => {
                    let begun = self.start_ready(ready, command, streams, published);
                    pool.refill();
                    begun?
                }
                None => {
                    pool.refill();
                    self.start_alone(command, streams, published)?
                }
            },
            Place::Session(session) => {
                let session = session.upgrade();
                let Some((session, live)) = session.as_ref().and_then(|s| Some((s, s.live()?)))
                else {
                    let how = "it was dropped".into();
                    let ended = cofferdam_spawn::SpawnError::Ended { how };
                    return Err(SpawnError::SessionEnded(Box::new(ended)).into());
                };
                let record = self.asked(|asked| session.recorder.command(asked, false))?;
                let lowered = Arc::clone(&session.lowered);
                let process = live.spawn(command, streams);
                let begun = self.begun(process, command, lowered, record)?;
                let init = live.id();
                return Ok(Begun { init, ..begun });
            }
        };
        begun.init = begun.process.init_id().unwrap_or(0);
        Ok(begun)
    }

    fn start_alone(
        &self,
        command: &cofferdam_spawn::Command,
        streams: [BorrowedFd<'_>; 3],
        published: Vec<Published>,
    ) -> Result<Begun, Failed> {
        if self.lowered.audit.is_some() || self.lowered.egress.is_some() {
            // The environment first, so that nothing runs in it before both are recorded, and its network is served.
            let ready = Ready::new(&self.lowered)?;
            return self.start_ready(ready, command, streams, published);
        }
        let lowered = self.lowered.for_start().map_err(SpawnError::prepare)?;
        let recorder = Recorder::start(&lowered, 0)?;
        let record = self.asked(|asked| recorder.command(asked, true))?;
        let process = match &lowered.observer {
            Some(hears) => {
                let observer = Arc::clone(&hears.0);
                lowered.plan.spawn_observed(command, streams, observer)
            }
            None => lowered.plan.spawn(command, streams),
        };
        self.begun(process, command, lowered, record)
    }

    /// Starts it as the only program of an environment that stands.
    fn start_ready(
        &self,
        ready: Ready,
        command: &cofferdam_spawn::Command,
        streams: [BorrowedFd<'_>; 3],
        published: Vec<Published>,
    ) -> Result<Begun, Failed> {
        let Ready {
            session,
            lowered,
            recorder,
            since,
        } = ready;
        let record = match self.asked(|asked| recorder.command(asked, true)) {
            Ok(record) => record,
            Err(error) => {
                // Its end is recorded when it is one.
                drop(session);
                return Err(error.into());
            }
        };
        let leaves = match recorder.records() {
            true => Leaves::of(&lowered, session.handed_out(), since),
            false => Leaves::default(),
        };
        let attachment = match &lowered.egress {
            Some(egress) => {
                let (listeners, inside) = (session.take_listeners(), session.connector());
                match egress.attach(listeners, published, inside, record.recorder()) {
                    Ok(attachment) => Some(attachment),
                    Err(error) => {
                        drop(session);
                        return Err(self.failed(record, error));
                    }
                }
            }
            None => None,
        };
        let process = session.spawn_only(command, streams);
        let begun = self.begun(process, command, lowered, record)?;
        Ok(Begun {
            attachment,
            leaves,
            ..begun
        })
    }

    /// What a start came to, recorded if that is nothing.
    fn begun(
        &self,
        process: Result<Process, cofferdam_spawn::SpawnError>,
        command: &cofferdam_spawn::Command,
        lowered: Arc<Lowered>,
        record: CommandRecord,
    ) -> Result<Begun, Failed> {
        match process {
            Ok(process) => {
                record.started();
                Ok(Begun {
                    process,
                    attachment: None,
                    init: 0,
                    lowered,
                    record,
                    leaves: Leaves::default(),
                })
            }
            Err(error) => {
                let error = SpawnError::explain(error, &self.program, command);
                Err(self.failed(record, error))
            }
        }
    }

    /// What is recorded of it before it is started.
    fn asked<T>(&self, record: impl FnOnce(&Asked<'_>) -> T) -> T {
        if self.lowered.audit.is_none() {
            return record(&Asked::default());
        }
        let program = std::iter::once(self.program.as_os_str());
        let arguments = self.arguments.iter().map(OsString::as_os_str);
        let argv: Vec<&OsStr> = program.chain(arguments).collect();
        let set = self.variables.iter().filter(|(_, value)| value.is_some());
        let variables: Vec<&OsStr> = set.map(|(name, _)| name.as_os_str()).collect();
        record(&Asked {
            argv: &argv,
            directory: &self.directory(),
            variables: &variables,
            under: Some(&self.under),
        })
    }

    /// Records a failure after its start was recorded.
    fn failed(&self, record: CommandRecord, error: SpawnError) -> Failed {
        self.asked(|asked| record.failed(asked, &error));
        Failed {
            error,
            recorded: true,
        }
    }

    /// Records a failure before anything was recorded.
    fn record_failure(&self, error: &SpawnError) {
        // Where a sink has refused the start, it is not asked again.
        let Some(audit) = &self.lowered.audit else {
            return;
        };
        if matches!(error, SpawnError::Record(_)) {
            return;
        }
        let session = match &self.place {
            Place::Session(session) => session.upgrade(),
            _ => None,
        };
        let context = session.map(|session| session.recorder.context());
        let context = context.unwrap_or_default();
        self.asked(|asked| record::failed_before(audit, context, asked, error));
    }

    fn directory(&self) -> PathBuf {
        match &self.directory {
            Some(directory) => self.lowered.directory.join(directory),
            None => self.lowered.directory.clone(),
        }
    }

    fn resolve(&self) -> Result<cofferdam_spawn::Command, SpawnError> {
        let lowered = &self.lowered;
        let environment = environment::merge(
            if self.clear {
                &[]
            } else {
                &lowered.environment
            },
            &self.variables,
        )?;
        let directory = self.directory();
        let program = Path::new(&self.program);
        let candidates = if self.program.as_bytes().contains(&b'/') {
            vec![c_string("the program's path", program.as_os_str())?]
        } else {
            environment::search(&environment, &self.program)?
        };
        if self.program.is_empty() || candidates.is_empty() {
            return Err(SpawnError::NotFound {
                program: self.program.clone(),
                path: environment::path(&environment),
            });
        }
        let argv = std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|argument| c_string("an argument", argument))
            .collect::<Result<_, _>>()?;
        let timeout = match (self.timeout, lowered.policy.limits.wall_clock) {
            (Some(own), Some(policy)) => Some(own.min(policy)),
            (own, policy) => own.or(policy),
        };
        Ok(cofferdam_spawn::Command {
            candidates,
            argv,
            envp: environment,
            directory: c_string("the working directory", directory.as_os_str())?,
            timeout,
            terminal: self.terminal,
        })
    }
}

/// A string for execve(2), or the error that it cannot be one.
pub(crate) fn c_string(what: &'static str, text: &OsStr) -> Result<CString, SpawnError> {
    CString::new(text.as_bytes()).map_err(|_| SpawnError::Nul {
        what,
        text: text.to_owned(),
    })
}
