//! The file system part as text: rules in one list per access.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use super::choice::{ProtectText, RootText, UpperText};
use super::shape::OrNone;
use crate::error::FormatError;
use crate::{Access, Bytes, Filesystem, PathRule, Root, Symlink, Sys, Upper};

/// The files the program sees. What is not named does not exist inside.
#[derive(Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "Filesystem")
)]
pub(super) struct FilesystemText {
    /// Preset: the host's toolchains, read-only. On unless there is a root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "bool"))]
    system: Option<bool>,
    /// Preset: the toolchains kept in the user's home, read-only and without credentials.
    toolchains: bool,
    /// What lies at /, unless it is the host's presets and paths.
    #[serde(skip_serializing_if = "RootText::is_host")]
    root: RootText,
    /// What may be done with the root: "overlay" or "read".
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::RootAccess"))]
    root_access: Access,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
    /// What may be done with it: "write", "overlay" or "read".
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::WorkspaceAccess"))]
    workspace_access: Access,
    /// Whether dangerous names of a directly written workspace are read-only, or which.
    protect: ProtectText,
    /// Paths to read.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::PathOrTable>"))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    read: Vec<RuleText>,
    /// Paths to read and write.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::PathOrTable>"))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    write: Vec<RuleText>,
    /// Paths to read and, without effect on the host, write.
    #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::schema::PathOrTable>"))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    overlay: Vec<RuleText>,
    /// Paths to hide.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hide: Vec<String>,
    /// Where overlays keep what is written: a size in memory, "disk", or a place on disk.
    upper: UpperText,
    /// Symbolic links made inside: where, and what they say.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    symlinks: BTreeMap<String, String>,
    /// The size of the private /tmp.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::SizeOrNone"))]
    tmp: OrNone<Bytes>,
    /// The size of the empty private home.
    #[cfg_attr(feature = "schema", schemars(with = "crate::schema::SizeOrNone"))]
    home: OrNone<Bytes>,
    /// Whether there is a /proc, of the sandbox's own processes.
    proc: bool,
    /// Whether there is a /dev, with the harmless devices.
    dev: bool,
    /// Which /sys there is.
    sys: Sys,
}

impl Default for FilesystemText {
    fn default() -> Self {
        let default = Filesystem::default();
        FilesystemText {
            system: None,
            toolchains: default.toolchains,
            root: RootText::Host,
            root_access: default.root_access,
            workspace: None,
            workspace_access: default.workspace_access,
            protect: ProtectText(default.protect),
            read: Vec::new(),
            write: Vec::new(),
            overlay: Vec::new(),
            hide: Vec::new(),
            upper: UpperText(default.upper),
            symlinks: BTreeMap::new(),
            tmp: OrNone(default.tmp),
            home: OrNone(default.home),
            proc: default.proc,
            dev: default.dev,
            sys: default.sys,
        }
    }
}

impl From<FilesystemText> for Filesystem {
    fn from(text: FilesystemText) -> Self {
        let listed = |rules: Vec<RuleText>, access| {
            rules.into_iter().map(move |rule| PathRule {
                path: rule.path.into(),
                access,
                exec: rule.exec,
                target: rule.target.map(PathBuf::from),
            })
        };
        let root = Root::from(text.root);
        Filesystem {
            system: text.system.unwrap_or_else(|| root.is_host()),
            toolchains: text.toolchains,
            root,
            root_access: text.root_access,
            workspace: text.workspace.map(PathBuf::from),
            workspace_access: text.workspace_access,
            protect: text.protect.0,
            upper: text.upper.0,
            rules: listed(text.read, Access::Read)
                .chain(listed(text.write, Access::Write))
                .chain(listed(text.overlay, Access::Overlay))
                .chain(text.hide.into_iter().map(PathRule::hide))
                .collect(),
            symlinks: text
                .symlinks
                .into_iter()
                .map(|(path, target)| Symlink {
                    path: path.into(),
                    target: target.into(),
                })
                .collect(),
            tmp: text.tmp.0,
            home: text.home.0,
            proc: text.proc,
            dev: text.dev,
            sys: text.sys,
        }
    }
}

impl TryFrom<&Filesystem> for FilesystemText {
    type Error = FormatError;

    fn try_from(files: &Filesystem) -> Result<Self, FormatError> {
        let mut text = FilesystemText {
            system: Some(files.system),
            toolchains: files.toolchains,
            root: RootText::try_from(&files.root)?,
            root_access: files.root_access,
            workspace: files.workspace.as_deref().map(utf8).transpose()?,
            workspace_access: files.workspace_access,
            protect: ProtectText(files.protect.clone()),
            upper: UpperText(files.upper.clone()),
            tmp: OrNone(files.tmp),
            home: OrNone(files.home),
            proc: files.proc,
            dev: files.dev,
            sys: files.sys,
            ..FilesystemText::default()
        };
        let names = files.protect.add.iter().chain(&files.protect.remove);
        let place = match &files.upper {
            Upper::Disk(place) => place.as_ref(),
            Upper::Memory(_) => None,
        };
        for path in names.chain(place) {
            utf8(path)?;
        }
        for rule in &files.rules {
            let written = RuleText {
                path: utf8(&rule.path)?,
                exec: rule.exec,
                target: rule.target.as_deref().map(utf8).transpose()?,
            };
            match rule.access {
                Access::Hide => text.hide.push(written.path),
                Access::Read => text.read.push(written),
                Access::Overlay => text.overlay.push(written),
                Access::Write => text.write.push(written),
            }
        }
        for link in &files.symlinks {
            let (path, target) = (utf8(&link.path)?, utf8(&link.target)?);
            if text.symlinks.insert(path, target).is_some() {
                return Err(FormatError::DuplicateSymlink {
                    path: link.path.clone(),
                });
            }
        }
        Ok(text)
    }
}

pub(super) fn utf8(path: &Path) -> Result<String, FormatError> {
    path.to_str()
        .map(String::from)
        .ok_or_else(|| FormatError::NotUtf8 { path: path.into() })
}

/// A path, or a table with a path and how it is shown.
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "PathTable", deny_unknown_fields)
)]
pub(crate) struct RuleText {
    /// The path on the host.
    path: String,
    /// Whether programs there may be executed.
    #[cfg_attr(feature = "schema", schemars(default = "always"))]
    exec: bool,
    /// Where it appears inside, if not at the same path.
    target: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleTable {
    path: String,
    #[serde(default = "always", skip_serializing_if = "is_true")]
    exec: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

fn always() -> bool {
    true
}

fn is_true(value: &bool) -> bool {
    *value
}

impl Serialize for RuleText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.exec && self.target.is_none() {
            return serializer.serialize_str(&self.path);
        }
        RuleTable {
            path: self.path.clone(),
            exec: self.exec,
            target: self.target.clone(),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RuleText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rule;
        impl<'de> Visitor<'de> for Rule {
            type Value = RuleText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or a table such as { path = \"/opt\", exec = false }")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<RuleText, E> {
                Ok(RuleText {
                    path: path.into(),
                    exec: true,
                    target: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RuleText, A::Error> {
                let table = RuleTable::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RuleText {
                    path: table.path,
                    exec: table.exec,
                    target: table.target,
                })
            }
        }
        deserializer.deserialize_any(Rule)
    }
}
