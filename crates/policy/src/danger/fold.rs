//! The form in which names are compared: two names that some file system takes for one have one.

use std::borrow::Cow;

/// One component of a path, with what file systems and git disregard set aside.
///
/// Wider than any one file system: a name too many is looked at, a name too few is executed.
pub(super) fn fold(name: &[u8]) -> Vec<u8> {
    let mut folded = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        let mut folded = Vec::with_capacity(name.len());
        for chunk in name.utf8_chunks() {
            for letter in chunk
                .valid()
                .chars()
                .filter(|letter| !is_ignorable(*letter))
            {
                folded.extend_from_slice(lower(letter).as_bytes());
            }
            folded.extend_from_slice(chunk.invalid());
        }
        folded
    };
    // NTFS: `name:stream` is in the file `name`, and trailing dots and spaces do not count.
    let end = folded
        .iter()
        .position(|byte| *byte == b':')
        .unwrap_or(folded.len());
    let kept = folded[..end].trim_ascii_end();
    let dots = kept
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b'.' | b' '));
    let length = kept.len() - dots.count();
    if length > 0 {
        folded.truncate(length);
    }
    folded
}

/// Whether a folded name is git's directory, also under its NTFS short name.
pub(super) fn is_git(folded: &[u8]) -> bool {
    matches!(folded, b".git" | [b'g', b'i', b't', b'~', b'1'..=b'9'])
}

/// Full case folding of what folds to ASCII; everything else is as it is but for simple case
/// (Unicode `CaseFolding.txt`, statuses C and F). No other letter can become part of a listed name.
fn lower(letter: char) -> Cow<'static, str> {
    Cow::Borrowed(match letter {
        'ſ' => "s",
        // The Kelvin sign.
        '\u{212a}' => "k",
        'ß' | 'ẞ' => "ss",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' | 'ﬆ' => "st",
        _ => return Cow::Owned(letter.to_lowercase().collect()),
    })
}

/// Unicode's `Default_Ignorable_Code_Point`: HFS+ skips some of them when it compares names (the
/// reason for git's CVE-2014-9390), casefolding ext4 and f2fs have skipped them all.
fn is_ignorable(letter: char) -> bool {
    matches!(
        letter,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
