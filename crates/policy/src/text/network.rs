//! The network part as text: one line for most things, a table for a rule about requests.

use std::collections::BTreeSet;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize, Serialize};

use super::files::utf8;
use crate::error::FormatError;
use crate::{
    Destination, Endpoint, Forward, HostEndpoint, HttpMatch, Network, NetworkRule, PathPattern,
    Publish,
};

/// A rule about some HTTP requests only.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "RequestRule")
)]
pub(crate) struct RuleTable {
    /// Where to, as in a rule that is one text.
    to: String,
    /// Of these methods; of any, where there is none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    methods: BTreeSet<String>,
    /// For these paths; for any, where there is none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    paths: BTreeSet<String>,
}

impl Serialize for NetworkRule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Destination::Unreadable(error) = &self.to {
            return Err(S::Error::custom(error));
        }
        match &self.http {
            Some(http) if *http != HttpMatch::default() => {
                let place = NetworkRule {
                    http: None,
                    ..self.clone()
                };
                RuleTable {
                    to: written::<_, S::Error>(&place)?,
                    methods: http.methods.clone(),
                    paths: http.paths.iter().map(PathPattern::to_string).collect(),
                }
                .serialize(serializer)
            }
            _ => serializer.serialize_str(&written::<_, S::Error>(self)?),
        }
    }
}

impl<'de> Deserialize<'de> for NetworkRule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rule;
        impl<'de> Visitor<'de> for Rule {
            type Value = NetworkRule;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a rule such as \"example.com:443\" or a table such as \
                     { to = \"example.com\", methods = [\"GET\"], paths = [\"/**\"] }",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<NetworkRule, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<NetworkRule, A::Error> {
                let table = RuleTable::deserialize(MapAccessDeserializer::new(map))?;
                let rule: NetworkRule = table.to.parse().map_err(A::Error::custom)?;
                if table.methods.is_empty() && table.paths.is_empty() {
                    return Ok(rule);
                }
                if rule.http.is_some() {
                    return Err(A::Error::custom(
                        "a rule has its requests both in `to` and beside it; write them once",
                    ));
                }
                let paths: Result<_, _> = table.paths.iter().map(|path| path.parse()).collect();
                Ok(NetworkRule {
                    http: Some(HttpMatch {
                        // Validation tells methods from other words.
                        methods: table.methods,
                        paths: paths.map_err(A::Error::custom)?,
                    }),
                    ..rule
                })
            }
        }
        deserializer.deserialize_any(Rule)
    }
}

impl Serialize for Publish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written::<_, S::Error>(self)?)
    }
}

impl<'de> Deserialize<'de> for Publish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Line("a port to publish such as \"8080\"", PhantomData))
    }
}

impl Serialize for Forward {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written::<_, S::Error>(self)?)
    }
}

impl<'de> Deserialize<'de> for Forward {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a service to forward such as \"5432\" or \"/run/a.sock=/run/b.sock\"";
        deserializer.deserialize_any(Line(expected, PhantomData))
    }
}

/// Checks the paths that are part of a line, where a replacement character would be written.
pub(super) fn check_utf8(network: &Network) -> Result<(), FormatError> {
    let trust = network.trust.iter();
    let inside = network.forward.iter().map(|forward| &forward.inside);
    let inside = inside.filter_map(|inside| match inside {
        Endpoint::Unix(path) => Some(path),
        Endpoint::Tcp(_) => None,
    });
    let hosts = network.forward.iter().map(|forward| &forward.host);
    let hosts = hosts.filter_map(|host| match host {
        HostEndpoint::Unix(path) => Some(path),
        HostEndpoint::Tcp(_) => None,
    });
    let agent = network.ssh_agent.iter().flat_map(|agent| &agent.socket);
    for path in trust.chain(inside).chain(hosts).chain(agent) {
        utf8(path)?;
    }
    Ok(())
}

/// The line of a value, where reading it gives the value back.
pub(super) fn written<T: Display + FromStr + PartialEq, E: serde::ser::Error>(
    value: &T,
) -> Result<String, E> {
    let line = value.to_string();
    match line.parse::<T>() {
        Ok(same) if same == *value => Ok(line),
        _ => Err(E::custom(format_args!("{line:?} reads as something else"))),
    }
}

/// Reads a line, after what is expected.
pub(super) struct Line<T>(pub(super) &'static str, pub(super) PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for Line<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}
