//! Patterns of segments: the labels of a name from its end, or the parts of a path.

use std::iter::FusedIterator;

/// The segment that stands for any one.
pub(super) const WILDCARD: &str = "*";

/// Segments of which each is fixed or [`WILDCARD`], and after the last of which there may be more
/// where the pattern is open.
pub(super) struct Segments<I> {
    segments: I,
    open: bool,
}

impl<'a, I: Iterator<Item = &'a str> + Clone> Segments<I> {
    pub(super) fn new(segments: I, open: bool) -> Self {
        Segments { segments, open }
    }

    /// Whether it means all that `other` means.
    pub(super) fn covers<'b, J: Iterator<Item = &'b str> + Clone>(
        &self,
        other: &Segments<J>,
    ) -> bool {
        let mut others = other.segments.clone();
        for own in self.segments.clone() {
            match others.next() {
                Some(theirs) if own == WILDCARD || own == theirs => {}
                _ => return false,
            }
        }
        self.open || (!other.open && others.next().is_none())
    }

    /// The segments of what both mean, if there is any. It is open if both are.
    pub(super) fn intersection<J: Iterator<Item = &'a str> + Clone>(
        &self,
        other: &Segments<J>,
    ) -> Option<Vec<&'a str>> {
        let (mut left, mut right) = (self.segments.clone(), other.segments.clone());
        let mut both = Vec::new();
        loop {
            both.push(match (left.next(), right.next()) {
                (Some(WILDCARD), Some(one)) | (Some(one), Some(WILDCARD)) => one,
                (Some(one), Some(other)) if one == other => one,
                (Some(_), Some(_)) => return None,
                (Some(one), None) if other.open => one,
                (None, Some(one)) if self.open => one,
                (Some(_), None) | (None, Some(_)) => return None,
                (None, None) => return Some(both),
            });
        }
    }
}

/// The segments of a path that begins with `/`. Empty ones mean nothing.
pub(super) fn of_path(path: &str) -> impl FusedIterator<Item = &str> + Clone {
    path.split('/').filter(|segment| !segment.is_empty())
}
