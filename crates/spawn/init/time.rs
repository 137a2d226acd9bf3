//! The monotonic clock, in nanoseconds.

use crate::sysno;

/// timespec of the kernel (timespec(3type)).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

impl Timespec {
    /// A span of nanoseconds.
    pub const fn new(nanoseconds: u64) -> Self {
        Self {
            seconds: (nanoseconds / 1_000_000_000) as i64,
            nanoseconds: (nanoseconds % 1_000_000_000) as i64,
        }
    }
}

/// The time now.
pub fn now() -> u64 {
    let mut time = Timespec::new(0);
    // SAFETY: clock_gettime(2) writes one timespec.
    unsafe { syscall!(sysno::CLOCK_GETTIME, sysno::CLOCK_MONOTONIC, &raw mut time) };
    (time.seconds as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(time.nanoseconds as u64)
}

/// When a limit of `timeout` nanoseconds ends; never for 0, no limit.
pub fn deadline(timeout: u64) -> u64 {
    match timeout {
        0 => u64::MAX,
        limit => now().saturating_add(limit),
    }
}
