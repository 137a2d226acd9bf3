//! The record as one HTML page, for a person who asks what an agent did and why.
//!
//! The page is complete in itself: it loads nothing, and a strict Content-Security-Policy (W3C CSP Level 3) lets
//! only its own script and style work, by their SHA-256. Events are data in it, never markup; whatever programs
//! inside have chosen is set as text, with control and direction characters made visible.

mod cut;
mod embed;
mod row;
mod time;

use crate::Record;
use embed::{Chunks, escape, hash};
use std::io::{self, Write};

/// How a report is written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The heading; "What the agent did" if empty.
    pub title: String,
    /// What the caller knows about the log.
    pub verification: Verification,
}

impl Options {
    /// The same with a heading.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// The same with what is known about the log.
    #[must_use]
    pub fn verification(mut self, verification: Verification) -> Self {
        self.verification = verification;
        self
    }
}

/// Whether the log is what was written. The report only tells; it checks nothing itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verification {
    /// Nobody has looked.
    #[default]
    NotChecked,
    /// Every record follows from the one before, but no signature was checked: whoever could write the log could
    /// write it anew.
    Chained,
    /// Chain and signatures hold.
    Signed {
        /// The Ed25519 key, in hexadecimal.
        key: String,
    },
    /// It does not hold.
    Failed {
        /// Where and why.
        reason: String,
    },
}

/// Writes the report of these records, in the order of the log. They are read once and not kept, so that the
/// memory needed does not grow with the log. Long strings and lists are cut, and say so.
///
/// # Errors
/// What `out` reports; the page is incomplete then.
///
/// ```
/// use cofferdam_audit::report::{self, Options, Verification};
///
/// let line = r#"{"v": 1, "seq": 0, "time": "2026-11-28T10:00:00Z", "prev": "",
///     "event": {"type": "note", "name": "the user approved"}}"#;
/// let record = serde_json::from_str(line)?;
/// let options = Options::default().title("Friday").verification(Verification::Chained);
/// let mut page = Vec::new();
/// report::write([record], &options, &mut page)?;
/// assert!(page.starts_with(b"<!doctype html>"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn write(
    records: impl IntoIterator<Item = Record>,
    options: &Options,
    mut out: impl Write,
) -> io::Result<()> {
    let mut parts = SKELETON.split("{{");
    out.write_all(parts.next().unwrap_or_default().as_bytes())?;
    let mut records = Some(records);
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        match name {
            "policy" => out.write_all(policy().as_bytes())?,
            "style" => out.write_all(STYLE.as_bytes())?,
            "script" => out.write_all(SCRIPT.as_bytes())?,
            "title" => out.write_all(escape(title(options)).as_bytes())?,
            "state" => out.write_all(state(&options.verification).class.as_bytes())?,
            "verdict" => {
                let state = state(&options.verification);
                write!(
                    out,
                    "{} <span>{}</span>",
                    state.verdict,
                    escape(&state.detail)
                )?;
            }
            "log" => {
                let mut chunks = Chunks::new(&mut out);
                for record in records.take().into_iter().flatten() {
                    chunks.push(&row::row(record))?;
                }
                chunks.finish()?;
            }
            _ => {}
        }
        out.write_all(rest.as_bytes())?;
    }
    out.flush()
}

const SKELETON: &str = include_str!("report/report.html");
const STYLE: &str = concat!(
    include_str!("report/base.css"),
    include_str!("report/head.css"),
    include_str!("report/rows.css"),
    include_str!("report/views.css"),
    include_str!("report/media.css"),
);
const SCRIPT: &str = concat!(
    include_str!("report/text.js"),
    include_str!("report/model.js"),
    include_str!("report/filter.js"),
    include_str!("report/facts.js"),
    include_str!("report/rows.js"),
    include_str!("report/tables.js"),
    include_str!("report/processes.js"),
    include_str!("report/charts.js"),
    include_str!("report/findings.js"),
    include_str!("report/summary.js"),
    include_str!("report/page.js"),
);

/// The Content-Security-Policy. Trusted types, where browsers know them, take away every way of making markup or
/// script of text.
fn policy() -> String {
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

fn title(options: &Options) -> &str {
    match options.title.as_str() {
        "" => "What the agent did",
        title => title,
    }
}

/// How a verification is shown.
struct State {
    class: &'static str,
    verdict: &'static str,
    detail: String,
}

fn state(verification: &Verification) -> State {
    let (class, verdict, detail) = match verification {
        Verification::NotChecked => (
            "open",
            "Not verified",
            "nobody checked whether the log was changed".to_owned(),
        ),
        Verification::Chained => (
            "open",
            "Unbroken, not signed",
            "no record is missing between two others; whoever wrote the log could write it anew"
                .to_owned(),
        ),
        Verification::Signed { key } => (
            "good",
            "Verified",
            format!("signed by key {}", cut::text(key)),
        ),
        Verification::Failed { reason } => ("bad", "Verification failed", cut::text(reason)),
    };
    State {
        class,
        verdict,
        detail,
    }
}

#[cfg(test)]
mod tests;
