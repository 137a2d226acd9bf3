//! A value in the encodings it is looked for in, and finding them. For those who keep values out of what they pass on;
//! what records them has [`Redactor`](crate::Redactor).

use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use std::collections::BTreeSet;
use std::sync::OnceLock;
use zeroize::Zeroizing;

/// What is looked for: the value, its hexadecimal or a part of its base64, each byte in any of the
/// spellings that URLs, JSON and HTML have for it.
pub struct Needle {
    bytes: Zeroizing<Vec<u8>>,
    /// Characters beyond ASCII that have a spelling as a whole.
    characters: Vec<Character>,
    /// Whether line ends may lie between the bytes, as in MIME's base64 (RFC 2045).
    wrapped: bool,
}

struct Character {
    start: usize,
    length: usize,
    spellings: Vec<Spelling>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Spelling {
    text: Vec<u8>,
    /// Whether its letters may be of either case.
    fold: bool,
}

/// Whether a needle begins at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// No.
    No,
    /// The bytes so far do not tell, or a longer one may begin there.
    More,
    /// It does, and is this long.
    Length(usize),
}

/// Buffers of a search, kept between searches.
#[derive(Default)]
pub struct Scratch {
    at: Vec<usize>,
    next: Vec<usize>,
    later: Vec<(usize, usize)>,
}

impl Needle {
    /// All needles of a value.
    pub fn all(value: &[u8]) -> Vec<Needle> {
        let mut all = vec![Needle::new(value.to_vec(), false)];
        all.push(Needle::new(HEXLOWER.encode(value).into_bytes(), true));
        all.push(Needle::new(HEXUPPER.encode(value).into_bytes(), true));
        for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
            for before in 0..3 {
                let mut shifted = Zeroizing::new(vec![0; before]);
                shifted.extend_from_slice(value);
                let text = Zeroizing::new(encoding.encode(&shifted).into_bytes());
                // Only the characters that depend on nothing but the value.
                let first = (before * 8).div_ceil(6);
                let last = shifted.len() * 8 / 6;
                let part = text.get(first..last).unwrap_or_default();
                if !all.iter().any(|n| n.bytes.as_slice() == part) {
                    all.push(Needle::new(part.to_vec(), true));
                }
            }
        }
        all
    }

    fn new(bytes: Vec<u8>, wrapped: bool) -> Self {
        let mut characters = Vec::new();
        if let Ok(text) = std::str::from_utf8(&bytes) {
            for (start, character) in text.char_indices().filter(|(_, c)| !c.is_ascii()) {
                characters.push(Character {
                    start,
                    length: character.len_utf8(),
                    spellings: of_character(character),
                });
            }
        }
        Self {
            bytes: Zeroizing::new(bytes),
            characters,
            wrapped,
        }
    }

    /// The bytes it can begin with, each once.
    pub fn first_bytes(&self) -> BTreeSet<u8> {
        let first = self.bytes.first().map(|b| of_byte(*b)).unwrap_or_default();
        let whole = self.characters.iter().filter(|c| c.start == 0);
        let spellings = first.iter().chain(whole.flat_map(|c| &c.spellings));
        let bytes = spellings.filter_map(|spelling| spelling.text.first());
        bytes.copied().collect()
    }

    /// The two bytes it can begin with, each pair once: far fewer places of a text have one than have the first.
    pub fn first_pairs(&self) -> BTreeSet<[u8; 2]> {
        let spellings = |index: usize| {
            let byte = self.bytes.get(index).map(|b| of_byte(*b));
            let whole = self.characters.iter().filter(move |c| c.start == index);
            byte.unwrap_or_default()
                .iter()
                .chain(whole.flat_map(|c| &c.spellings))
        };
        let mut seconds: BTreeSet<u8> = spellings(1).map(|s| s.text[0]).collect();
        if self.wrapped {
            seconds.extend(b"\r\n");
        }
        let mut pairs = BTreeSet::new();
        for spelling in spellings(0) {
            match spelling.text[..] {
                [first] => pairs.extend(seconds.iter().map(|second| [first, *second])),
                [first, second, ..] if spelling.fold => {
                    pairs.insert([first, second.to_ascii_lowercase()]);
                    pairs.insert([first, second.to_ascii_uppercase()]);
                }
                [first, second, ..] => {
                    pairs.insert([first, second]);
                }
                [] => {}
            }
        }
        pairs
    }

    /// Whether it begins at this position of the text. `end` is whether nothing follows the text.
    pub fn find(&self, text: &[u8], from: usize, end: bool, scratch: &mut Scratch) -> Found {
        let mut more = false;
        scratch.later.clear();
        scratch.at.clear();
        scratch.at.push(from);
        for (index, byte) in self.bytes.iter().enumerate() {
            scratch.next.clear();
            let whole = self.characters.iter().find(|c| c.start == index);
            for position in &scratch.at {
                let position = if self.wrapped && index > 0 {
                    let Some(position) = past_line_end(text, *position) else {
                        more = true;
                        continue;
                    };
                    position
                } else {
                    *position
                };
                for spelling in of_byte(*byte) {
                    match spelling.at(text, position) {
                        Found::Length(length) => scratch.next.push(position + length),
                        Found::More => more = true,
                        Found::No => {}
                    }
                }
                for spelling in whole.iter().flat_map(|c| &c.spellings) {
                    match spelling.at(text, position) {
                        Found::Length(length) => {
                            let after = index + whole.map_or(1, |c| c.length);
                            scratch.later.push((after, position + length));
                        }
                        Found::More => more = true,
                        Found::No => {}
                    }
                }
            }
            for (after, position) in &scratch.later {
                if *after == index + 1 {
                    scratch.next.push(*position);
                }
            }
            scratch.next.sort_unstable();
            scratch.next.dedup();
            std::mem::swap(&mut scratch.at, &mut scratch.next);
            if scratch.at.is_empty() && !scratch.later.iter().any(|(after, _)| *after > index + 1) {
                break;
            }
        }
        match scratch.at.last() {
            _ if more && !end => Found::More,
            Some(last) if *last > from => Found::Length(last - from),
            _ => Found::No,
        }
    }
}

impl Spelling {
    fn new(text: impl Into<Vec<u8>>, fold: bool) -> Self {
        Self {
            text: text.into(),
            fold,
        }
    }

    fn at(&self, text: &[u8], position: usize) -> Found {
        let rest = text.get(position..).unwrap_or_default();
        let length = rest.len().min(self.text.len());
        let same = if self.fold {
            rest[..length].eq_ignore_ascii_case(&self.text[..length])
        } else {
            rest[..length] == self.text[..length]
        };
        match same {
            false => Found::No,
            true if length < self.text.len() => Found::More,
            true => Found::Length(length),
        }
    }
}

/// The position after a line end, if there is one; none where the text ends before that is known.
fn past_line_end(text: &[u8], position: usize) -> Option<usize> {
    match (text.get(position), text.get(position + 1)) {
        (Some(b'\n'), _) => Some(position + 1),
        (Some(b'\r'), Some(b'\n')) => Some(position + 2),
        (None, _) | (Some(b'\r'), None) => None,
        _ => Some(position),
    }
}

/// The spellings of a byte: itself, percent-encoded (RFC 3986), escaped as in JSON (RFC 8259) and
/// in programming languages, and as a character reference of HTML.
fn of_byte(byte: u8) -> &'static [Spelling] {
    static TABLE: OnceLock<Vec<Vec<Spelling>>> = OnceLock::new();
    let table = TABLE.get_or_init(|| (0..=255).map(spell).collect());
    table.get(usize::from(byte)).map_or(&[], Vec::as_slice)
}

fn spell(byte: u8) -> Vec<Spelling> {
    let mut all = vec![
        Spelling::new([byte], false),
        Spelling::new(format!("%{byte:02x}"), true),
        Spelling::new(format!("\\u{byte:04x}"), true),
        Spelling::new(format!("\\x{byte:02x}"), true),
    ];
    all.extend(references(u32::from(byte)));
    let escape = match byte {
        b'"' | b'\\' | b'/' | b'\'' => Some(byte),
        b'\n' => Some(b'n'),
        b'\r' => Some(b'r'),
        b'\t' => Some(b't'),
        _ => None,
    };
    all.extend(escape.map(|letter| Spelling::new([b'\\', letter], false)));
    let name = match byte {
        b'&' => Some("&amp;"),
        b'<' => Some("&lt;"),
        b'>' => Some("&gt;"),
        b'"' => Some("&quot;"),
        b'\'' => Some("&apos;"),
        // A form's space.
        b' ' => Some("+"),
        _ => None,
    };
    all.extend(name.map(|name| Spelling::new(name, false)));
    all
}

fn of_character(character: char) -> Vec<Spelling> {
    let mut units = [0; 2];
    let mut json = String::new();
    for unit in character.encode_utf16(&mut units) {
        json.push_str(&format!("\\u{unit:04x}"));
    }
    let mut all = vec![Spelling::new(json, true)];
    all.extend(references(u32::from(character)));
    all
}

fn references(code: u32) -> Vec<Spelling> {
    let mut all = vec![
        Spelling::new(format!("&#{code};"), false),
        Spelling::new(format!("&#{code:03};"), false),
        Spelling::new(format!("&#x{code:x};"), true),
        Spelling::new(format!("&#x{code:02x};"), true),
        Spelling::new(format!("&#x{code:04x};"), true),
    ];
    all.dedup();
    all
}
