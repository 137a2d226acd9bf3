//! Against the kernel's cgroups. Where the process may make no groups, the same tests assert that
//! the refusal is exactly the one that `probe` gives.

mod figures;
mod groups;
mod limits;
mod parents;
mod probing;
mod support;
mod sweeping;
