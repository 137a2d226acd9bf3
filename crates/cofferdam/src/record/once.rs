//! Telling of each thing once.

use super::lock;
use std::collections::HashSet;
use std::sync::Mutex;

/// Things of one environment that are told apart; more are counted.
const MOST: usize = 1000;

/// What was told of, for each command.
#[derive(Debug, Default)]
pub(super) struct Once(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    things: HashSet<(Option<u64>, String)>,
    more: u64,
}

impl Once {
    /// Whether this has not been told of before, and there is room to.
    pub(super) fn is_new(&self, command: Option<u64>, thing: &str) -> bool {
        let mut told = lock(&self.0);
        let key = (command, thing.to_owned());
        if told.things.contains(&key) {
            return false;
        }
        if told.things.len() >= MOST {
            told.more += 1;
            return false;
        }
        told.things.insert(key)
    }

    /// How many were not told of since this was asked last.
    pub(super) fn untold(&self) -> u64 {
        std::mem::take(&mut lock(&self.0).more)
    }
}
