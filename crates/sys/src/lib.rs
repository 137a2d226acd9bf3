//! Thin typed Linux system calls for building sandboxes.
//!
//! Every function makes one call through the instruction itself ([`raw`]): no allocation, no lock,
//! no panic, no `errno`, no thread-local state. They can be called in a `CLONE_VM` child of a
//! multi-threaded process, where libc cannot.
//!
//! Descriptors are borrowed ([`BorrowedFd`](std::os::fd::BorrowedFd)) or returned owned
//! ([`OwnedFd`](std::os::fd::OwnedFd)). Dropping an `OwnedFd` calls libc's close(2), which may set
//! `errno`: in a child that shares memory use [`fd::close`] on the raw number instead.

pub mod cred;
pub mod errno;
pub mod fd;
pub mod landlock;
pub mod memory;
pub mod mount;
pub mod net;
pub mod netlink;
pub mod poll;
pub mod probe;
pub mod process;
pub mod raw;
pub mod rlimit;
pub mod seccomp;
pub mod socket;
pub mod terminal;
pub mod uts;

pub use errno::{Errno, Result, cause};

/// The source text of [`raw`], for programs that are compiled without this crate: the static init.
pub const RAW_SOURCE: &str = include_str!("raw.rs");
