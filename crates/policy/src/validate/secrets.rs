//! The check of the secrets.

use std::collections::BTreeSet;

use super::{check_path, check_time};
use crate::error::PolicyError;
use crate::network::http::is_token_byte;
use crate::{
    Destination, Network, NetworkMode, Policy, Secret, SecretHost, SecretPlace, SecretSource,
};

/// The longest beginning of a placeholder: longer than any issuer's own, and short beside the random
/// rest.
const LONGEST_PREFIX: usize = 32;

/// The most hosts of all secrets together: each is compared with each rule.
const MOST_HOSTS: usize = 256;

/// Headers that say where a request goes or where it ends (RFC 9110 section 7.6.1, RFC 9112, RFC
/// 9113 section 8.2.2), and those that a proxy reads.
const FRAMING: [&str; 14] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

pub(super) fn check(policy: &Policy) -> Result<(), PolicyError> {
    if policy.secrets.is_empty() {
        return Ok(());
    }
    if policy.network.mode != NetworkMode::Rules {
        return Err(PolicyError::NeedsRules { what: "secrets" });
    }
    let what = "the hosts of secrets";
    let count = policy.secrets.iter().map(|secret| secret.hosts.len()).sum();
    if count > MOST_HOSTS {
        let max = MOST_HOSTS;
        return Err(PolicyError::TooManyRules { what, count, max });
    }
    let mut names = BTreeSet::new();
    for secret in &policy.secrets {
        check_secret(secret, &policy.network)?;
        let name = || secret.name.clone();
        if !names.insert(&secret.name) {
            return Err(PolicyError::DuplicateSecret { name: name() });
        }
        let environment = &policy.environment;
        if environment.inherit.contains(&secret.name) || environment.set.contains_key(&secret.name)
        {
            return Err(PolicyError::SecretInEnvironment { name: name() });
        }
    }
    Ok(())
}

fn check_secret(secret: &Secret, network: &Network) -> Result<(), PolicyError> {
    let name = || secret.name.clone();
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if secret.name.is_empty()
        || secret.name.starts_with(|c: char| c.is_ascii_digit())
        || !secret.name.bytes().all(letter)
    {
        return Err(PolicyError::SecretName { name: name() });
    }
    check_source(secret)?;
    check_time("the ttl of a secret", secret.ttl)?;
    if secret.prefix.len() > LONGEST_PREFIX
        || !secret
            .prefix
            .bytes()
            .all(|byte| letter(byte) || byte == b'-')
    {
        return Err(PolicyError::SecretPrefix {
            name: name(),
            prefix: secret.prefix.clone(),
            max: LONGEST_PREFIX,
        });
    }
    check_place(secret)?;
    if let Some(error) = secret.unreadable.first() {
        let error = error.clone();
        return Err(PolicyError::SecretHost {
            name: name(),
            error,
        });
    }
    if secret.hosts.is_empty() {
        return Err(PolicyError::SecretWithoutHost { name: name() });
    }
    secret
        .hosts
        .iter()
        .try_for_each(|host| check_host(secret, host, network))
}

fn check_source(secret: &Secret) -> Result<(), PolicyError> {
    let name = || secret.name.clone();
    match &secret.source {
        SecretSource::Env(given) if given.contains(['=', '\0']) => {
            let given = given.clone();
            return Err(PolicyError::SecretVariable {
                name: name(),
                given,
            });
        }
        SecretSource::File(path) => return check_path("the file of a secret", path),
        SecretSource::Command(words) => {
            if words.iter().any(|word| word.contains('\0')) {
                return Err(PolicyError::SecretArgument { name: name() });
            }
            let program = words.first().map_or("", String::as_str);
            if program.contains('/') && !program.starts_with('/') {
                let program = program.into();
                return Err(PolicyError::SecretProgram {
                    name: name(),
                    program,
                });
            }
        }
        SecretSource::Env(_) | SecretSource::Provider(_) => {}
    }
    let given = match &secret.source {
        SecretSource::Env(one) | SecretSource::Provider(one) => one,
        SecretSource::Command(words) => words.first().unwrap_or(const { &String::new() }),
        SecretSource::File(_) => return Ok(()),
    };
    match given.is_empty() {
        true => Err(PolicyError::SecretWithoutSource { name: name() }),
        false => Ok(()),
    }
}

fn check_place(secret: &Secret) -> Result<(), PolicyError> {
    let name = || secret.name.clone();
    match &secret.place {
        SecretPlace::Header(header) => {
            let token = !header.is_empty() && header.bytes().all(is_token_byte);
            let framing = FRAMING.iter().any(|one| one.eq_ignore_ascii_case(header));
            let (name, header) = (name(), header.clone());
            match (token, framing) {
                (true, false) => {}
                (true, true) => return Err(PolicyError::SecretFraming { name, header }),
                (false, _) => return Err(PolicyError::SecretHeader { name, header }),
            }
        }
        SecretPlace::Query(parameter) => {
            // Unreserved characters (RFC 3986 section 2.3), which are written in one way only.
            let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if parameter.is_empty() || !parameter.bytes().all(unreserved) {
                let parameter = parameter.clone();
                return Err(PolicyError::SecretParameter {
                    name: name(),
                    parameter,
                });
            }
        }
        SecretPlace::Bearer | SecretPlace::Basic => {}
    }
    Ok(())
}

fn check_host(secret: &Secret, host: &SecretHost, network: &Network) -> Result<(), PolicyError> {
    let name = || secret.name.clone();
    if host.ports.is_empty() {
        let host = host.name.to_string();
        return Err(PolicyError::SecretWithoutPort { name: name(), host });
    }
    // `*`, and what ends in it: names of every top-level domain.
    if host.name.as_str().ends_with('*') {
        let host = host.name.to_string();
        return Err(PolicyError::SecretForEverybody { name: name(), host });
    }
    let leads = |to: &Destination| match to {
        Destination::Name(name) => name.intersection(&host.name).is_some(),
        _ => false,
    };
    let reached = network
        .allow
        .iter()
        .any(|rule| leads(&rule.to) && !rule.ports.intersection(&host.ports).is_empty());
    match reached || network.package_clients {
        true => Ok(()),
        false => Err(PolicyError::SecretUnreachable {
            name: name(),
            host: host.to_string(),
        }),
    }
}
