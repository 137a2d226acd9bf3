//! The shape of the text where it differs from the Rust types: `"none"` for what is switched off,
//! since TOML has no null, and names or tables for enums.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::files::{FilesystemText, utf8};
use super::network;
use super::secrets::SecretText;
use crate::error::FormatError;
use crate::{
    Environment, IdRange, Identity, Layers, Limits, Network, Policy, SyscallIntent, SyscallProfile,
    Syscalls,
};

/// What a sandbox may do.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Policy")
)]
pub(crate) struct PolicyText {
    /// What is asked of each layer.
    #[serde(deserialize_with = "table")]
    layers: Layers,
    /// The files the program sees.
    #[serde(deserialize_with = "table")]
    filesystem: FilesystemText,
    /// The network it reaches.
    #[serde(deserialize_with = "table")]
    network: Network,
    /// The variables it starts with.
    #[serde(deserialize_with = "table")]
    environment: Environment,
    /// What it may use up.
    #[serde(deserialize_with = "table")]
    limits: Limits,
    /// The system calls it may make.
    #[serde(deserialize_with = "table")]
    syscalls: SyscallsText,
    /// The user and group ids it runs under.
    #[serde(deserialize_with = "table")]
    identity: IdentityText,
    /// The secrets it uses and never has, by the variable inside.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "table")]
    secrets: BTreeMap<String, SecretText>,
}

/// Reads a table as a table only. What serde derives for a struct would also take a list with the
/// values in the order of the fields, so that `limits = [1]` would mean something.
pub(crate) fn table<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Table<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Table<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a table")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }
    deserializer.deserialize_map(Table(PhantomData))
}

/// As [`table`], for one that may be left out.
pub(crate) fn optional_table<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    table(deserializer).map(Some)
}

impl From<PolicyText> for Policy {
    fn from(text: PolicyText) -> Self {
        Policy {
            layers: text.layers,
            filesystem: text.filesystem.into(),
            network: text.network,
            environment: text.environment,
            limits: text.limits,
            syscalls: Syscalls {
                profile: text.syscalls.profile.into(),
                allow: text.syscalls.allow,
            },
            identity: Identity {
                range: text.identity.range.0,
                inside: text.identity.inside,
            },
            secrets: text
                .secrets
                .into_iter()
                .map(|(name, text)| text.named(name))
                .collect(),
        }
    }
}

impl TryFrom<&Policy> for PolicyText {
    type Error = FormatError;

    fn try_from(policy: &Policy) -> Result<Self, FormatError> {
        let mut secrets = BTreeMap::new();
        for secret in &policy.secrets {
            let text = SecretText::try_from(secret)?;
            if secrets.insert(secret.name.clone(), text).is_some() {
                let name = secret.name.clone();
                return Err(FormatError::DuplicateSecret { name });
            }
        }
        network::check_utf8(&policy.network)?;
        Ok(PolicyText {
            secrets,
            layers: policy.layers,
            filesystem: FilesystemText::try_from(&policy.filesystem)?,
            network: policy.network.clone(),
            environment: policy.environment.clone(),
            limits: policy.limits.clone(),
            syscalls: SyscallsText {
                profile: ProfileText::try_from(&policy.syscalls.profile)?,
                allow: policy.syscalls.allow.clone(),
            },
            identity: IdentityText {
                range: OrNone(policy.identity.range),
                inside: policy.identity.inside,
            },
        })
    }
}

/// The system calls it may make: a profile and what is added to it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Syscalls")
)]
struct SyscallsText {
    /// Where to start.
    profile: ProfileText,
    /// What to add, by intent.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    allow: BTreeSet<SyscallIntent>,
}

/// A system call profile.
#[derive(Default, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "SyscallProfile", rename_all = "kebab-case")
)]
pub(crate) enum ProfileText {
    /// General programs.
    #[default]
    Default,
    /// Programs that only compute.
    Strict,
    /// The OCI or Docker profile in this file.
    Oci(String),
    /// Several: a call must be allowed by each.
    Stacked(BTreeSet<ProfileText>),
}

const PROFILE_NAMES: &[&str] = &["default", "strict"];
const PROFILE_KEYS: &[&str] = &["oci", "stacked"];

impl Serialize for ProfileText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            ProfileText::Default => serializer.serialize_str("default"),
            ProfileText::Strict => serializer.serialize_str("strict"),
            ProfileText::Oci(path) => serializer.collect_map([("oci", path)]),
            ProfileText::Stacked(all) => serializer.collect_map([("stacked", all)]),
        }
    }
}

// By hand, since the message for a wrong enum is about variants and not about what to write.
impl<'de> Deserialize<'de> for ProfileText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Profile;
        impl<'de> Visitor<'de> for Profile {
            type Value = ProfileText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"default\", \"strict\" or a table such as { oci = \"profile.json\" }")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<ProfileText, E> {
                match name {
                    "default" => Ok(ProfileText::Default),
                    "strict" => Ok(ProfileText::Strict),
                    _ => Err(E::unknown_variant(name, PROFILE_NAMES)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ProfileText, A::Error> {
                let profile = match map.next_key::<String>()?.as_deref() {
                    Some("oci") => ProfileText::Oci(map.next_value()?),
                    Some("stacked") => ProfileText::Stacked(map.next_value()?),
                    Some(other) => return Err(A::Error::unknown_field(other, PROFILE_KEYS)),
                    None => return Err(A::Error::invalid_length(0, &self)),
                };
                match map.next_key::<String>()? {
                    Some(_) => Err(A::Error::invalid_length(2, &self)),
                    None => Ok(profile),
                }
            }
        }
        deserializer.deserialize_any(Profile)
    }
}

impl From<ProfileText> for SyscallProfile {
    fn from(text: ProfileText) -> Self {
        match text {
            ProfileText::Default => SyscallProfile::Default,
            ProfileText::Strict => SyscallProfile::Strict,
            ProfileText::Oci(path) => SyscallProfile::Oci(path.into()),
            ProfileText::Stacked(all) => {
                SyscallProfile::Stacked(all.into_iter().map(Self::from).collect())
            }
        }
    }
}

impl TryFrom<&SyscallProfile> for ProfileText {
    type Error = FormatError;

    fn try_from(profile: &SyscallProfile) -> Result<Self, FormatError> {
        Ok(match profile {
            SyscallProfile::Default => ProfileText::Default,
            SyscallProfile::Strict => ProfileText::Strict,
            SyscallProfile::Oci(path) => ProfileText::Oci(utf8(path)?),
            SyscallProfile::Stacked(all) => {
                ProfileText::Stacked(all.iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
        })
    }
}

/// The user and group ids it runs under.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Identity")
)]
struct IdentityText {
    /// Where a host that runs as root takes its throw-away ids from; "none" keeps the caller's.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::RangeOrNone"))]
    range: OrNone<IdRange>,
    /// The user and group id that the program sees as its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    inside: Option<(u32, u32)>,
}

impl Default for IdentityText {
    fn default() -> Self {
        let Identity { range, inside } = Identity::default();
        IdentityText {
            range: OrNone(range),
            inside,
        }
    }
}

/// A value, or the word `none`.
pub(super) struct OrNone<T>(pub(super) Option<T>);

impl<T: Serialize> Serialize for OrNone<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Some(value) => value.serialize(serializer),
            None => serializer.serialize_str("none"),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Word<T> {
            type Value = OrNone<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or \"none\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                if text == "none" {
                    return Ok(OrNone(None));
                }
                T::deserialize(serde::de::value::StrDeserializer::new(text))
                    .map(Some)
                    .map(OrNone)
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                T::deserialize(serde::de::value::U64Deserializer::new(number))
                    .map(Some)
                    .map(OrNone)
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                T::deserialize(serde::de::value::I64Deserializer::new(number))
                    .map(Some)
                    .map(OrNone)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(A::Error::invalid_type(serde::de::Unexpected::Seq, &self))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
                    .map(Some)
                    .map(OrNone)
            }
        }
        deserializer.deserialize_any(Word(PhantomData))
    }
}
