//! What is told and done when the program has ended.

use crate::args::{ReportArguments, ReviewArguments};
use crate::failure::RunFailure;
use crate::launch::{Launch, Place};
use crate::review::{self, Review};
use crate::{exit, hint, text};
use cofferdam::policy::format_duration;
use cofferdam::{
    Bytes, Changes, Child, ExitStatus, Session, SessionEnd, Snapshot, TakenAway, Usage,
};
use std::time::Duration;

/// What the command line wants of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub report: ReportArguments,
    pub review: &'a ReviewArguments,
}

/// Ends what still runs, tells of the run, and has its changes looked at; the exit code.
pub(crate) fn finish(
    launch: &Launch,
    place: Place<'_>,
    wanted: Wanted<'_>,
    (child, status): (&Child, &ExitStatus),
) -> Result<u8, RunFailure> {
    let Ended { kept, end, unsaved } = match place.session {
        Some(session) => end(session, wanted.review.save.as_deref())?,
        None => Ended::default(),
    };
    if wanted.report.enforcement {
        text::note(&text::escape_lines(child.enforcement()));
    }
    if wanted.report.usage {
        text::note(&usage(status, &end.usage));
    }
    if status.oom_killed() {
        text::complain("the memory limit killed a process of the sandbox", &[]);
    }
    launch.denied.tell();
    let taken: Vec<&TakenAway> = status.taken_away().iter().chain(&end.taken_away).collect();
    hint::taken_away(&taken, launch.sandbox.policy());
    let code = exit::of_status(status);
    let complete = match kept {
        None => true,
        Some(Kept::Changes(changes)) => Review {
            selection: launch.selection.as_ref(),
            diff: wanted.review.apply.diff,
            advice: "--apply all or --apply PATTERN applies changes, --save NAME keeps them all, \
                     and at a terminal you are asked",
        }
        .run(&changes),
        Some(Kept::Snapshot(snapshot)) => {
            let complete = review::show(&snapshot.changes()?, wanted.review.apply.diff);
            let name = snapshot.name();
            text::note(&format!(
                "cofferdam: kept as {name}: `cofferdam diff {name}` shows it, `cofferdam snapshot apply \
                 {name}` applies it, and --from {name} starts with it\n"
            ));
            complete
        }
    };
    Ok(match complete && !unsaved {
        true => code,
        false => exit::NOT_APPLIED,
    })
}

/// What is left of a session.
enum Kept {
    Changes(Changes),
    Snapshot(Snapshot),
}

/// A session that has ended.
#[derive(Default)]
struct Ended {
    kept: Option<Kept>,
    end: SessionEnd,
    /// It should have been kept and was not.
    unsaved: bool,
}

fn end(session: Session, save: Option<&str>) -> Result<Ended, RunFailure> {
    let Some(name) = save else {
        return changed(session, false);
    };
    match session.snapshot(name) {
        Ok(snapshot) => Ok(Ended {
            kept: Some(Kept::Snapshot(snapshot)),
            ..Ended::default()
        }),
        Err(error) => {
            let failure = error.to_string();
            // Somebody took the name meanwhile. What was done need not be lost.
            let Some(session) = error.into_session() else {
                return Err(RunFailure::Save(failure));
            };
            text::complain(RunFailure::Save(failure), &[]);
            changed(session, true)
        }
    }
}

fn changed(session: Session, unsaved: bool) -> Result<Ended, RunFailure> {
    let changes = session.changes()?;
    // The kernel does not expect the files under an overlay to change while it stands.
    Ok(Ended {
        end: session.end(),
        kept: Some(Kept::Changes(changes)),
        unsaved,
    })
}

pub(crate) fn usage(status: &ExitStatus, session: &Usage) -> String {
    let usage = status.usage();
    let time = |time: Duration| format_duration(Duration::from_millis(time.as_millis() as u64));
    let size = |bytes: u64| Bytes::kib(bytes / 1024).to_string();
    let optional = |value: Option<String>| value.unwrap_or_else(|| "not measured".into());
    // The control group is the session's, where there is one.
    let memory = usage.peak_memory.or(session.peak_memory);
    let processes = usage.peak_processes.or(session.peak_processes);
    format!(
        "ended       {status}\n\
         wall clock  {}\n\
         user        {}\n\
         system      {}\n\
         largest     {}\n\
         memory      {}\n\
         processes   {}\n",
        time(usage.wall),
        time(usage.user),
        time(usage.system),
        size(usage.max_rss),
        optional(memory.map(size)),
        optional(processes.map(|count| count.to_string())),
    )
}
