//! The gate's part of the builder and of a sandbox.

use crate::{BuildError, Sandbox, SandboxBuilder};
use cofferdam_egress::secret::Provided;
use cofferdam_egress::{Ask, Event, Resolve};
use cofferdam_policy::{Network, NetworkMode};
use std::sync::Arc;
use std::time::Duration;

impl SandboxBuilder {
    /// Tells of every decision about the network. Called on the gate's own thread, for all commands
    /// of the sandbox, so it must not block: send the event on.
    pub fn on_network_event(mut self, tell: impl Fn(Event) + Send + Sync + 'static) -> Self {
        self.hooks.events = Some(Arc::new(tell));
        self
    }

    /// Asks about what no rule allows and none denies. No answer within `deadline` is a no.
    pub fn ask(mut self, ask: impl Ask, deadline: Duration) -> Self {
        self.hooks.ask = Some((Arc::new(ask), deadline));
        self
    }

    /// Registers a source of secrets for [`Secret`](cofferdam_policy::Secret)s that name it
    /// ([`SecretSource::Provider`](cofferdam_policy::SecretSource::Provider)).
    pub fn secret_provider(mut self, name: impl Into<String>, provider: impl Provided) -> Self {
        self.hooks.providers.insert(name.into(), Arc::new(provider));
        self
    }

    /// Looks names up with this in the place of the host's resolver. What the rules say of addresses
    /// holds as before.
    pub fn resolver(mut self, resolver: impl Resolve) -> Self {
        self.hooks.resolve = Some(Arc::new(resolver));
        self
    }

    /// Puts the sandbox up as on a host without nftables, where programs have to know of proxies; for
    /// tests of what is left there.
    #[doc(hidden)]
    pub fn danger_without_redirect(mut self) -> Self {
        self.hooks.without_redirect = true;
        self
    }
}

impl Sandbox {
    /// Puts other rules in force for every command and session of this sandbox and its clones, also
    /// those that run: connections that they no longer allow are closed. Only what is allowed and
    /// denied changes; all else of the network part stays as it was built.
    ///
    /// # Errors
    /// [`BuildError`] where the sandbox was built without rules, or these are not valid; the rules
    /// stay as they were then.
    pub fn replace_network(
        &self,
        change: impl FnOnce(Network) -> Network,
    ) -> Result<(), BuildError> {
        let Some(egress) = &self.lowered.egress else {
            return Err(BuildError::NoRulesToReplace);
        };
        let mut policy = self.lowered.policy.clone();
        policy.network = change(egress.network());
        policy.network.mode = NetworkMode::Rules;
        policy.validate()?;
        egress.replace(policy.network);
        Ok(())
    }
}
