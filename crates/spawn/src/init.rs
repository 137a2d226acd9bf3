//! The static init, in a sealed memfd.

use cofferdam_sys::{Errno, fd};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::Mutex;

/// The program that `build.rs` compiled.
const IMAGE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/init"));

static MEMFD: Mutex<Option<OwnedFd>> = Mutex::new(None);

/// The descriptor to execute init from: made once per host process and never closed.
///
/// A memfd and not a file: nobody can replace it, its seals keep it from being written through
/// `/proc/1/exe` even by its owner, and a descriptor of it that leaked would give nothing away.
pub(crate) fn memfd() -> Result<RawFd, Errno> {
    let mut slot = MEMFD.lock().unwrap_or_else(|poison| poison.into_inner());
    if slot.is_none() {
        *slot = Some(fd::sealed_memfd(c"cofferdam-init", IMAGE)?);
    }
    Ok(slot.as_ref().map_or(-1, AsRawFd::as_raw_fd))
}
