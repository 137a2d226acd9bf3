//! What differs between two sessions over the same directory.

use crate::change::Change;
use crate::changes::Changes;
use crate::diff::{self, Diff};
use crate::error::ReadError;
use crate::tree::Tree;

/// What differs between two trees over the same lower directory: `before` in each change is what
/// `a` shows, `after` what `b` shows. Only paths that one of the two wrote are looked at.
///
/// # Errors
/// [`ReadError`] when the lowers differ or the roots cannot be opened; entries that cannot be read
/// come as errors of the iterator.
pub fn compare<'t>(a: &'t Tree, b: &'t Tree) -> Result<Changes<'t>, ReadError> {
    Ok(Changes::new(Some(a), b, b.walk_against(a)?))
}

/// The difference behind one entry of [`compare`].
///
/// # Errors
/// [`ReadError`] when one of the sides cannot be read.
pub fn diff_between(a: &Tree, b: &Tree, change: &Change) -> Result<Diff, ReadError> {
    diff::of(b.walk_against(a)?, change)
}
