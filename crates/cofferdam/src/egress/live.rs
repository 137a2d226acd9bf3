//! A gate, and what a sandbox has to know of it.

use super::hooks::Hooks;
use super::sockets::{Attachment, GATE_PORT, Published, Role, roles, sockets};
use super::variables;
use crate::enforcement::{LayerReport, Weakness};
use crate::error::{BuildError, SpawnError};
use crate::preset::package_clients;
use crate::record::{Recorder, Routes};
use cofferdam_audit::Audit;
use cofferdam_egress::secret::Learned;
use cofferdam_egress::{Gate, Rules, Settings};
use cofferdam_namespaces::{Families, Missing, PreparedRedirect, Redirect};
use cofferdam_policy::{Enforce, Network, NetworkMode, Policy};
use cofferdam_spawn::{Connector, Listeners, NetworkPlan};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What resolvers inside ask (resolv.conf(5)): the gate, which has a socket there.
const RESOLV_CONF: &str = "nameserver 127.0.0.1\n";

/// A hook that is asked without a deadline of its own.
const ASK_DEADLINE: Duration = Duration::from_secs(60);

/// The gate of one sandbox, for all its commands and sessions.
#[derive(Debug)]
pub(crate) struct Egress {
    gate: Gate,
    /// Who hears of its events.
    routes: Routes,
    roles: Vec<Role>,
    redirect: Option<PreparedRedirect>,
    /// Why connections are not redirected, where they are not.
    no_redirect: Option<Weakness>,
    /// As it is in force.
    network: Mutex<Network>,
    /// The names of the secrets.
    secrets: Vec<String>,
    /// What is not known about the host's package clients.
    notes: Vec<package_clients::Note>,
    variables: Vec<(OsString, OsString)>,
    placeholders: Vec<(OsString, OsString)>,
    files: Vec<(PathBuf, Vec<u8>)>,
}

impl Egress {
    /// Starts a gate where the policy has rules. What the package clients of this host need is
    /// found out here and becomes part of the policy.
    pub(crate) fn start(
        policy: &mut Policy,
        hooks: &Hooks,
        audit: Option<&Audit>,
    ) -> Result<Option<Arc<Self>>, BuildError> {
        if policy.network.mode != NetworkMode::Rules {
            return Ok(None);
        }
        if policy.layers.network == Enforce::Off {
            return Err(BuildError::RulesWithoutLayer);
        }
        let (mut client_variables, mut client_files) = (Vec::new(), Vec::new());
        let mut notes = Vec::new();
        if policy.network.package_clients {
            let found = package_clients::find();
            policy.network.allow.extend(found.rules);
            client_variables = found.variables;
            client_files = found.files;
            notes = found.notes;
        }
        let (redirect, no_redirect) = match redirect(hooks.without_redirect) {
            Ok(families) => (Some(families), None),
            Err(missing) => (None, Some(missing)),
        };
        let ipv6 = redirect.is_some_and(|families| families.ipv6);
        let network = policy.network.clone();
        let routes = Routes::default();
        let admit = routes.clone();
        let gate = Gate::start(Settings {
            rules: rules(&network),
            secrets: policy.secrets.clone(),
            providers: hooks.providers.clone(),
            trust: network.trust.clone(),
            ask: hooks.ask.as_ref().map(|(ask, _)| Arc::clone(ask)),
            ask_deadline: hooks.ask.as_ref().map_or(ASK_DEADLINE, |(_, limit)| *limit),
            events: Some(routes.events(hooks.events.clone())),
            admit: Some(Arc::new(move |event| admit.admit(event))),
            learned: audit.cloned().map(|audit| {
                Arc::new(move |name: &str, value: &[u8]| audit.hide(name, value)) as Learned
            }),
            forward: network.forward.clone(),
            ssh_agent: network.ssh_agent.clone(),
            resolve: hooks.resolve.clone(),
        })?;
        let mut files = vec![("/etc/resolv.conf".into(), RESOLV_CONF.into())];
        files.extend(client_files);
        let mut variables = variables::Variables::default();
        if let Some(authority) = gate.authority() {
            files.extend(variables.trust(authority, &network.trust)?);
        }
        if no_redirect.is_some() {
            variables.proxies();
        }
        if network.ssh_agent.is_some() {
            variables.ssh_agent();
        }
        let mut variables = variables.finish();
        variables.extend(client_variables);
        let placeholders = gate.placeholders().into_iter();
        Ok(Some(Arc::new(Self {
            roles: roles(&network, redirect.is_some(), ipv6),
            redirect: redirect.map(|_| {
                Redirect {
                    port: GATE_PORT,
                    ipv6,
                }
                .prepare()
            }),
            no_redirect,
            secrets: policy.secrets.iter().map(|one| one.name.clone()).collect(),
            variables,
            placeholders: placeholders
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            files,
            network: Mutex::new(network),
            notes,
            routes,
            gate,
        })))
    }

    /// What the network namespace is made with.
    pub(crate) fn plan(&self) -> NetworkPlan {
        NetworkPlan {
            redirect: self.redirect.clone(),
            listeners: self.roles.iter().filter_map(Role::listener).collect(),
        }
    }

    /// The variables that programs need to trust and to find the gate.
    pub(crate) fn variables(&self) -> &[(OsString, OsString)] {
        &self.variables
    }

    /// The variables that hold placeholders of secrets.
    pub(crate) fn placeholders(&self) -> &[(OsString, OsString)] {
        &self.placeholders
    }

    /// Sockets of the view, with their paths.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = &Path> {
        self.roles.iter().filter_map(Role::path)
    }

    /// Files of the view.
    pub(crate) fn files(&self) -> &[(PathBuf, Vec<u8>)] {
        &self.files
    }

    /// Adds what is in force to the network layer's report.
    pub(crate) fn report(&self, report: &mut LayerReport) {
        let network = self.network();
        let (allow, deny) = (network.allow.len(), network.deny.len());
        report.add(format!(
            "a network namespace whose only way out is the gate: {allow} rules allow, {deny} deny"
        ));
        match &self.no_redirect {
            None => report.add("every TCP connection and DNS question of it (nftables)"),
            // The wall is as high: nothing else leads out. But programs have to know the proxy.
            Some(missing) => {
                report.add("HTTP and SOCKS5 proxies on 127.0.0.1, and the variables for them");
                report.weaker.push(missing.clone());
            }
        }
        if self.gate.authority().is_some() {
            report.add("TLS is looked into where a rule or a secret asks for it");
        }
        for package_clients::Note { client, text } in &self.notes {
            report.add(format!("not known of {client}: {text}"));
        }
        if !self.secrets.is_empty() {
            let names = self.secrets.join(", ");
            report.add(format!("placeholders stand for {names}"));
        }
    }

    /// Listens on the host for the ports that are published, before anything runs inside.
    pub(crate) fn publish(&self) -> Result<Vec<Published>, SpawnError> {
        let network = self.lock();
        network.publish.iter().map(Published::listen).collect()
    }

    /// Serves the sockets that a new network namespace was made with.
    pub(crate) fn attach(
        &self,
        listeners: Listeners,
        published: Vec<Published>,
        inside: Connector,
        recorder: &Recorder,
    ) -> Result<Attachment, SpawnError> {
        let sockets = sockets(&self.roles, listeners);
        let attach = || {
            let attached = self.gate.attach(sockets)?;
            let id = attached.id();
            Ok((attached, id))
        };
        let (attached, route) = self
            .routes
            .add(recorder, attach)
            .map_err(SpawnError::Gate)?;
        Attachment::new(attached, route, published, inside).map_err(SpawnError::Gate)
    }

    /// Waits until what was decided before has been recorded.
    pub(crate) fn settle(&self) {
        self.gate.settle();
    }

    /// The network part as it is in force.
    pub(super) fn network(&self) -> Network {
        self.lock().clone()
    }

    /// Puts other rules in force.
    pub(super) fn replace(&self, network: Network) {
        let mut current = self.lock();
        self.gate.replace(rules(&network));
        current.allow = network.allow;
        current.deny = network.deny;
    }

    fn lock(&self) -> MutexGuard<'_, Network> {
        self.network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What this host redirects, or why it does not; `switched_off` makes it one without nftables.
fn redirect(switched_off: bool) -> Result<Families, Weakness> {
    let found = match switched_off {
        true => Err(Missing::NetfilterModule {
            module: "nf_tables",
        }),
        false => cofferdam_namespaces::probe_redirect(),
    };
    found.map_err(|missing| {
        let what = "programs that know of no proxy";
        Weakness::new(what, missing.reason(), missing.remedy())
    })
}

fn rules(network: &Network) -> Rules {
    Rules::new(network.allow.clone(), network.deny.clone())
}
