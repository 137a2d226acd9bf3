//! firejail without a profile file, with its own filter: it hides parts of the host's file system instead of building
//! a view, and is set-user-id root.

use super::{Given, Peer, installed, run_command};
use crate::setting::Until;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

struct Firejail(Arc<Given>);

pub fn make(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    installed("firejail", "firejail")?;
    Ok(Box::new(Firejail(Arc::clone(given))))
}

impl Peer for Firejail {
    fn name(&self) -> &'static str {
        "firejail, its own filter"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let mut command = Command::new("firejail");
        command.args(["--quiet", "--noprofile", "--seccomp", "--caps.drop=all"]);
        command.args(["--nonewprivs", "--private-dev", "--ipc-namespace"]);
        if self.0.view.network {
            command.arg("--net=none");
        }
        command.arg("--").arg(&self.0.program).stdin(Stdio::null());
        run_command(command, until)
    }
}
