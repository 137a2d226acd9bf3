//! Patterns of the paths of requests.

use super::segments::{self, Segments, WILDCARD};
use std::fmt;
use std::str::FromStr;

/// The last segment that stands for any rest.
const REST: &str = "**";

/// Which paths of a request a rule means: it begins with `/`; a segment `*` stands for any one
/// segment, `**` at the end for any rest, also none.
///
/// It is compared with the decoded path, in upper and lower case. In the text `%20` is a space and
/// other escapes are read likewise, but for those that would change what the path is made of
/// (`%2F`, `%25` and the like): they stand as they are, with upper-case digits. A slash at the end
/// of a request's path makes no difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathPattern(Box<str>);

/// Why a text is no pattern of paths.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the text of each variant is its documentation")]
pub enum PathPatternError {
    #[error("the path {text:?} does not begin with `/`; write it from the root of the host")]
    Relative { text: String },
    #[error(
        "the path {text:?} contains {character:?}; write it without the query and the fragment, and \
         other characters as %20 and the like"
    )]
    Character { text: String, character: char },
    #[error("the path {text:?} has an escape that is none; write `%` as %25")]
    Escape { text: String },
    #[error("the path {text:?} has escapes that are not UTF-8; use `*` for that segment")]
    NotUtf8 { text: String },
    #[error(
        "the path {text:?} has an empty segment or one of dots, as no request has; leave it out"
    )]
    Segment { text: String },
    #[error("the path {text:?} mixes `*` with other characters; a `*` stands for a whole segment")]
    PartialWildcard { text: String },
    #[error("the path {text:?} has a `**` before its end; write `*` for each segment there")]
    RestInside { text: String },
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// [`PathPatternError`].
    pub fn parse(text: &str) -> Result<Self, PathPatternError> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(PathPatternError::Relative { text: text.into() });
        };
        let forbidden = |c: &char| c.is_control() || matches!(c, ' ' | '?' | '#' | '\\');
        if let Some(character) = text.chars().find(forbidden) {
            let text = text.into();
            return Err(PathPatternError::Character { text, character });
        }
        let path = decoded(text)?;
        if rest.is_empty() {
            return Ok(PathPattern(path));
        }
        let mut segments = path.split('/').skip(1).peekable();
        while let Some(segment) = segments.next() {
            let text = || String::from(text);
            match segment {
                "" | "." | ".." => return Err(PathPatternError::Segment { text: text() }),
                REST if segments.peek().is_some() => {
                    return Err(PathPatternError::RestInside { text: text() });
                }
                WILDCARD | REST => {}
                _ if segment.contains(WILDCARD) => {
                    return Err(PathPatternError::PartialWildcard { text: text() });
                }
                _ => {}
            }
        }
        Ok(PathPattern(path))
    }

    /// Whether it means this path: absolute, percent-decoded where that is not ambiguous, without
    /// empty, `.` or `..` segments.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        path.starts_with('/')
            && self
                .segments()
                .covers(&Segments::new(segments::of_path(path), false))
    }

    /// Whether it means every path that `other` means.
    #[must_use]
    pub fn covers(&self, other: &PathPattern) -> bool {
        self.segments().covers(&other.segments())
    }

    /// The pattern of the paths that both mean, where there are any.
    #[must_use]
    pub fn intersection(&self, other: &PathPattern) -> Option<PathPattern> {
        let (left, right) = (self.segments(), other.segments());
        let mut both = left.intersection(&right)?;
        if self.is_open() && other.is_open() {
            both.push(REST);
        }
        Some(PathPattern(format!("/{}", both.join("/")).into()))
    }

    /// Whether it means every path.
    pub(crate) fn is_any(&self) -> bool {
        &*self.0 == "/**"
    }

    fn is_open(&self) -> bool {
        self.0.ends_with("/**")
    }

    fn segments(&self) -> Segments<impl Iterator<Item = &str> + Clone> {
        let fixed = match self.is_open() {
            true => &self.0[..self.0.len() - REST.len()],
            false => &*self.0,
        };
        Segments::new(segments::of_path(fixed), self.is_open())
    }
}

impl FromStr for PathPattern {
    type Err = PathPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        PathPattern::parse(text)
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The one character that is decoded and not written as itself.
        f.write_str(&self.0.replace(' ', "%20"))
    }
}

/// The text with the escapes of what does not change its meaning decoded, the others in upper case.
fn decoded(text: &str) -> Result<Box<str>, PathPatternError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()];
        let value = digits.map(|digit| digit.and_then(|digit| char::from(digit).to_digit(16)));
        let [Some(high), Some(low)] = value else {
            return Err(PathPatternError::Escape { text: text.into() });
        };
        // Two hexadecimal digits fit a byte.
        let byte = (high << 4 | low) as u8;
        match byte {
            b'/' | b'\\' | b'%' | b'?' | b'#' | b'*' | 0..0x20 | 0x7f => {
                bytes.extend(format!("%{byte:02X}").bytes());
            }
            _ => bytes.push(byte),
        }
    }
    match String::from_utf8(bytes) {
        Ok(path) if !path.chars().any(char::is_control) => Ok(path.into()),
        _ => Err(PathPatternError::NotUtf8 { text: text.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> PathPattern {
        PathPattern::parse(text).expect(text)
    }

    #[test]
    fn paths_match_by_segments() {
        for (rule, yes, no) in [
            ("/", vec!["/"], vec!["/a"]),
            ("/**", vec!["/", "/a", "/a/b/c"], vec!["a", "*"]),
            ("/a", vec!["/a", "/a/"], vec!["/", "/a/b", "/A", "/ab", "a"]),
            (
                "/a/**",
                vec!["/a", "/a/", "/a/b", "/a/b/c"],
                vec!["/", "/ab", "/b/a"],
            ),
            ("/a/*", vec!["/a/b", "/a/*"], vec!["/a", "/a/b/c"]),
            ("/*/b/**", vec!["/a/b", "/x/b/c"], vec!["/b", "/a/c"]),
            ("/a%20b", vec!["/a b"], vec!["/a%20b"]),
            ("/a%2fb", vec!["/a%2Fb"], vec!["/a/b"]),
            ("/%C3%BC", vec!["/ü"], vec!["/u"]),
        ] {
            for one in yes {
                assert!(pattern(rule).matches(one), "{rule} {one}");
            }
            for one in no {
                assert!(!pattern(rule).matches(one), "{rule} {one}");
            }
            assert_eq!(pattern(&pattern(rule).to_string()), pattern(rule));
        }
    }

    #[test]
    fn what_is_no_pattern() {
        let error = |text: &str| PathPattern::parse(text).expect_err(text);
        assert!(matches!(error("a"), PathPatternError::Relative { .. }));
        assert!(matches!(error(""), PathPatternError::Relative { .. }));
        for text in ["/a?b", "/a#b", "/a b", "/a\\b", "/a\nb", "/a\0"] {
            assert!(matches!(error(text), PathPatternError::Character { .. }));
        }
        for text in ["/a%", "/a%2", "/a%zz", "/%+1"] {
            assert!(
                matches!(error(text), PathPatternError::Escape { .. }),
                "{text}"
            );
        }
        for text in ["/%ff", "/%C2%85"] {
            assert!(
                matches!(error(text), PathPatternError::NotUtf8 { .. }),
                "{text}"
            );
        }
        for text in ["/a//b", "/a/", "/a/../b", "/./a", "//", "/%2e%2e/a"] {
            assert!(
                matches!(error(text), PathPatternError::Segment { .. }),
                "{text}"
            );
        }
        assert!(matches!(
            error("/a*"),
            PathPatternError::PartialWildcard { .. }
        ));
        assert!(matches!(
            error("/***"),
            PathPatternError::PartialWildcard { .. }
        ));
        assert!(matches!(
            error("/**/a"),
            PathPatternError::RestInside { .. }
        ));
    }

    #[test]
    fn what_both_mean() {
        for (a, b, both) in [
            ("/a/**", "/**", Some("/a/**")),
            ("/a/**", "/*/b", Some("/a/b")),
            ("/*/b/**", "/a/*/**", Some("/a/b/**")),
            ("/a", "/a/**", Some("/a")),
            ("/", "/**", Some("/")),
            ("/**", "/**", Some("/**")),
            ("/a", "/b", None),
            ("/a/b", "/a", None),
            ("/a/*/**", "/a", None),
        ] {
            let both = both.map(pattern);
            assert_eq!(pattern(a).intersection(&pattern(b)), both, "{a} {b}");
            assert_eq!(pattern(b).intersection(&pattern(a)), both, "{b} {a}");
        }
    }
}
