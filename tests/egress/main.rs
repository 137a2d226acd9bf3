//! The gate: real clients against real servers on the loopback, ways around it, and secrets.
//!
//! Names end in `.test` (RFC 6761) and are resolved by a table on the host; the servers are started
//! by the tests. What is not installed is named in the output, and is a failure with
//! `COFFERDAM_EXPECT=full`.

mod addresses;
mod bulk;
mod clients;
mod databases;
mod decisions;
mod dns;
mod environments;
mod fallback;
mod packages;
mod processes;
mod record;
mod repositories;
mod requests;
mod secrets;
mod servers;
mod streams;
mod support;
mod tls;
mod ways;
