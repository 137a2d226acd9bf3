//! One request: checked, decided about, completed with secrets, sent on; and its answer.

use super::body::Body;
use super::screen::{Flaw, Found};
use super::upgrade::Upgrade;
use super::{Asked, Service, Version, fields, refusal, target};
use crate::decision::{Denial, Reason};
use crate::secret::{Scrubber, Used};
use http::header::{HOST, HeaderName, UPGRADE};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper::upgrade::OnUpgrade;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as Slot, PoisonError};
use tokio::sync::Mutex;

const SEC_WEBSOCKET_EXTENSIONS: HeaderName = HeaderName::from_static("sec-websocket-extensions");

/// Where requests of one connection go.
pub(super) enum Upstream {
    Http1(Mutex<http1::SendRequest<Body>>),
    Http2(http2::SendRequest<Body>),
}

/// What the requests of one connection have in common.
pub(super) struct Forward {
    pub service: Service,
    pub version: Version,
    pub upstream: Upstream,
    /// What the screen found; HTTP/1 only.
    pub found: Option<Arc<Found>>,
    /// Whether the server has answered once.
    pub answered: AtomicBool,
    /// Where the connection is put that becomes something else.
    pub upgrade: Slot<Option<Upgrade>>,
}

/// Nothing can be answered: the connection closes, or the stream is reset.
#[derive(Debug, thiserror::Error)]
pub(super) enum Gone {
    #[error("the server closed the connection between two requests")]
    Idle,
}

/// A refusal and its status.
type Refusal = (StatusCode, Denial);

impl Forward {
    /// Answers one request.
    pub async fn handle(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Gone> {
        if let Some(Err(flaw)) = self.found.as_ref().map(|found| found.next()) {
            let denial = malformed(flaw);
            self.service.judge.refused(None, &denial);
            return Ok(refusal::closing(flaw.status(), &denial));
        }
        let (mut parts, body) = request.into_parts();
        let asked = Asked {
            method: parts.method.as_str().to_owned(),
            path: parts.uri.path().to_owned(),
        };
        let authority = match self.check(&parts) {
            Ok(authority) => authority,
            Err((status, denial)) => {
                self.service.judge.refused(Some(&asked), &denial);
                // Whoever names another host has not understood whom this connection leads to.
                return Ok(self.closing(status, &denial));
            }
        };
        if let Err(denial) = self.service.judge.judge(asked.clone()).await {
            return Ok(refusal::denied(StatusCode::FORBIDDEN, &denial));
        }
        let upgrade = self.prepare(&mut parts, &authority);
        let used = match self.swap(&mut parts).await {
            Ok(used) => used,
            Err(denial) => {
                self.service.judge.refused(Some(&asked), &denial);
                return Ok(refusal::denied(StatusCode::BAD_GATEWAY, &denial));
            }
        };
        if let Err(denial) = self.service.judge.admit(&asked, used.names()) {
            self.service.judge.refused(Some(&asked), &denial);
            return Ok(refusal::denied(StatusCode::FORBIDDEN, &denial));
        }
        let scrubber = Some(used.scrubber()).filter(|scrubber| !scrubber.is_idle());
        if scrubber.is_some() {
            // Compressed frames could not be looked into.
            parts.headers.remove(SEC_WEBSOCKET_EXTENSIONS);
        }
        let mut request = Request::from_parts(parts, body);
        let client = upgrade.as_ref().map(|_| hyper::upgrade::on(&mut request));
        let answer = self.send(request.map(Body::Passed)).await;
        let answer = match answer {
            Ok(answer) => self.answer(answer, upgrade.zip(client), scrubber),
            Err(Some(denial)) => Err((status(denial.reason), denial)),
            Err(None) => return Err(Gone::Idle),
        };
        Ok(answer.unwrap_or_else(|(status, denial)| {
            self.service.judge.refused(Some(&asked), &denial);
            refusal::denied(status, &denial)
        }))
    }

    /// What a request has to be, whoever decides about it.
    fn check(&self, parts: &Parts) -> Result<Authority, Refusal> {
        if parts.method == Method::CONNECT {
            let remedy =
                "connect to the host itself; every address and name leads through the gate";
            return Err((
                StatusCode::METHOD_NOT_ALLOWED,
                denial(Reason::Protocol, remedy),
            ));
        }
        let site = &self.service.site;
        let authority = target::check(&parts.uri, &parts.headers, site, self.version)
            .map_err(|reason| (status(reason), denial(reason, remedy(reason))))?;
        let secret = self
            .service
            .secrets
            .as_ref()
            .is_some_and(|secrets| secrets.wants(&site.host, site.port));
        if parts.method == Method::TRACE && secret {
            let remedy = "use another method: TRACE would send the secret back";
            return Err((StatusCode::FORBIDDEN, denial(Reason::Secret, remedy)));
        }
        Ok(authority)
    }

    /// Makes the request what is sent on. What it asks to upgrade to.
    fn prepare(&self, parts: &mut Parts, authority: &Authority) -> Option<HeaderValue> {
        let site = &self.service.site;
        let upgrade = match self.version {
            Version::Http1 => fields::upgrade(&parts.headers),
            Version::Http2 => None,
        };
        fields::of_request(&mut parts.headers);
        parts.uri = target::rewritten(&parts.uri, authority, site, self.version);
        parts.headers.remove(HOST);
        if self.version == Version::Http1 {
            parts.version = http::Version::HTTP_11;
            if let Ok(host) = HeaderValue::from_str(authority.as_str()) {
                parts.headers.insert(HOST, host);
            }
        }
        if let Some(protocol) = &upgrade {
            fields::set_upgrade(&mut parts.headers, protocol.clone());
        }
        upgrade
    }

    async fn swap(&self, parts: &mut Parts) -> Result<Used, Denial> {
        let Some(secrets) = &self.service.secrets else {
            return Ok(Used::default());
        };
        let site = &self.service.site;
        secrets
            .swap(&site.host, site.port, site.tls, site.loopback, parts)
            .await
            .map_err(|error| denial(Reason::Secret, &error.to_string()))
    }

    /// Sends a request. The error is what is answered, or none where the connection just ends.
    async fn send(&self, request: Request<Body>) -> Result<Response<Incoming>, Option<Denial>> {
        let answer = match &self.upstream {
            Upstream::Http1(sender) => {
                let mut sender = sender.lock().await;
                match sender.ready().await {
                    Ok(()) => {
                        let answer = sender.send_request(request);
                        drop(sender);
                        answer.await
                    }
                    Err(error) => Err(error),
                }
            }
            Upstream::Http2(sender) => {
                let mut sender = sender.clone();
                match sender.ready().await {
                    Ok(()) => sender.send_request(request).await,
                    Err(error) => Err(error),
                }
            }
        };
        let again = self.answered.swap(true, Ordering::Relaxed);
        answer.map_err(|error| {
            if let Some(flaw) = self.found.as_ref().and_then(|found| found.body()) {
                return Some(malformed(flaw));
            }
            let closed = error.is_closed() || error.is_canceled() || error.is_incomplete_message();
            // A program tries again by itself when a connection that was used before has closed.
            let idle = closed && again;
            (!idle).then(|| denial(Reason::Unreachable, &format!("try again later ({error})")))
        })
    }

    fn answer(
        &self,
        mut answer: Response<Incoming>,
        asked: Option<(HeaderValue, OnUpgrade)>,
        scrubber: Option<Scrubber>,
    ) -> Result<Response<Body>, Refusal> {
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.switch(answer, asked, scrubber);
        }
        fields::of_response(answer.headers_mut());
        let (mut parts, body) = answer.into_parts();
        let Some(scrubber) = scrubber else {
            return Ok(Response::from_parts(parts, Body::Passed(body)));
        };
        scrub(&scrubber, &mut parts)?;
        Ok(Response::from_parts(parts, Body::scrubbed(body, scrubber)))
    }

    fn switch(
        &self,
        mut answer: Response<Incoming>,
        asked: Option<(HeaderValue, OnUpgrade)>,
        scrubber: Option<Scrubber>,
    ) -> Result<Response<Body>, Refusal> {
        let agreed = answer.headers().get(UPGRADE).cloned();
        let (Some((protocol, client)), Some(found)) = (asked, &self.found) else {
            return Err(unasked());
        };
        if !agreed.is_some_and(|agreed| agreed.as_bytes().eq_ignore_ascii_case(protocol.as_bytes()))
        {
            return Err(unasked());
        }
        let server = hyper::upgrade::on(&mut answer);
        let (mut parts, _) = answer.into_parts();
        fields::of_response(&mut parts.headers);
        fields::set_upgrade(&mut parts.headers, protocol);
        if let Some(scrubber) = &scrubber {
            scrub(scrubber, &mut parts)?;
        }
        found.upgrade();
        *self.upgrade.lock().unwrap_or_else(PoisonError::into_inner) = Some(Upgrade {
            client,
            server,
            scrubber,
        });
        Ok(Response::from_parts(parts, Body::text(String::new())))
    }

    fn closing(&self, status: StatusCode, denial: &Denial) -> Response<Body> {
        match self.version {
            Version::Http1 => refusal::closing(status, denial),
            Version::Http2 => refusal::denied(status, denial),
        }
    }
}

/// What an event tells about a flaw.
pub(super) fn malformed(flaw: Flaw) -> Denial {
    let reason = match flaw {
        Flaw::Long | Flaw::Slow => Reason::Limit,
        _ => Reason::Malformed,
    };
    denial(reason, &format!("correct the program's request: {flaw}"))
}

fn scrub(scrubber: &Scrubber, parts: &mut http::response::Parts) -> Result<(), Refusal> {
    scrubber.head(parts).map_err(|error| {
        let denial = denial(Reason::Secret, &error.to_string());
        (StatusCode::BAD_GATEWAY, denial)
    })
}

fn unasked() -> Refusal {
    let remedy = "correct the server: it changed to a protocol that the program did not ask for";
    (StatusCode::BAD_GATEWAY, denial(Reason::Malformed, remedy))
}

fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::OtherName => StatusCode::MISDIRECTED_REQUEST,
        Reason::Malformed | Reason::Limit => StatusCode::BAD_REQUEST,
        _ => StatusCode::BAD_GATEWAY,
    }
}

fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::OtherName => "open a connection to that host",
        _ => "name the host once, as it was connected to",
    }
}

fn denial(reason: Reason, remedy: &str) -> Denial {
    Denial {
        reason,
        rule: None,
        remedy: remedy.to_owned(),
    }
}
