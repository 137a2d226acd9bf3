//! What a connection is about, and how its requests are decided.

use super::connection::By;
use super::environment::Environment;
use crate::decision::{Denial, Reason, RequestVerdict};
use crate::http::{Asked, Judge};
use crate::{Decision, EventKind, Host};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// One connection of an environment.
pub(super) struct Visit {
    pub(super) environment: Arc<Environment>,
    pub(super) host: Host,
    pub(super) port: u16,
    /// What was connected to.
    pub(super) address: Option<SocketAddr>,
}

impl Visit {
    pub(super) fn new(environment: Arc<Environment>, host: Host, port: u16) -> Self {
        Self {
            environment,
            host,
            port,
            address: None,
        }
    }

    /// Tells that the connection was denied.
    pub(super) fn tell_denied(&self, denied: Option<Denial>) {
        let Some(denied) = denied else { return };
        let kind = EventKind::Connection {
            host: self.host.clone(),
            port: self.port,
            address: self.address,
            sent: 0,
            received: 0,
            duration: Duration::ZERO,
        };
        self.environment.tell(kind, Decision::Denied(denied));
    }

    fn request(&self, asked: Option<&Asked>, secrets: &[String], decision: Decision) {
        let redact = |text: &str| self.environment.shared.secrets.redact(text).into_owned();
        let kind = EventKind::Request {
            host: self.host.clone(),
            port: self.port,
            method: asked.map(|asked| redact(&asked.method)).unwrap_or_default(),
            path: asked.map(|asked| redact(&asked.path)).unwrap_or_default(),
            secrets: secrets.to_vec(),
        };
        self.environment.tell(kind, decision);
    }
}

/// Decides about the requests of one connection.
pub(super) struct Requests {
    pub(super) visit: Arc<Visit>,
    pub(super) by: By,
}

impl Requests {
    async fn decide(&self, asked: &Asked) -> Result<(), Denial> {
        let Visit {
            environment,
            host,
            port,
            ..
        } = &*self.visit;
        let rules = environment.shared.rules();
        let denied = match rules.request(host, *port, &asked.method, &asked.path) {
            RequestVerdict::Allow(_) => return Ok(()),
            RequestVerdict::Deny(denied) => denied,
        };
        // The hook has let the whole connection pass.
        if self.by == By::Hook && denied.reason == Reason::NotAllowed {
            return Ok(());
        }
        let request = Some((asked.method.clone(), asked.path.clone()));
        environment.ask(denied, host, Some(*port), request).await
    }
}

impl Judge for Requests {
    fn judge(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Result<(), Denial>> + Send + '_>> {
        Box::pin(async move {
            let decided = self.decide(&asked).await;
            if let Err(denied) = &decided {
                let decision = Decision::Denied(denied.clone());
                self.visit.request(Some(&asked), &[], decision);
            }
            decided
        })
    }

    fn used(&self, asked: &Asked, secrets: &[String]) {
        let by = match self.by {
            By::Rules => "the rules",
            By::Hook => "the decision hook",
        };
        let decision = Decision::Allowed(by.into());
        self.visit.request(Some(asked), secrets, decision);
    }

    fn refused(&self, asked: Option<&Asked>, denial: &Denial) {
        let decision = Decision::Denied(denial.clone());
        self.visit.request(asked, &[], decision);
    }
}
