//! A live environment, in which one command is run after another.

use crate::command::Command;
use crate::egress::Attachment;
use crate::enforcement::Enforcement;
use crate::error::{ChangesError, SpawnError};
use crate::lower::{Lowered, Overlaid};
use crate::output::Usage;
use crate::record::{Held, Recorder};
use crate::review::{self, Changes};
use crate::taken::TakenAway;
use cofferdam_audit::Denial;
use cofferdam_audit::event::Context;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// A live environment: commands share its processes, network, files and control group, and what one
/// leaves running goes on while others come and go. **Dropping it destroys all of it**, as does the end
/// of this process, however it ends.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sandbox = cofferdam::Sandbox::builder().workspace("./repo").build()?;
/// let session = sandbox.start()?;
/// let server = session.command("python3").args(["-m", "http.server", "8000"]).spawn()?;
/// session.command("curl").arg("http://127.0.0.1:8000").status()?;
/// # Ok(())
/// # }
/// ```
///
/// What differs from a [`Sandbox::command`](crate::Sandbox::command):
/// - Dropping a [`Child`](crate::Child), killing it, or its time limit ends the program and what is still in its
///   session (setsid(2)). What has made a session of its own, as daemons do, goes on until this
///   `Session` ends.
/// - A command's [`Usage`] is that of the program and the descendants it has waited for.
/// - The limits of the policy hold for all its commands together, `wall_clock` for each.
/// - At most 1024 commands run at one time.
#[derive(Debug)]
pub struct Session {
    inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    /// The gate's service of its network. Before `live`: connections end with it at the latest.
    attachment: Option<Attachment>,
    live: Option<cofferdam_spawn::Session>,
    pub(crate) lowered: Arc<Lowered>,
    since: SystemTime,
    /// Made once, as it remembers what it applied.
    changes: OnceLock<Changes>,
    pub(crate) recorder: Recorder,
    /// What is recorded of its changes, where anything is.
    held: Option<Arc<Held>>,
}

/// How a session ended.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SessionEnd {
    /// What all of it used, where there is a control group; the processor times and peaks of commands
    /// are in their own [`Usage`].
    pub usage: Usage,
    /// The dangerous names that were made in a directly written workspace since the last command
    /// ended, and removed.
    pub taken_away: Vec<TakenAway>,
}

impl Session {
    pub(crate) fn start(lowered: Arc<Lowered>) -> Result<Self, SpawnError> {
        let since = lowered.since();
        let published = lowered.egress.as_ref().map(|egress| egress.publish());
        let published = published.transpose()?.unwrap_or_default();
        let (live, recorder) = lowered.put_up()?;
        let attachment = match &lowered.egress {
            Some(egress) => {
                let listeners = live.take_listeners();
                match egress.attach(listeners, published, live.connector(), &recorder) {
                    Ok(attachment) => Some(attachment),
                    Err(error) => {
                        // Its end is recorded when it is one.
                        drop(live);
                        return Err(error);
                    }
                }
            }
            None => None,
        };
        let records = recorder.records() && !lowered.overlaid.is_empty();
        let held = records.then(|| Arc::new(Held::new(recorder.clone())));
        Ok(Self {
            inner: Arc::new(Inner {
                attachment,
                live: Some(live),
                lowered,
                since,
                changes: OnceLock::new(),
                recorder,
                held,
            }),
        })
    }

    /// A command in this session. The program is looked up in the sandbox's `PATH`, inside, unless its
    /// name has a slash. It can be started as long as the session lives.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        Command::in_session(&self.inner, program.as_ref())
    }

    /// The host's process id of the session's process 1, the parent of all its programs.
    pub fn id(&self) -> u32 {
        self.inner.live().map_or(0, cofferdam_spawn::Session::id)
    }

    /// Whether the session still stands. It ends by itself only if its process 1 is killed from
    /// outside or by the memory limit.
    pub fn is_alive(&self) -> bool {
        self.inner
            .live()
            .is_some_and(cofferdam_spawn::Session::is_alive)
    }

    /// Where the host listens for the ports that the policy publishes, in its order.
    pub fn published(&self) -> &[SocketAddr] {
        let attachment = self.inner.attachment.as_ref();
        attachment.map_or(&[], Attachment::published)
    }

    /// What is in force around its programs.
    pub fn enforcement(&self) -> Enforcement {
        Enforcement::of_child(Arc::clone(&self.inner.lowered.reports))
    }

    /// What has been changed in its overlays so far. It stays readable when the session has ended.
    ///
    /// # Errors
    /// [`ChangesError`] when the layers cannot be opened.
    pub fn changes(&self) -> Result<Changes, ChangesError> {
        self.inner.changes()
    }

    /// Puts what is recorded from now on under a tool call: commands that are started without one of their
    /// own ([`Command::under`]), and what belongs to no command. Of the context, span and trace are taken.
    ///
    /// What the gate decides is known to be this session's, and not which of its commands asked. It is
    /// recorded under the tool call of the commands that run, if that is one and the same, and under none if
    /// they are several.
    pub fn under(&self, context: &Context) {
        self.inner.recorder.set_under(context);
    }

    /// What its programs were refused so far, each thing once: at most 256, with
    /// [`Session::denials_left_out`] more.
    pub fn denials(&self) -> Vec<Denial> {
        if let Some(egress) = &self.inner.lowered.egress {
            egress.settle();
        }
        self.inner.recorder.denials().all().denials
    }

    /// How many denials came that [`Session::denials`] does not list.
    pub fn denials_left_out(&self) -> u64 {
        self.inner.recorder.denials().all().left_out
    }

    pub(crate) fn lowered(&self) -> &Arc<Lowered> {
        &self.inner.lowered
    }

    pub(crate) fn held(&self) -> Option<Arc<Held>> {
        self.inner.held.clone()
    }

    pub(crate) fn since(&self) -> SystemTime {
        self.inner.since
    }

    /// The upper layer of one of its overlays; none where that is read-only.
    pub(crate) fn upper(&self, overlaid: &Overlaid) -> Result<Option<OwnedFd>, ChangesError> {
        let handed_out = self.inner.live().and_then(|live| live.handed_out());
        review::upper(overlaid, handed_out).map_err(|error| ChangesError::Layer {
            path: overlaid.target.clone(),
            error,
        })
    }

    /// Ends everything and waits for it.
    pub fn end(self) -> SessionEnd {
        match Arc::try_unwrap(self.inner) {
            Ok(mut inner) => inner.end(),
            // A command is being started this very moment, and ends what is left when it fails.
            Err(_) => SessionEnd::default(),
        }
    }
}

impl Inner {
    pub(crate) fn live(&self) -> Option<&cofferdam_spawn::Session> {
        self.live.as_ref()
    }

    fn changes(&self) -> Result<Changes, ChangesError> {
        if let Some(changes) = self.changes.get() {
            return Ok(changes.clone());
        }
        let handed_out = self.live().and_then(|live| live.handed_out());
        let changes = Changes::of(&self.lowered, handed_out, self.since, self.held.as_ref())?;
        Ok(self.changes.get_or_init(|| changes).clone())
    }

    fn end(&mut self) -> SessionEnd {
        // Opened while the session lives: layers in memory are reached through it.
        let changes = self.held.as_ref().map(|held| (held, self.changes()));
        let Some(live) = self.live.take() else {
            return SessionEnd::default();
        };
        let usage = Usage::of(&live.end());
        self.attachment = None;
        let taken_away = self.lowered.take_away();
        let recorder = &self.recorder;
        recorder.taken(&recorder.context(), None, &taken_away);
        match changes {
            Some((held, Ok(changes))) => held.list(changes.overlays()),
            Some((_, Err(error))) => recorder.unseen(&error),
            None => {}
        }
        recorder.end(usage.recorded());
        SessionEnd { usage, taken_away }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}
