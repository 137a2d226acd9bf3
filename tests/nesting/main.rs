//! Our walls inside others: containers, chroots, sandboxes of our own, and hosts that forbid user namespaces.
//!
//! In each place the visitor tries every way to put a sandbox up. What is required and cannot be is refused with
//! the cause and the remedy; what is preferred is put up as far as it can be, and said; nothing hangs or is left.

mod chroots;
mod containers;
mod filters;
mod hosts;
mod itself;
mod places;
mod ubuntu;
mod visit;
