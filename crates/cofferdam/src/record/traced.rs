//! Files that programs name and do not get, where files are traced.

use super::once::Once;
use super::shown::{Shown, Sight};
use super::{Recorder, convert};
use cofferdam_audit::{Denial, Event};
use cofferdam_spawn::{Access, Intent};

/// What is shown, and what was told of.
#[derive(Debug)]
pub(super) struct Traced {
    shown: Shown,
    told: Once,
}

impl Traced {
    pub(super) fn new(shown: Shown) -> Self {
        Self {
            shown,
            told: Once::default(),
        }
    }
}

impl Recorder {
    /// Records a file that a program asks for and will not get, once for each command.
    pub(super) fn access(&self, access: &Access) {
        let Some(traced) = &self.inner.traced else {
            return;
        };
        let path = convert::path(&access.path);
        let Some(refusal) = refusal(&traced.shown, &path, access.intent) else {
            return;
        };
        // What is not there at all is not refused: programs look for many files that no host has.
        if refusal.is_of_the_host && access.path.symlink_metadata().is_err() {
            return;
        }
        let command = self.command_of(access.pid);
        if !traced.told.is_new(command, &path) {
            return;
        }
        let context = self.context_of(command);
        if !refusal.is_of_the_host {
            // What tells whether the host has a file stays in the record: programs may get to read the list of
            // denials.
            let mark = self.mark_of(context.command);
            self.inner.denials.add(mark, refusal.denial.clone());
        }
        let _ = self.record(context, || Event::FileDenied {
            pid: access.pid,
            path,
            times: 1,
            denial: refusal.denial,
        });
    }

    /// Records how many files were not told of.
    pub(super) fn tell_untold_files(&self) {
        if let Some(traced) = &self.inner.traced {
            self.tell_untold("file_denied", &traced.told);
        }
    }

    /// Records how many events of a kind there would have been beyond those that were told of.
    pub(super) fn tell_untold(&self, kind: &str, told: &Once) {
        let more = told.untold();
        if more > 0 {
            let _ = self.record(self.context_inside(), || Event::Suppressed {
                kind: kind.to_owned(),
                count: more,
            });
        }
    }
}

struct Refusal {
    denial: Denial,
    /// It is one only if the host has the file.
    is_of_the_host: bool,
}

/// Why a program does not get a file, from what is shown.
fn refusal(shown: &Shown, path: &str, intent: Intent) -> Option<Refusal> {
    let changes = matches!(intent, Intent::Write | Intent::Create | Intent::Remove);
    let verb = match intent {
        Intent::Metadata => "look at",
        Intent::Execute => "execute",
        Intent::Socket => "connect to",
        _ if changes => "write",
        _ => "read",
    };
    let is_of_the_host = shown.sight(path) != Sight::Read;
    let (reason, remedy) = shown.refuses(path, changes)?;
    let denial = Denial::certain(shown.layer(), format!("{verb} {path}"), reason);
    // The program can have named another file by the time the kernel looks.
    let denial = denial.remedy(remedy).inferred();
    Some(Refusal {
        denial,
        is_of_the_host,
    })
}
