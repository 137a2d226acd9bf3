//! Some requests of HTTP.

use super::path::PathPattern;
use super::segments::WILDCARD;
use std::collections::BTreeSet;

/// The most rules of a list, with their paths, that a policy may have: each connection is compared
/// with each of them, and each with each other when policies are.
pub(crate) const MOST: usize = 4096;

/// Some HTTP requests.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HttpMatch {
    /// Of these methods (upper case); of any, where there is none.
    pub methods: BTreeSet<String>,
    /// For these paths; for any, where there is none.
    pub paths: BTreeSet<PathPattern>,
}

impl HttpMatch {
    /// Whether it means a request of this method for this path, which is as
    /// [`PathPattern::matches`] takes it.
    #[must_use]
    pub fn matches(&self, method: &str, path: &str) -> bool {
        (self.methods.is_empty() || self.methods.contains(method))
            && (self.paths.is_empty() || self.paths.iter().any(|one| one.matches(path)))
    }

    /// Whether it means every request that `other` means.
    #[must_use]
    pub fn covers(&self, other: &HttpMatch) -> bool {
        let (own, other) = (self.normalized(), other.normalized());
        let methods = own.methods.is_empty()
            || (!other.methods.is_empty() && own.methods.is_superset(&other.methods));
        let covered = |path: &PathPattern| own.paths.iter().any(|one| one.covers(path));
        methods
            && (own.paths.is_empty()
                || (!other.paths.is_empty() && other.paths.iter().all(covered)))
    }

    /// The requests that both mean, where there can be any.
    #[must_use]
    pub fn intersection(&self, other: &HttpMatch) -> Option<HttpMatch> {
        let methods = match (self.methods.is_empty(), other.methods.is_empty()) {
            (true, _) => other.methods.clone(),
            (_, true) => self.methods.clone(),
            _ => self.methods.intersection(&other.methods).cloned().collect(),
        };
        let paths: BTreeSet<PathPattern> = match (self.paths.is_empty(), other.paths.is_empty()) {
            (true, _) => other.paths.clone(),
            (_, true) => self.paths.clone(),
            _ => {
                let pairs = self
                    .paths
                    .iter()
                    .flat_map(|own| other.paths.iter().filter_map(|path| own.intersection(path)));
                pairs.collect()
            }
        };
        // An empty set would mean any.
        let none = (methods.is_empty() && !(self.methods.is_empty() && other.methods.is_empty()))
            || (paths.is_empty() && !(self.paths.is_empty() && other.paths.is_empty()));
        (!none).then(|| HttpMatch { methods, paths }.normalized())
    }

    /// The same requests, without paths that others cover.
    #[must_use]
    pub(crate) fn normalized(&self) -> HttpMatch {
        let mut paths = BTreeSet::new();
        if self.paths.len() > MOST {
            // Refused by validation; to look at all the pairs would only take time.
            paths.clone_from(&self.paths);
        } else if !self.paths.iter().any(PathPattern::is_any) {
            let covered = |path: &PathPattern| {
                self.paths
                    .iter()
                    .any(|other| other != path && other.covers(path))
            };
            paths.extend(self.paths.iter().filter(|path| !covered(path)).cloned());
        }
        HttpMatch {
            methods: self.methods.clone(),
            paths,
        }
    }
}

/// Whether it is a method as RFC 9110 section 9.1 has them, in upper case as all that are
/// registered. `*`, which is registered to mean none, stands for any in the text of rules.
pub(crate) fn is_method(text: &str) -> bool {
    let allowed = |byte: u8| is_token_byte(byte) && !byte.is_ascii_lowercase();
    !text.is_empty() && text != WILDCARD && text.bytes().all(allowed)
}

/// The characters of a token (RFC 9110 section 5.6.2).
pub(crate) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Destination, NetworkRule};

    #[test]
    fn requests_match() {
        let rule = NetworkRule::from("example.com").http(["GET", "HEAD"], ["/a/**"]);
        let http = rule.http.expect("requests");
        assert!(http.matches("GET", "/a/b") && http.matches("HEAD", "/a"));
        assert!(
            !http.matches("POST", "/a/b")
                && !http.matches("GET", "/b")
                && !http.matches("get", "/a")
        );
        assert!(HttpMatch::default().matches("ANY", "/thing"));
        let bad = NetworkRule::from("example.com").http(["GET"], ["a"]);
        assert!(matches!(bad.to, Destination::Unreadable(_)));
    }

    #[test]
    fn requests_of_both() {
        let http = |text: &str| NetworkRule::from(text).http.expect(text);
        let (a, b) = (http("h GET,PUT /a/** /b"), http("h GET,POST /*/c /d"));
        assert_eq!(a.intersection(&b), Some(http("h GET /a/c")));
        assert_eq!(http("h GET").intersection(&http("h PUT")), None);
        assert_eq!(http("h /a").intersection(&http("h /b")), None);
        assert_eq!(
            http("h GET").intersection(&http("h /b")),
            Some(http("h GET /b"))
        );
        assert!(http("h *").covers(&a) && http("h /**").covers(&a) && !a.covers(&http("h *")));
        assert!(http("h /**").covers(&http("h *")) && http("h *").covers(&http("h /**")));
        assert!(http("h GET,PUT /a/** /b /c").covers(&a) && !a.covers(&b));
    }
}
