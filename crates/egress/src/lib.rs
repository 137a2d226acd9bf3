//! The gate: egress by name for any program, and secrets that never enter.
//!
//! What decides is data and functions without a socket, clock or file ([`Rules`], [`dns`],
//! [`sniff`], [`proxy`]); what acts is a thread of its own with a runtime of its own ([`Gate`]).

#![forbid(unsafe_code)]

pub mod address;
pub mod decision;
pub mod dns;
mod event;
mod gate;
mod host;
mod http;
pub mod names;
pub mod proxy;
pub mod secret;
pub mod sniff;
mod ssh_agent;
mod tls;

pub use decision::Rules;
pub use event::{Decision, Event, EventKind, Events};
pub use gate::{
    Admit, Ask, Attached, Gate, Inside, NoAddress, Question, Resolve, Settings, Sockets,
    StartError, Verdict,
};
pub use host::{Host, HostError};
pub use tls::{Authority, AuthorityError, RootsError, bundle, roots};
