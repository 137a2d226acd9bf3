//! TLS that is taken off: an authority of the sandbox's own, and connections in two halves.

mod authority;
mod intercept;
mod roots;
#[cfg(test)]
mod tests;
mod truststore;

pub use authority::{Authority, AuthorityError};
pub(crate) use intercept::Interception;
pub use roots::{RootsError, bundle, roots};
