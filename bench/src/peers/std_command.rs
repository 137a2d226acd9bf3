//! `std::process::Command`: nothing is confined.

use super::{Given, Peer, run_command};
use crate::setting::Until;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

struct StdCommand(Arc<Given>);

pub fn make(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    Ok(Box::new(StdCommand(Arc::clone(given))))
}

impl Peer for StdCommand {
    fn name(&self) -> &'static str {
        "std::process::Command"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        let mut command = Command::new(&self.0.program);
        command.stdin(Stdio::null());
        run_command(command, until)
    }
}
