//! A command from its start to its end, as a caller of the facade meets it.

mod arguments;
mod ending;
mod enforcement;
mod limits;
mod refusals;
mod streams;
mod support;
