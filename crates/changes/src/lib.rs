//! Reviews what a program changed in an overlay: entries, risks, diffs, and applying a chosen part.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod apply;
mod attributes;
mod change;
mod changes;
mod compare;
mod content;
mod copy;
mod diff;
mod error;
mod escape;
mod fs;
mod links;
mod names;
mod remove;
mod rename;
mod risk;
mod state;
mod tree;
mod walk;

pub use apply::{Applied, Conflict, ConflictReason, Refusal, Refused};
pub use change::{Change, Kind};
pub use changes::Changes;
pub use compare::{compare, diff_between};
pub use copy::copy_upper;
pub use diff::{Diff, UnifiedDiff};
pub use error::{ApplyError, CopyError, ReadError, RemoveError};
pub use escape::Escaped;
pub use remove::remove_upper;
pub use risk::Risk;
pub use state::{FileType, State};
pub use tree::{Owners, Tree};
