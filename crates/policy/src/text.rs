//! Policies as TOML and JSON.

pub(crate) mod choice;
pub(crate) mod duration;
pub(crate) mod files;
pub(crate) mod network;
pub(crate) mod secrets;
pub(crate) mod shape;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Error as _, Serialize, Serializer};

use crate::Policy;
use crate::error::{FormatError, ParseError};
use crate::suggest::nearest;
use shape::PolicyText;

impl Policy {
    /// Reads a policy from TOML. What the text leaves out has its default. Relative paths are kept:
    /// make them absolute with [`Policy::rebase`], then call [`Policy::validate`].
    ///
    /// # Errors
    ///
    /// [`ParseError`] with line and column; for an unknown key also the nearest known one.
    pub fn from_toml(text: &str) -> Result<Policy, ParseError> {
        toml::from_str::<Policy>(text).map_err(|error| {
            let (line, column) = place(text, error.span().map_or(0, |span| span.start));
            explain(error.message(), line, column)
        })
    }

    /// Reads a policy from JSON, of the same shape as the TOML.
    ///
    /// # Errors
    ///
    /// As [`Policy::from_toml`]. The column is where the reader stood, just after the mistake.
    pub fn from_json(text: &str) -> Result<Policy, ParseError> {
        serde_json::from_str::<Policy>(text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let whole = error.to_string();
            let place = format!(" at line {line} column {column}");
            explain(whole.strip_suffix(&place).unwrap_or(&whole), line, column)
        })
    }

    /// Writes the policy as TOML. Reading it gives the same policy, with the rules in the order
    /// read, write, overlay, hide, and the secrets in that of their names.
    ///
    /// # Errors
    ///
    /// [`FormatError`] where a value has no text form, such as a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, FormatError> {
        toml::to_string_pretty(&PolicyText::try_from(self)?).map_err(|error| FormatError::Value {
            message: error.to_string(),
        })
    }

    /// Writes the policy as JSON, indented.
    ///
    /// # Errors
    ///
    /// As [`Policy::to_toml`].
    pub fn to_json(&self) -> Result<String, FormatError> {
        serde_json::to_string_pretty(&PolicyText::try_from(self)?).map_err(|error| {
            FormatError::Value {
                message: error.to_string(),
            }
        })
    }
}

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PolicyText::try_from(self)
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        shape::table::<_, PolicyText>(deserializer).map(Policy::from)
    }
}

/// Line and column, from 1, of a byte offset.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[line_start..].chars().count() + 1,
    )
}

/// Turns serde's two messages about unknown names into errors with a suggestion. A message in any
/// other form is passed on as it is.
fn explain(message: &str, line: usize, column: usize) -> ParseError {
    let (is_key, rest) = if let Some(rest) = message.strip_prefix("unknown field `") {
        (true, rest)
    } else if let Some(rest) = message.strip_prefix("unknown variant `") {
        (false, rest)
    } else {
        return ParseError::Malformed {
            message: message.into(),
            line,
            column,
        };
    };
    // From the right: the given name may hold anything, the known ones hold no such text.
    let Some((given, known)) = rest.rsplit_once("`, expected ") else {
        return ParseError::Malformed {
            message: message.into(),
            line,
            column,
        };
    };
    // In `one of `a`, `b``, every second part between backticks is a name.
    let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
    let suggestion = nearest(given, known.iter().copied()).map(String::from);
    let given = String::from(given);
    if is_key {
        ParseError::UnknownKey {
            key: given,
            table: table_of(&known),
            suggestion,
            known: known.join(", "),
            line,
            column,
        }
    } else {
        ParseError::UnknownValue {
            value: given,
            suggestion,
            known: known.join(", "),
            line,
            column,
        }
    }
}

/// Which table has these keys; the first key of each is found in no other.
fn table_of(known: &[&str]) -> &'static str {
    match known.first().copied() {
        Some("layers") => "the top level",
        Some("namespaces") => "[layers]",
        Some("system") => "[filesystem]",
        Some("directory") => "the root of [filesystem]",
        Some("disk") => "the upper of [filesystem]",
        Some("enabled") => "protect of [filesystem]",
        Some("path") => "a path of [filesystem]",
        Some("mode") => "[network]",
        Some("to") => "a rule of [network]",
        Some("socket") => "ssh_agent of [network]",
        Some("from") => "a table of [secrets]",
        Some("inherit") => "[environment]",
        Some("memory") => "[limits]",
        Some("profile") => "[syscalls]",
        Some("oci" | "stacked") => "the profile of [syscalls]",
        Some("range") => "[identity]",
        Some("start") => "the range of [identity]",
        _ => "this table",
    }
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn places_count_from_one_and_in_characters() {
        assert_eq!(place("", 0), (1, 1));
        assert_eq!(place("ab\ncd", 4), (2, 2));
        assert_eq!(place("é = x", 5), (1, 5));
        assert_eq!(place("é", 1), (1, 1));
        assert_eq!(place("a", 99), (1, 2));
    }
}
