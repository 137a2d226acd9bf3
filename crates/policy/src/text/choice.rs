//! The root, the upper layer and the protection as text: a word for the usual, a table for the
//! rest.

use std::fmt;
use std::path::PathBuf;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::files::utf8;
use crate::error::FormatError;
use crate::{Bytes, Protect, Root, Upper};

/// What lies at /.
#[derive(Default)]
pub(crate) enum RootText {
    /// The host's presets and paths.
    #[default]
    Host,
    Table(RootTable),
}

/// A directory or an image; one of the two.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "RootTable")
)]
pub(crate) struct RootTable {
    /// A directory of the host with a whole system.
    #[serde(skip_serializing_if = "Option::is_none")]
    directory: Option<String>,
    /// A directory of the host with an OCI image layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    /// The name or digest of the image, where the layout has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

impl RootText {
    pub(super) fn is_host(&self) -> bool {
        matches!(self, RootText::Host)
    }
}

impl Serialize for RootText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            RootText::Host => serializer.serialize_str("host"),
            RootText::Table(table) => table.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RootText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl<'de> Visitor<'de> for Word {
            type Value = RootText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "\"host\", { directory = \"rootfs\" } or \
                     { image = \"layout\", reference = \"name\" }",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RootText, E> {
                match text {
                    "host" => Ok(RootText::Host),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RootText, A::Error> {
                let table = RootTable::deserialize(MapAccessDeserializer::new(map))?;
                match (&table.directory, &table.image, &table.reference) {
                    (Some(_), None, None) | (None, Some(_), _) => Ok(RootText::Table(table)),
                    _ => Err(A::Error::custom(format_args!(
                        "expected {}",
                        Expected(&self)
                    ))),
                }
            }
        }
        deserializer.deserialize_any(Word)
    }
}

/// What a visitor expects, as text.
struct Expected<V>(V);

impl<'de, V: Visitor<'de>> fmt::Display for Expected<&V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }
}

impl From<RootText> for Root {
    fn from(text: RootText) -> Self {
        match text {
            RootText::Host => Root::Host,
            RootText::Table(table) => match (table.directory, table.image) {
                (Some(path), _) => Root::directory(path),
                (None, layout) => Root::Image {
                    layout: layout.unwrap_or_default().into(),
                    reference: table.reference,
                },
            },
        }
    }
}

impl TryFrom<&Root> for RootText {
    type Error = FormatError;

    fn try_from(root: &Root) -> Result<Self, FormatError> {
        Ok(match root {
            Root::Host => RootText::Host,
            Root::Directory(path) => RootText::Table(RootTable {
                directory: Some(utf8(path)?),
                ..RootTable::default()
            }),
            Root::Image { layout, reference } => RootText::Table(RootTable {
                image: Some(utf8(layout)?),
                reference: reference.clone(),
                ..RootTable::default()
            }),
        })
    }
}

/// Where overlays keep what is written.
pub(crate) struct UpperText(pub(super) Upper);

/// A place on disk.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "UpperTable")
)]
pub(crate) struct UpperTable {
    /// A directory of the host.
    disk: PathBuf,
}

impl Serialize for UpperText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Upper::Memory(size) => size.serialize(serializer),
            Upper::Disk(None) => serializer.serialize_str("disk"),
            Upper::Disk(Some(path)) => UpperTable { disk: path.clone() }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for UpperText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;
        impl<'de> Visitor<'de> for Word {
            type Value = UpperText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"512MiB\", \"disk\" or { disk = \"/var/lib/upper\" }")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<UpperText, E> {
                match text {
                    "disk" => Ok(UpperText(Upper::Disk(None))),
                    _ => text
                        .parse()
                        .map(|size| UpperText(Upper::Memory(size)))
                        .map_err(E::custom),
                }
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<UpperText, E> {
                Ok(UpperText(Upper::Memory(Bytes::new(number))))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<UpperText, E> {
                u64::try_from(number)
                    .map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(number), &self))
                    .and_then(|number| self.visit_u64(number))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<UpperText, A::Error> {
                let table = UpperTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(UpperText(Upper::Disk(Some(table.disk))))
            }
        }
        deserializer.deserialize_any(Word)
    }
}

/// Whether dangerous names are read-only, and which.
pub(crate) struct ProtectText(pub(super) Protect);

impl Serialize for ProtectText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.add.is_empty() && self.0.remove.is_empty() {
            true => serializer.serialize_bool(self.0.enabled),
            false => self.0.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for ProtectText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Switch;
        impl<'de> Visitor<'de> for Switch {
            type Value = ProtectText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false or a table such as { remove = [\".vscode\"] }")
            }

            fn visit_bool<E: Error>(self, enabled: bool) -> Result<ProtectText, E> {
                Ok(ProtectText(match enabled {
                    true => Protect::on(),
                    false => Protect::off(),
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ProtectText, A::Error> {
                Protect::deserialize(MapAccessDeserializer::new(map)).map(ProtectText)
            }
        }
        deserializer.deserialize_any(Switch)
    }
}
