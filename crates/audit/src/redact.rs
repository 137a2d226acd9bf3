//! Taking secrets out of events.

mod names;
mod scan;
mod strings;

use crate::event::Event;
use crate::needle::Needle;
use crate::recorder::Redact;
use scan::{Rules, Table};
use serde_json::Value;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use strings::{Visit, visit};
use zeroize::Zeroize;

/// The shortest value, in bytes: a shorter one would be found by chance everywhere.
const SHORTEST: usize = 6;

/// How many values of one name are kept: those before the last are still in use for a while.
const KEPT: usize = 4;

/// Lists and objects within each other that are looked into; the log leaves out what is deeper than that.
const DEPTH: usize = 128;

/// Takes secrets out of every string of an event: known values in every encoding that [`Needle`] finds, and what looks
/// like a secret by its name or shape. What was there is `[redacted NAME]`.
///
/// The rules are made for what agents type (`--password x`, `TOKEN=x`, `Authorization: x`, `https://u:p@host`), and find
/// neither a secret without a name nor one that is split up or encrypted: give the values that are known.
pub struct Redactor {
    table: RwLock<Arc<Table>>,
}

/// Builds a [`Redactor`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until build() is called"]
pub struct RedactorBuilder {
    rules: Rules,
}

/// A value is not one that can be looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedactError {
    /// It is shorter than 6 bytes.
    TooShort,
}

impl RedactorBuilder {
    /// Whether values are taken out whose name says that they are secret: of options, variables, fields, headers and
    /// parameters. On unless told otherwise.
    pub fn names(mut self, on: bool) -> Self {
        self.rules.names = on;
        self
    }

    /// Whether passwords are taken out of URLs. On unless told otherwise.
    pub fn urls(mut self, on: bool) -> Self {
        self.rules.urls = on;
        self
    }

    /// Whether tokens of known services, JSON Web Tokens and private keys are taken out. On unless told otherwise.
    pub fn shapes(mut self, on: bool) -> Self {
        self.rules.shapes = on;
        self
    }

    /// A further name whose values are secret, in any case of its letters.
    pub fn secret_name(mut self, name: impl Into<String>) -> Self {
        self.rules.more_names.push(name.into());
        self
    }

    /// A name whose values are not, whatever it looks like.
    pub fn harmless_name(mut self, name: impl Into<String>) -> Self {
        self.rules.harmless.push(name.into());
        self
    }

    /// A further kind of token: what it begins with, two characters at least, and how many letters, digits, `_` and `-`
    /// follow at least.
    pub fn shape(mut self, prefix: impl Into<String>, least: usize) -> Self {
        self.rules.more_shapes.push((prefix.into(), least));
        self
    }

    /// The redactor.
    pub fn build(self) -> Redactor {
        Redactor {
            table: RwLock::new(Arc::new(Table::new(Vec::new(), self.rules))),
        }
    }
}

impl Default for Redactor {
    fn default() -> Self {
        Self::builder().build()
    }
}

impl Redactor {
    /// Starts with all rules and no values.
    pub fn builder() -> RedactorBuilder {
        RedactorBuilder {
            rules: Rules {
                names: true,
                urls: true,
                shapes: true,
                more_names: Vec::new(),
                harmless: Vec::new(),
                more_shapes: Vec::new(),
            },
        }
    }

    /// Looks for this value from now on. The last four values of a name are kept.
    ///
    /// # Errors
    /// [`RedactError::TooShort`].
    pub fn add(&self, name: &str, value: &[u8]) -> Result<(), RedactError> {
        if value.len() < SHORTEST {
            return Err(RedactError::TooShort);
        }
        self.change(|secrets| {
            if secrets
                .iter()
                .any(|(own, known, _)| own == name && known == value)
            {
                return;
            }
            secrets.push((name.to_owned(), value.to_vec(), Needle::all(value)));
            let mut more = secrets.iter().filter(|(own, ..)| own == name).count();
            secrets.retain_mut(|(own, known, _)| {
                let old = own == name && more > KEPT;
                if old {
                    more -= 1;
                    known.zeroize();
                }
                !old
            });
        });
        Ok(())
    }

    /// No longer looks for values of this name.
    pub fn remove(&self, name: &str) {
        self.change(|secrets| secrets.retain(|(own, ..)| own != name));
    }

    /// The text without secrets; none where it has none.
    pub fn text(&self, text: &str) -> Option<String> {
        self.table().clean(text).text
    }

    fn table(&self) -> Arc<Table> {
        let table = self.table.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&table)
    }

    fn change(&self, change: impl FnOnce(&mut Vec<(String, Vec<u8>, Vec<Needle>)>)) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let mut secrets: Vec<_> = table
            .secrets
            .iter()
            .map(|(name, value, _)| (name.clone(), value.clone(), Needle::all(value)))
            .collect();
        change(&mut secrets);
        *table = Arc::new(Table::new(secrets, table.rules.clone()));
    }
}

impl Redact for Redactor {
    fn redact(&self, event: &mut Event) {
        visit(event, &mut Cleaner(&self.table()));
    }

    fn hide(&self, name: &str, value: &[u8]) {
        // One that is too short to be told from other text stays.
        let _ = self.add(name, value);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.secrets
            .iter_mut()
            .for_each(|(_, value, _)| value.zeroize());
    }
}

/// What stands for something that was taken out.
fn mark(name: &str) -> String {
    format!("[redacted {name}]")
}

struct Cleaner<'a>(&'a Table);

impl Visit for Cleaner<'_> {
    fn text(&mut self, text: &mut String) {
        if let Some(clean) = self.0.clean(text).text {
            text.zeroize();
            *text = clean;
        }
    }

    fn arguments(&mut self, arguments: &mut [String]) {
        let program = arguments
            .first()
            .map_or("", |path| path.rsplit('/').next().unwrap_or(path));
        let (curl, sshpass) = (program == "curl", program == "sshpass");
        let mysql = matches!(program, "mysql" | "mysqldump" | "mysqladmin" | "mariadb");
        let names = self.0.rules.names;
        let mut pending: Option<String> = None;
        let mut user = false;
        for argument in arguments {
            if let Some(name) = pending.take()
                && !argument.starts_with("--")
            {
                *argument = mark(&name);
                continue;
            }
            if std::mem::take(&mut user)
                && let Some((name, _)) = argument.split_once(':')
            {
                *argument = format!("{name}:{}", mark("password"));
                continue;
            }
            let cleaned = self.0.clean(argument);
            pending = cleaned.pending;
            if let Some(clean) = cleaned.text {
                *argument = clean;
            } else if names
                && (mysql || sshpass)
                && argument.len() > 2
                && argument.starts_with("-p")
            {
                *argument = format!("-p{}", mark("password"));
            } else if names && sshpass && argument == "-p" {
                pending = Some("password".to_owned());
            }
            user = names
                && curl
                && matches!(argument.as_str(), "-u" | "--user" | "--proxy-user" | "-U");
        }
    }

    fn named(&mut self, name: &str, text: &mut String) {
        if self.0.rules.is_secret(name) {
            text.zeroize();
            *text = mark(&self.0.label(name));
        } else {
            self.text(text);
        }
    }

    fn json(&mut self, value: &mut Value) {
        json(self, value, None, DEPTH);
    }
}

/// Goes over JSON. `secret` is the name that all within stands under, if that is one of a secret.
fn json(cleaner: &mut Cleaner<'_>, value: &mut Value, secret: Option<&str>, depth: usize) {
    if depth == 0 {
        *value = Value::from("[nested too deep]");
        return;
    }
    match value {
        Value::String(text) => match secret {
            Some(name) => cleaner.named(name, text),
            None => cleaner.text(text),
        },
        Value::Array(all) if secret.is_none() && all.iter().all(Value::is_string) => {
            // It may be a command.
            let texts = all.iter_mut().filter_map(|value| match value {
                Value::String(text) => Some(std::mem::take(text)),
                _ => None,
            });
            let mut texts: Vec<String> = texts.collect();
            cleaner.arguments(&mut texts);
            *all = texts.into_iter().map(Value::from).collect();
        }
        Value::Array(all) => {
            for value in all {
                json(cleaner, value, secret, depth - 1);
            }
        }
        Value::Object(all) => {
            let mut renamed = Vec::new();
            for (name, value) in all.iter_mut() {
                let own = cleaner.0.rules.is_secret(name).then_some(name.as_str());
                json(cleaner, value, own.or(secret), depth - 1);
                if let Some(clean) = cleaner.0.clean(name).text {
                    renamed.push((name.clone(), clean));
                }
            }
            for (name, clean) in renamed {
                if let Some(value) = all.remove(&name) {
                    all.insert(clean, value);
                }
            }
        }
        Value::Number(number) => {
            let text = number.to_string();
            if let Some(clean) = cleaner.0.clean(&text).text {
                *value = Value::from(clean);
            }
        }
        Value::Bool(_) | Value::Null => {}
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table();
        let names: Vec<&str> = table
            .secrets
            .iter()
            .map(|(name, ..)| name.as_str())
            .collect();
        f.debug_struct("Redactor")
            .field("secrets", &names)
            .field("rules", &table.rules)
            .finish()
    }
}

impl fmt::Display for RedactError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a value of fewer than {SHORTEST} bytes would be found by chance everywhere: use a longer one"
        )
    }
}

impl std::error::Error for RedactError {}

#[cfg(test)]
mod tests;
