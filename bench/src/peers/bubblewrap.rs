//! bubblewrap with the same view, and with a filter: the default profile's.

use super::{Given, Peer, installed, run_command};
use crate::setting::Until;
use crate::view::View;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

struct Bubblewrap {
    arguments: Vec<String>,
    /// The filter as the kernel takes it.
    filter: Option<PathBuf>,
}

pub fn plain(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    installed("bwrap", "bubblewrap")?;
    Ok(Box::new(Bubblewrap {
        arguments: arguments(&given.view),
        filter: None,
    }))
}

pub fn filtered(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    installed("bwrap", "bubblewrap")?;
    let filter = crate::filter::default().map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    for step in filter.program() {
        bytes.extend(step.code.to_ne_bytes());
        bytes.extend([step.jt, step.jf]);
        bytes.extend(step.k.to_ne_bytes());
    }
    let path = given.directory.join("filter.bpf");
    std::fs::write(&path, bytes).map_err(|error| error.to_string())?;
    Ok(Box::new(Bubblewrap {
        arguments: arguments(&given.view),
        filter: Some(path),
    }))
}

impl Peer for Bubblewrap {
    fn name(&self) -> &'static str {
        match self.filter {
            None => "bubblewrap, same view",
            Some(_) => "bubblewrap, same view and a filter",
        }
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let mut command = Command::new("bwrap");
        match &self.filter {
            None => command.stdin(Stdio::null()),
            Some(path) => {
                let filter = File::open(path).map_err(|error| error.to_string())?;
                // It reads the filter from a descriptor, and this one is inherited in any case.
                command.stdin(filter).args(["--seccomp", "0"])
            }
        };
        command.args(&self.arguments);
        run_command(command, until)
    }
}

/// The arguments for a view, up to the program.
pub fn arguments(view: &View) -> Vec<String> {
    let mut arguments = vec!["--unshare-all"];
    if !view.network {
        arguments.push("--share-net");
    }
    arguments.extend(["--die-with-parent", "--new-session", "--clearenv"]);
    arguments.extend(["--proc", "/proc", "--dev", "/dev"]);
    arguments.extend(["--tmpfs", "/tmp", "--tmpfs", "/dev/shm"]);
    for (path, text) in &view.links {
        arguments.extend(["--symlink", text, path]);
    }
    for (source, target) in &view.binds {
        arguments.extend(["--ro-bind", source, target]);
    }
    let program = view.program.to_string_lossy();
    arguments.extend(["--", &program]);
    arguments.into_iter().map(String::from).collect()
}
