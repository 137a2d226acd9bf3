//! A raw vfork and exec: the least that a program takes, with nothing confined.

use super::{Given, Peer};
use crate::mechanism::{Output, Target};
use crate::setting::Until;
use std::sync::Arc;
use std::time::Duration;

struct Vfork(Target);

pub fn make(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    let target = Target::open(&given.program).map_err(|error| error.to_string())?;
    Ok(Box::new(Vfork(target)))
}

impl Peer for Vfork {
    fn name(&self) -> &'static str {
        "raw vfork and exec"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        Output::time(until, |out| self.0.vfork(out))
    }
}
