//! Secrets as text: a table for each, under its name.

use std::marker::PhantomData;
use std::time::Duration;

use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::files::utf8;
use super::network::{Line, written};
use super::shape::table;
use crate::error::FormatError;
use crate::{Secret, SecretHost, SecretPlace, SecretSource};

/// A secret.
pub(crate) struct SecretText(SecretTable);

/// A secret that stays outside. The variable of its name holds a placeholder.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Secret")
)]
pub(crate) struct SecretTable {
    /// Where the value comes from; left out, the host's variable of the same name.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<SecretSource>,
    /// The hosts it is for, at port 443 unless others are named.
    hosts: Vec<SecretHost>,
    /// Where in a request it is put.
    place: SecretPlace,
    /// How long a value is used before it is fetched again; left out, for ever.
    #[serde(
        skip_serializing_if = "Option::is_none",
        with = "crate::text::duration"
    )]
    #[cfg_attr(
        feature = "schema",
        schemars(with = "Option<crate::schema::DurationText>")
    )]
    ttl: Option<Duration>,
    /// What the placeholder begins with.
    #[serde(skip_serializing_if = "String::is_empty")]
    prefix: String,
}

impl Default for SecretTable {
    fn default() -> Self {
        let Secret {
            hosts,
            place,
            ttl,
            prefix,
            ..
        } = Secret::default();
        SecretTable {
            from: None,
            hosts,
            place,
            ttl,
            prefix,
        }
    }
}

impl SecretText {
    pub(super) fn named(self, name: String) -> Secret {
        let SecretTable {
            from,
            hosts,
            place,
            ttl,
            prefix,
        } = self.0;
        Secret {
            source: from.unwrap_or_else(|| SecretSource::Env(name.clone())),
            name,
            ttl,
            hosts,
            place,
            prefix,
            ..Secret::default()
        }
    }
}

impl TryFrom<&Secret> for SecretText {
    type Error = FormatError;

    fn try_from(secret: &Secret) -> Result<Self, FormatError> {
        if let SecretSource::File(path) = &secret.source {
            utf8(path)?;
        }
        if let Some(error) = secret.unreadable.first() {
            let message = error.to_string();
            return Err(FormatError::Value { message });
        }
        Ok(SecretText(SecretTable {
            from: Some(secret.source.clone()),
            hosts: secret.hosts.clone(),
            place: secret.place.clone(),
            ttl: secret.ttl,
            prefix: secret.prefix.clone(),
        }))
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        table(deserializer).map(SecretText)
    }
}

impl Serialize for SecretHost {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written::<_, S::Error>(self)?)
    }
}

impl<'de> Deserialize<'de> for SecretHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Line("a host such as \"api.example.com\"", PhantomData))
    }
}
