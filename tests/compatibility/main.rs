//! Programs that people use, in the default sandbox: `Sandbox::builder()` with a workspace, and what
//! the program's row of `docs/COMPATIBILITY.md` adds. Each is checked by what it produced.

mod attempt;
mod browser;
mod compilers;
mod git;
mod java;
mod nested;
mod node;
mod python;
mod servers;
mod shell;
mod table;
mod tracers;
