//! What a program is told instead of an answer.

use super::body::Body;
use crate::decision::{Denial, Reason};
use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

/// An answer that says why, and what a person can do. The text of rules stays outside.
pub(super) fn denied(status: StatusCode, denial: &Denial) -> Response<Body> {
    let mut text = format!("Cofferdam: {}.", why(denial.reason));
    if !denial.remedy.is_empty() {
        text.push_str("\nTo allow it: ");
        text.push_str(&denial.remedy);
    }
    text.push('\n');
    let mut response = Response::new(Body::text(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

/// The same, after which an HTTP/1 connection is closed.
pub(super) fn closing(status: StatusCode, denial: &Denial) -> Response<Body> {
    let mut response = denied(status, denial);
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::NotAllowed => "no rule allows this request",
        Reason::Denied => "a rule denies this request",
        Reason::SpecialAddress => "the name leads to an address of a special range",
        Reason::OtherName => "the request is for another host than was connected to",
        Reason::Malformed => "the request is malformed",
        Reason::NotHttp => "this is no HTTP",
        Reason::Certificate => "the server's certificate does not hold",
        Reason::Unreachable => "the server gives no answer",
        Reason::Refused => "the request was looked at and refused",
        Reason::NoAnswer => "nobody decided about this request in time",
        Reason::Protocol => "this way of using HTTP leads nowhere from here",
        Reason::Limit => "a limit is exceeded",
        Reason::Secret => "a secret cannot be used for this request",
        Reason::Unrecorded => "the request cannot be recorded",
    }
}
