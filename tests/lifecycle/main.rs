//! A command from its start to its end, as a caller of the facade meets it.

mod arguments;
mod changes;
mod ending;
mod enforcement;
mod limits;
mod overlay;
mod pool;
mod pty;
mod refusals;
mod sessions;
mod streams;
mod support;
mod trees;
