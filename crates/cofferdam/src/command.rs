//! A command in a sandbox.

use crate::child::Child;
use crate::enforcement::Enforcement;
use crate::environment;
use crate::error::{RunError, SpawnError};
use crate::lower::Lowered;
use crate::output::{ExitStatus, Output};
use crate::sandbox::Sandbox;
use crate::stdio::{Stdio, Stream, Which};
use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A command to start in a [`Sandbox`], as `std::process::Command`.
///
/// Standard streams are inherited by [`Command::spawn`] and [`Command::status`], and piped by
/// [`Command::output`] (standard input empty), unless they are set.
#[derive(Debug)]
pub struct Command {
    lowered: Arc<Lowered>,
    program: OsString,
    arguments: Vec<OsString>,
    /// `None` removes the variable.
    variables: BTreeMap<OsString, Option<OsString>>,
    clear: bool,
    directory: Option<PathBuf>,
    timeout: Option<Duration>,
    streams: [Option<Stdio>; 3],
}

impl Command {
    pub(crate) fn new(sandbox: &Sandbox, program: &OsStr) -> Self {
        Self {
            lowered: Arc::clone(&sandbox.lowered),
            program: program.to_owned(),
            arguments: Vec::new(),
            variables: BTreeMap::new(),
            clear: false,
            directory: None,
            timeout: None,
            streams: [const { None }; 3],
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
        let command = self.resolve()?;
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
        let process = lowered
            .plan
            .spawn(
                &command,
                [
                    stdin.inner.as_fd(),
                    stdout.inner.as_fd(),
                    stderr.inner.as_fd(),
                ],
            )
            .map_err(|error| SpawnError::explain(error, &self.program, &command))?;
        let enforcement = Enforcement::of_child(Arc::clone(&lowered.reports));
        // The program's ends of the pipes must close here, or the host never reads their end.
        Ok(Child::new(
            process,
            enforcement,
            Arc::clone(lowered),
            [
                (stdin.pipe, stdin.relay),
                (stdout.pipe, stdout.relay),
                (stderr.pipe, stderr.relay),
            ],
        ))
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
        let directory = match &self.directory {
            Some(directory) => lowered.directory.join(directory),
            None => lowered.directory.clone(),
        };
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
