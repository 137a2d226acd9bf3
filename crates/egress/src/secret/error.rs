//! What can go wrong with secrets. No text holds any part of a value.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

/// The secrets of a policy cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum SecretsError {
    #[error(
        "secret {name} comes from the provider {provider}, which is not registered; register it under that name"
    )]
    Provider { name: String, provider: String },
    #[error("there are two secrets of the name {0}; give each a name of its own")]
    Twice(String),
    #[error(
        "secret {name} cannot be put into the header {header:?}; name one that carries no framing or routing"
    )]
    Header { name: String, header: String },
    #[error("secret {0} is for a query parameter without a name; name one")]
    Parameter(String),
    #[error("the prefix of secret {0} may hold letters, digits, `-`, `_`, `.` and `~`, 64 at most")]
    Prefix(String),
    #[error("secret {0} comes from a command without a program; name one")]
    Command(String),
    #[error(
        "the source {source_text} of secret {name} is of a kind this gate has not; use another"
    )]
    Source { name: String, source_text: String },
    #[error("the place {place} of secret {name} is of a kind this gate has not; use another")]
    Place { name: String, place: String },
    #[error("no random bytes for placeholders: {0}")]
    Random(#[source] std::io::Error),
}

/// A secret's value could not be fetched. The text never holds any part of a value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum ProvideError {
    #[error("the variable {0} is not set; set it where the sandbox is started")]
    Variable(String),
    #[error("cannot read {path}: {source}")]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{0} is no regular file; name one")]
    NotRegular(PathBuf),
    #[error("cannot run {program}: {source}")]
    Command {
        program: String,
        #[source]
        source: io::Error,
    },
    #[error("{program} ended with {status}; run it by hand to see what it says")]
    Status { program: String, status: ExitStatus },
    #[error(
        "the value has fewer than {0} bytes and cannot be told from ordinary text; use a longer one"
    )]
    Short(usize),
    #[error("the value has more than {0} bytes; use a shorter one")]
    Long(usize),
    #[error("the source did not answer within {} s; see what holds it up", .0.as_secs())]
    Deadline(Duration),
    #[error("the provider failed: {0}")]
    Provider(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A value could not be put into a request.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum SwapError {
    #[error("secret {name} cannot be fetched: {source}")]
    Provide {
        name: String,
        #[source]
        source: Arc<ProvideError>,
    },
    #[error(
        "the value of secret {0} has bytes that its place in a request cannot carry; correct it at its source"
    )]
    Illegal(String),
    #[error(
        "the request is too long with the value of secret {0} in it; use a shorter value or path"
    )]
    Long(String),
}

/// A response could not be kept free of values.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum ScrubError {
    #[error(
        "the server sent a compressed answer to a request with a secret although it was asked not to; it cannot be looked into"
    )]
    Encoded,
    #[error("the server's answer has a secret in the name of a header")]
    HeaderName,
}
