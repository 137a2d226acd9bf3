//! Which changes `--apply` means.

use crate::compose::ComposeError;
use cofferdam::Change;
use glob::{MatchOptions, Pattern};
use std::path::Path;

/// What is to be applied without asking.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    what: What,
    risky: bool,
}

#[derive(Clone, Debug)]
enum What {
    All,
    None,
    Named(Vec<Named>),
}

/// A pattern as it was typed and as it is compared.
#[derive(Clone, Debug)]
struct Named {
    typed: String,
    pattern: Pattern,
}

/// As in a shell, except that a `*` stands for a leading dot too: what a sandbox calls its files must
/// not decide what is left out.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

impl Selection {
    /// From what was typed; `None` where nothing was.
    pub(crate) fn new(typed: &[String], risky: bool) -> Result<Option<Self>, ComposeError> {
        let alone = |word: &str| typed.iter().any(|one| one == word);
        let what = match typed {
            [] => return Ok(None),
            [one] if one == "all" => What::All,
            [one] if one == "none" => What::None,
            _ if alone("all") => return Err(ComposeError::NotAlone("all")),
            _ if alone("none") => return Err(ComposeError::NotAlone("none")),
            several => What::Named(
                several
                    .iter()
                    .map(|one| named(one))
                    .collect::<Result<_, _>>()?,
            ),
        };
        Ok(Some(Self { what, risky }))
    }

    /// Whether the change is named, whatever its risks.
    pub(super) fn names(&self, change: &Change) -> bool {
        match &self.what {
            What::All => true,
            What::None => false,
            What::Named(all) => all.iter().any(|named| named.covers(&change.path)),
        }
    }

    /// Whether risky changes are meant too.
    pub(super) fn takes_risky(&self) -> bool {
        self.risky
    }

    /// Whether nothing at all is meant.
    pub(super) fn is_none(&self) -> bool {
        matches!(self.what, What::None)
    }

    /// What was typed and covers none of these paths.
    pub(super) fn unmatched<'a>(&'a self, matched: &[bool]) -> Vec<&'a str> {
        let What::Named(all) = &self.what else {
            return Vec::new();
        };
        let unmatched = all.iter().zip(matched).filter(|(_, matched)| !**matched);
        unmatched.map(|(named, _)| named.typed.as_str()).collect()
    }

    /// Notes which patterns cover a path.
    pub(super) fn note_matches(&self, path: &Path, matched: &mut Vec<bool>) {
        if let What::Named(all) = &self.what {
            matched.resize(all.len(), false);
            for (named, matched) in all.iter().zip(matched) {
                *matched = *matched || named.covers(path);
            }
        }
    }
}

impl Named {
    /// Whether the path, or a directory above it, is what the pattern names.
    fn covers(&self, path: &Path) -> bool {
        let is_named = |path: &Path| {
            // A name that is no text has something in its place that only a wildcard stands for.
            self.pattern.matches_with(&path.to_string_lossy(), OPTIONS)
        };
        let above = path.ancestors().filter(|one| !one.as_os_str().is_empty());
        above.into_iter().any(is_named)
    }
}

fn named(typed: &str) -> Result<Named, ComposeError> {
    let refused = |why: String| ComposeError::Pattern {
        given: typed.to_owned(),
        why,
    };
    let text = typed.trim_start_matches("./").trim_end_matches('/');
    if text.is_empty() {
        return Err(refused("it names nothing".into()));
    }
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Err(refused("it does not lie in the workspace".into()));
    }
    let pattern = Pattern::new(text).map_err(|error| refused(error.msg.into()))?;
    Ok(Named {
        typed: typed.to_owned(),
        pattern,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, path: &str) -> bool {
        let named = named(pattern).expect("a pattern");
        named.covers(Path::new(path))
    }

    #[test]
    fn a_pattern_covers_what_is_below_it() {
        assert!(covers("src", "src"));
        assert!(covers("src/", "src/a/b.rs"));
        assert!(covers("./src/*.rs", "src/a.rs"));
        assert!(!covers("src/*.rs", "src/a/b.rs"));
        assert!(covers("src/**/*.rs", "src/a/b.rs"));
        assert!(covers("*", ".git/hooks/x"));
        assert!(!covers("src", "source/a"));
        assert!(!covers("a.rs", "src/a.rs"));
        assert!(covers("**/a.rs", "src/a.rs"));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let words = |typed: &[&str]| {
            typed
                .iter()
                .map(|one| (*one).to_owned())
                .collect::<Vec<_>>()
        };
        for typed in [
            &["all", "src"][..],
            &["none", "all"],
            &["/etc"],
            &["a/../b"],
            &[""],
            &["./"],
            &["a**"],
        ] {
            assert!(Selection::new(&words(typed), false).is_err(), "{typed:?}");
        }
        assert!(Selection::new(&[], false).expect("nothing").is_none());
    }
}
