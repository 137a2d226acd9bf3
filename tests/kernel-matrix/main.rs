//! What each kernel gives and lacks, asserted exactly: in the virtual machines of `run` beside this,
//! which say by `COFFERDAM_GUEST` which of them they are. Elsewhere these tests are not run.

#![allow(unsafe_code)]

mod enforcement;
mod facts;
mod guest;
mod limits;
mod sockets;
