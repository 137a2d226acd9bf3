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
    pub(super) fn tell_denied(&self, denied: Denial) {
        self.environment
            .tell(self.beginning(), Decision::Denied(denied));
    }

    /// Has the connection admitted that this rule allows.
    pub(super) fn admit(&self, rule: &str) -> Result<(), Denial> {
        self.environment.admit(self.beginning(), rule)
    }

    /// The connection before anything has gone over it.
    fn beginning(&self) -> EventKind {
        EventKind::Connection {
            host: self.host.clone(),
            port: self.port,
            address: self.address,
            sent: 0,
            received: 0,
            duration: Duration::ZERO,
        }
    }

    fn request(&self, asked: Option<&Asked>, secrets: &[String]) -> EventKind {
        let redact = |text: &str| self.environment.shared.secrets.redact(text).into_owned();
        EventKind::Request {
            host: self.host.clone(),
            port: self.port,
            method: asked.map(|asked| redact(&asked.method)).unwrap_or_default(),
            path: asked.map(|asked| redact(&asked.path)).unwrap_or_default(),
            secrets: secrets.to_vec(),
        }
    }

    fn tell_refused(&self, asked: Option<&Asked>, denied: &Denial) {
        let kind = self.request(asked, &[]);
        let decision = Decision::Denied(denied.clone());
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
                self.visit.tell_refused(Some(&asked), denied);
            }
            decided
        })
    }

    fn admit(&self, asked: &Asked, secrets: &[String]) -> Result<(), Denial> {
        let by = match self.by {
            By::Rules => "the rules",
            By::Hook => "the decision hook",
        };
        let kind = self.visit.request(Some(asked), secrets);
        let environment = &self.visit.environment;
        environment.admit(kind.clone(), by)?;
        environment.tell(kind, Decision::Allowed(by.into()));
        Ok(())
    }

    fn refused(&self, asked: Option<&Asked>, denial: &Denial) {
        self.visit.tell_refused(asked, denial);
    }
}
