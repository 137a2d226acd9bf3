//! The file beside a snapshot's layers: what is read is written, and read as the same.

#[allow(dead_code, reason = "files are neither read nor made")]
#[path = "../../crates/cofferdam/src/snapshot/file.rs"]
mod file;

use std::path::PathBuf;

/// What the facade keeps of an overlay.
#[derive(Clone, Debug, PartialEq)]
struct Saved {
    number: usize,
    target: PathBuf,
    source: PathBuf,
}

/// One input: a file.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok(parsed) = file::parse(text) else { return };
    for saved in &parsed.overlays {
        assert!(saved.target.is_absolute() && saved.source.is_absolute());
    }
    // One that is no name is refused before it is used.
    if parsed.parent.as_ref().is_some_and(|parent| parent.ends_with('\r')) {
        return;
    }
    let written = file::write(parsed.since, parsed.parent.as_deref(), &parsed.overlays);
    let again = file::parse(&written).unwrap_or_else(|error| panic!("{error}: {written:?}"));
    assert_eq!(again.since, parsed.since);
    assert_eq!(again.parent, parsed.parent);
    assert_eq!(again.overlays, parsed.overlays);
}
