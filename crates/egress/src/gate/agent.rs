//! The filtered ssh-agent of an environment.

use super::environment::Environment;
use super::shared::denial;
use crate::decision::{Denial, Reason};
use crate::ssh_agent::{Consent, serve};
use crate::{Decision, EventKind};
use std::future::Future;
use std::pin::Pin;
use tokio::net::UnixStream;

/// Serves one connection until its end.
pub(super) async fn connection(environment: &Environment, stream: UnixStream) {
    if let Some((socket, keys)) = &environment.shared.ssh_agent {
        // A program that breaks the protocol has closed its connection by that.
        let _ = serve(stream, socket, keys, &Signatures(environment)).await;
    }
}

/// Asks the hook about signatures, and tells of them.
struct Signatures<'a>(&'a Environment);

impl Signatures<'_> {
    fn tell(&self, key: &str, decided: Result<(), Denial>) {
        let kind = EventKind::Signature {
            key: key.to_owned(),
        };
        let decision = match decided {
            Ok(()) => Decision::Allowed(rule(key)),
            Err(denied) => Decision::Denied(denied),
        };
        self.0.tell(kind, decision);
    }
}

impl Consent for Signatures<'_> {
    fn sign(&self, key: &str) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
        let key = key.to_owned();
        Box::pin(async move {
            let decided = match &self.0.shared.asking {
                Some(asking) => asking.sign(&key).await,
                None => Ok(()),
            };
            let decided = decided.and_then(|()| {
                let kind = EventKind::Signature { key: key.clone() };
                self.0.admit(kind, &rule(&key))
            });
            let allowed = decided.is_ok();
            self.tell(&key, decided);
            allowed
        })
    }

    fn refused(&self, key: &str) {
        let remedy = format!("name the key {key} in the policy: ssh_agent, --ssh-agent {key}");
        self.tell(key, Err(denial(Reason::NotAllowed, remedy)));
    }
}

/// What allows a signature.
fn rule(key: &str) -> String {
    format!("the policy gives the key {key}")
}
