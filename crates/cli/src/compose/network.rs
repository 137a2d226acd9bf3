//! The options about the network and about secrets.

use super::ComposeError;
use crate::args::{NetworkArgument, PolicyArguments, SecretArgument};
use cofferdam::Network;
use cofferdam::policy::Secret;

/// The options on top of the file's network: `none` and `host` take its place, all else is added.
pub(super) fn compose(
    mut network: Network,
    arguments: &PolicyArguments,
) -> Result<Network, ComposeError> {
    let alone = |one: &NetworkArgument| !matches!(one, NetworkArgument::Rule(_));
    if arguments.network.iter().any(alone) && arguments.network.len() > 1 {
        return Err(ComposeError::NetworkNotAlone);
    }
    for argument in &arguments.network {
        network = match argument {
            NetworkArgument::None => Network::default(),
            NetworkArgument::Host => network.host(),
            NetworkArgument::Rule(rule) => network.allow(rule.clone()),
        };
    }
    for rule in &arguments.deny_network {
        network = network.deny(rule.clone());
    }
    if arguments.package_clients {
        network = network.package_clients();
    }
    for publish in &arguments.publish {
        network = network.publish(publish.host, publish.port);
    }
    for forward in &arguments.forward {
        network = network.forward(forward.clone());
    }
    if !arguments.ssh_agent.is_empty() {
        network = network.ssh_agent(&arguments.ssh_agent);
    }
    Ok(network)
}

/// The secrets typed, each in place of the file's of that name.
pub(super) fn secrets(
    secrets: &mut Vec<Secret>,
    typed: &[SecretArgument],
) -> Result<(), ComposeError> {
    let mut added: Vec<Secret> = Vec::new();
    let mut sources: Vec<&SecretArgument> = Vec::new();
    for argument in typed {
        let known = added.iter_mut().find(|secret| secret.name == argument.name);
        let Some(secret) = known else {
            let mut secret = Secret::default()
                .env(&argument.name)
                .place(argument.place.clone());
            secret.hosts.push(argument.host.clone());
            if let Some(source) = &argument.source {
                secret.source = source.clone();
                sources.push(argument);
            }
            added.push(secret);
            continue;
        };
        if secret.place != argument.place {
            return Err(ComposeError::TwoPlaces(argument.name.clone()));
        }
        if let Some(source) = &argument.source {
            let named = sources.iter().any(|other| other.name == argument.name);
            if named && *source != secret.source {
                return Err(ComposeError::TwoSources(argument.name.clone()));
            }
            secret.source = source.clone();
            sources.push(argument);
        }
        secret.hosts.push(argument.host.clone());
    }
    secrets.retain(|secret| added.iter().all(|one| one.name != secret.name));
    secrets.append(&mut added);
    Ok(())
}
