//! Escape tests: what a hostile program tries from inside, each with the same program run without
//! the wall, which shows that the attempt works there.
//!
//! What is judged is the host: files, listeners, processes, terminals. Where a call leaves no trace on
//! the host, its answers inside and outside are compared.
//!
//! What this kernel lacks is printed by name; with `COFFERDAM_EXPECT=full` it is a failure.

#![allow(unsafe_code)]

mod bare;
mod descriptors;
mod direct;
mod document;
mod files;
mod identity;
mod ipc;
mod mounts;
mod network;
mod overlay;
mod processes;
mod pty;
mod replacing;
mod roots;
mod sandboxes;
mod sessions;
mod support;
mod syscalls;
mod terminals;
