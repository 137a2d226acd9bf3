//! The bare mechanism: what the kernel takes for the same walls, without anything around it.

use super::{Given, Peer};
use crate::mechanism::{Cold, Output, Template};
use crate::setting::Until;
use std::sync::Arc;
use std::time::Duration;

pub fn cold(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    Ok(Box::new(Bare(Cold::new(&given.view)?)))
}

pub fn template(given: &Arc<Given>) -> Result<Box<dyn Peer>, String> {
    Ok(Box::new(FromTemplate(Template::new(&given.view)?)))
}

struct Bare(Cold);

impl Peer for Bare {
    fn name(&self) -> &'static str {
        "bare mechanism"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        Output::time(until, |out| self.0.spawn(out))
    }
}

struct FromTemplate(Template);

impl Peer for FromTemplate {
    fn name(&self) -> &'static str {
        "bare mechanism, from a template"
    }

    fn run(&self, until: Until) -> Result<Duration, String> {
        Output::time(until, |out| self.0.spawn(out))
    }

    /// A network namespace stands ready.
    fn settle(&self) {
        self.0.fill();
    }

    /// With many threads the rate at which network namespaces are made would be measured.
    fn is_for_threads(&self) -> bool {
        false
    }
}
