//! The built command, run as the current user. Each wall is shown together with a control outside
//! of it, and each verdict comes from what the host sees.

mod audit;
mod common;
mod doctor;
mod environment;
mod errors;
mod exit_codes;
mod files;
mod generated;
mod learn;
mod limits;
mod network;
mod network_options;
mod overlay;
mod plan;
mod policy_files;
mod prompt;
mod protect;
mod pty;
mod roots;
mod shell;
mod signals;
mod snapshots;
mod streams;
mod terminal;
mod tty;
