//! Keeping the host's dumpable flag while children change ids.

use crate::plan::Layers;
use cofferdam_namespaces::MapWriter;
use cofferdam_sys::process;
use std::sync::Mutex;

/// How many guards live, and what the flag was before the first.
static STATE: Mutex<(usize, usize)> = Mutex::new((0, 0));

/// Puts the host's dumpable flag back when the last of the guards is dropped.
///
/// The flag belongs to the memory (`mm`), and the kernel resets it when a process that uses that
/// memory changes its user or group id (prctl(2), `PR_SET_DUMPABLE`). A child made with `CLONE_VM`
/// that becomes the sandbox's user would leave the host undumpable for good.
pub(crate) struct Guard(());

/// The guard for a child of these layers, which must live until the child has executed or is gone.
pub(crate) fn guard_of(layers: &Layers) -> Option<Guard> {
    let map = layers.id_map.as_ref();
    let other = map.is_some_and(|map| map.writer() != MapWriter::Child);
    other.then(Guard::new)
}

impl Guard {
    fn new() -> Self {
        let mut state = STATE.lock().unwrap_or_else(|poison| poison.into_inner());
        if state.0 == 0 {
            state.1 = process::dumpable().unwrap_or(0);
        }
        state.0 += 1;
        Self(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut state = STATE.lock().unwrap_or_else(|poison| poison.into_inner());
        state.0 -= 1;
        if state.0 == 0 && state.1 == 1 {
            let _ = process::set_dumpable(true);
        }
    }
}
