//! Tests of HTTP that is looked into, over sockets of the loopback.

mod http2;
mod passing;
mod secrets;
mod smuggling;
pub(crate) mod support;
mod upgrading;
