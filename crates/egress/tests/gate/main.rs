//! The gate over real sockets, through its public interface: a program inside is a std client, a
//! server outside is a thread.

mod admit;
mod carry;
mod decide;
mod dns;
mod end;
mod floods;
mod forward;
mod hook;
mod idle;
mod protocol;
mod proxied;
mod replace;
mod resolve;
mod rig;
