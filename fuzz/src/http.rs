//! The reading of requests that the gate looks into, under the names that it has there.

pub mod screen;
