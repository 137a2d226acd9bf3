//! The record as a file: lines in a hash chain, signed, verified, read.
//!
//! One line for each [`Record`](crate::Record), in the canonical form of RFC 8785, with the SHA-256 of the line
//! before in it. Where there is a key, [`Head`]s sign all that stands before them. The README of this crate has the
//! format in full.
//!
//! **What it shows.** [`verify`] finds every line that was changed, removed, inserted or moved up to the last head.
//! What came after it can be changed by whoever may write the file, and so can all of a log without a key. A log that
//! was cut at one of its heads looks like one that ended there: keep the last head somewhere else
//! ([`LogHandle::last_head`]) and give it to [`Verifier::known`]. Whoever has the key can write another log: keep it
//! where programs inside cannot read it.
//!
//! **Keep sandboxes away from it.** The file is the host's. It must lie in a directory that no sandbox may write to
//! (and none should read), which is the host's duty: nothing here can see policies.

mod canonical;
mod diagnose;
mod error;
mod files;
mod filter;
mod follow;
mod hash;
mod key;
mod lines;
mod open;
mod options;
mod reader;
mod time;
mod verify;
mod writer;

pub use error::{Breach, Break, KeyError, OpenError, ReadError, VerifyError};
pub use filter::Filter;
pub use follow::{Follow, Stop};
pub use key::{PublicKey, SigningKey};
pub use options::{LogOptions, SyncPolicy};
pub use reader::{Reader, Records};
pub use verify::{Verified, Verifier, verify};
pub use writer::{Head, LogHandle, LogWriter};

/// The longest line, in bytes without its end. Records that would be longer have their strings cut.
pub const MAX_LINE: usize = 1 << 20;
