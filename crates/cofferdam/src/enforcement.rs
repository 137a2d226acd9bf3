//! What is in force around a child.

use cofferdam_policy::{Enforce, Layer};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// What is really in force around a child, layer by layer.
///
/// There is no way to make one but to start a program: only a child that got through execve(2) has
/// one, and it says what that child was put behind.
///
/// ```compile_fail,E0451
/// let reports: Vec<cofferdam::LayerReport> = Vec::new();
/// let forged = cofferdam::Enforcement { reports: reports.into() };
/// ```
///
/// ```compile_fail,E0624
/// let forged = cofferdam::Enforcement::of_child(Vec::new().into());
/// ```
///
/// ```compile_fail,E0277
/// let forged: cofferdam::Enforcement = Default::default();
/// ```
#[derive(Clone, Debug)]
pub struct Enforcement {
    reports: Arc<[LayerReport]>,
}

impl Enforcement {
    pub(crate) fn of_child(reports: Arc<[LayerReport]>) -> Self {
        Self { reports }
    }

    /// One report for each layer.
    pub fn layers(&self) -> &[LayerReport] {
        &self.reports
    }

    /// The report of one layer.
    pub fn layer(&self, layer: Layer) -> Option<&LayerReport> {
        self.reports.iter().find(|report| report.layer == layer)
    }

    /// Whether every layer that was not switched off is wholly in force.
    pub fn is_full(&self) -> bool {
        self.reports
            .iter()
            .all(|report| matches!(report.state(), State::Full | State::Off))
    }
}

impl fmt::Display for Enforcement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reports.iter().try_for_each(|report| report.fmt(f))
    }
}

/// One layer: what was asked for, what is in force, what is not and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerReport {
    /// The layer.
    pub layer: Layer,
    /// What the policy asked for.
    pub asked: Enforce,
    /// What is in force, in words.
    pub in_force: Vec<String>,
    /// What is not, each with the reason.
    pub weaker: Vec<Weakness>,
}

impl LayerReport {
    pub(crate) fn new(layer: Layer, asked: Enforce) -> Self {
        Self {
            layer,
            asked,
            in_force: Vec::new(),
            weaker: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, what: impl Into<String>) {
        self.in_force.push(what.into());
    }

    /// The layer in one word.
    pub fn state(&self) -> State {
        match (self.asked, self.in_force.is_empty(), self.weaker.is_empty()) {
            (Enforce::Off, _, _) => State::Off,
            (_, _, true) => State::Full,
            (_, false, false) => State::Partial,
            (_, true, false) => State::Absent,
        }
    }
}

impl fmt::Display for LayerReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.in_force.is_empty() {
            "nothing".to_owned()
        } else {
            self.in_force.join(", ")
        };
        writeln!(f, "{:<11} {:<8} {what}", self.layer.name(), self.state())?;
        for weakness in &self.weaker {
            writeln!(f, "{:<11} missing  {weakness}", "")?;
        }
        Ok(())
    }
}

/// Something that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weakness {
    /// What is missing.
    pub what: String,
    /// Why.
    pub reason: String,
    /// The file or directory that showed it, where one did.
    pub place: Option<PathBuf>,
    /// What to do about it.
    pub remedy: String,
}

impl Weakness {
    pub(crate) fn new(
        what: impl Into<String>,
        reason: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            reason: reason.into(),
            place: None,
            remedy: remedy.into(),
        }
    }

    /// Whether one sentence can say both: the same reason, and the same to do about it.
    pub fn has_cause_of(&self, other: &Self) -> bool {
        (&self.reason, &self.remedy) == (&other.reason, &other.remedy)
    }
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)?;
        if let Some(place) = &self.place {
            write!(f, " ({})", place.display())?;
        }
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// A layer in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// All that was asked for is in force.
    Full,
    /// Some of it is.
    Partial,
    /// None of it is.
    Absent,
    /// The policy switched it off.
    Off,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::Absent => "absent",
            Self::Off => "off",
        })
    }
}
