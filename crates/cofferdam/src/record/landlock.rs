//! What Landlock refused, where the kernel's audit log tells of it.

use super::kernel_log::KernelLog;
use super::once::Once;
use super::shown::Shown;
use super::{Recorder, convert, remedy};
use cofferdam_audit::{Denial, Event};
use cofferdam_landlock::{Denied, Object};
use std::sync::Arc;

/// What is shown, and what was told of.
#[derive(Debug)]
pub(super) struct ByLandlock {
    shown: Shown,
    told: Once,
    log: Arc<KernelLog>,
}

impl ByLandlock {
    pub(super) fn new(shown: Shown, log: Arc<KernelLog>) -> Self {
        Self {
            shown,
            told: Once::default(),
            log,
        }
    }
}

impl Recorder {
    /// Records what Landlock refused a process, once for each command.
    pub(super) fn refused_by_landlock(&self, pid: Option<u32>, denied: &Denied) {
        let Some(by_landlock) = &self.inner.by_landlock else {
            return;
        };
        let command = pid.and_then(|pid| self.command_of(pid));
        let Refusal { denial, path } = refusal(&by_landlock.shown, denied);
        if !by_landlock.told.is_new(command, &denial.what) {
            return;
        }
        let context = self.context_of(command);
        let mark = self.mark_of(context.command);
        self.inner.denials.add(mark, denial.clone());
        let pid = pid.unwrap_or_default();
        let _ = self.record(context, || match path {
            Some(path) => Event::FileDenied {
                pid,
                path,
                times: 1,
                denial,
            },
            None => Event::AccessDenied {
                pid,
                right: denied.rights.join(","),
                object: object(&denied.object),
                times: 1,
                denial,
            },
        });
    }

    /// Records what the kernel has yet to tell of what has ended, and how many refusals are not told of.
    pub(super) fn catch_up_with_landlock(&self) {
        let Some(by_landlock) = &self.inner.by_landlock else {
            return;
        };
        by_landlock.log.catch_up();
        self.tell_untold("access_denied", &by_landlock.told);
    }

    /// Records that the kernel told faster than was read.
    pub(super) fn lost_by_landlock(&self) {
        self.note(
            "landlock_log_lost",
            "reason",
            "the kernel's audit log came too fast".into(),
        );
    }
}

fn refusal(shown: &Shown, denied: &Denied) -> Refusal {
    let right = denied.rights.first().map_or("", String::as_str);
    let Object::Path(path) = &denied.object else {
        return Refusal {
            denial: Denial::certain("landlock", what(right, &denied.object), why(right))
                .by(denied.rights.join(","))
                .remedy(do_without(right)),
            path: None,
        };
    };
    let path = convert::path(path);
    let (verb, changes) = on_files(right);
    // Where the policy explains it, in its words.
    let (reason, remedy) = match shown.refuses(&path, changes) {
        Some((reason, remedy)) => (reason, remedy),
        None if changes => ("no rule allows to change it", remedy::write(&path)),
        None => ("no rule allows it", remedy::read(&path)),
    };
    Refusal {
        denial: Denial::certain("landlock", format!("{verb} {path}"), reason)
            .by(denied.rights.join(","))
            .remedy(remedy),
        path: Some(path),
    }
}

struct Refusal {
    denial: Denial,
    /// The file, if it is about one.
    path: Option<String>,
}

/// What a right on files is called, and whether it changes anything.
fn on_files(right: &str) -> (&'static str, bool) {
    match right.strip_prefix("fs.").unwrap_or(right) {
        "execute" => ("execute", false),
        "read_file" => ("read", false),
        "read_dir" => ("list", false),
        "write_file" | "truncate" => ("write", true),
        "remove_dir" | "remove_file" => ("remove something from", true),
        "refer" => ("move or link files from or to", true),
        "ioctl_dev" => ("control the device", true),
        "resolve_unix" => ("connect to", true),
        "change_topology" => ("mount or unmount at", true),
        make if make.starts_with("make_") => ("make something in", true),
        _ => ("use", true),
    }
}

fn what(right: &str, on: &Object) -> String {
    let on = object(on);
    match right {
        "net.bind_tcp" => format!("listen at {on}"),
        "net.connect_tcp" => format!("connect to {on}"),
        "scope.signal" => format!("send a signal to {on}"),
        "scope.abstract_unix_socket" => "connect to an abstract socket outside".to_owned(),
        "ptrace" => format!("trace {on}"),
        "fs.change_topology" => "mount or unmount".to_owned(),
        right if on.is_empty() => format!("do what needs {right}"),
        right => format!("do what needs {right} to {on}"),
    }
}

fn object(object: &Object) -> String {
    match object {
        Object::Path(path) => convert::path(path),
        Object::Port(port) => format!("port {port}"),
        Object::Process(pid, name) => format!("process {pid} ({})", convert::text(name)),
        _ => String::new(),
    }
}

fn why(right: &str) -> &'static str {
    match right {
        "net.bind_tcp" | "net.connect_tcp" => "no rule allows the port",
        "scope.signal" | "ptrace" => "it is outside of the sandbox",
        "scope.abstract_unix_socket" => "it was made outside of the sandbox",
        _ => "the sandbox gives this right to nobody",
    }
}

fn do_without(right: &str) -> &'static str {
    match right {
        "net.bind_tcp" => {
            "ask the user to allow it, with .network(|net| net.bind(…)) on the builder"
        }
        "net.connect_tcp" => {
            "ask the user to allow it, with .network(|net| net.connect(…)) on the builder"
        }
        _ => "do without it: there is no rule that would allow it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_words() {
        let path = Object::Path("/etc".into());
        for (right, on, told) in [
            ("net.bind_tcp", Object::Port(80), "listen at port 80"),
            (
                "scope.signal",
                Object::Process(7, "sh".into()),
                "send a signal to process 7 (sh)",
            ),
            (
                "scope.abstract_unix_socket",
                Object::Unknown,
                "connect to an abstract socket outside",
            ),
            ("fs.new_right", path, "do what needs fs.new_right to /etc"),
            ("x", Object::Unknown, "do what needs x"),
        ] {
            assert_eq!(what(right, &on), told);
        }
        assert_eq!(on_files("fs.make_reg"), ("make something in", true));
        assert_eq!(on_files("fs.read_file"), ("read", false));
    }
}
