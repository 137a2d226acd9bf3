//! A command from its start to its end, as a caller of the facade meets it.

mod arguments;
mod changes;
mod denials;
mod direct;
mod ending;
mod enforcement;
mod kernel_log;
mod limits;
mod overlay;
mod pool;
mod pty;
mod record;
mod record_inside;
mod record_of_changes;
mod recorded;
mod refusals;
mod roots;
mod session_limits;
mod sessions;
mod snapshots;
mod streams;
mod support;
mod template;
mod trees;
