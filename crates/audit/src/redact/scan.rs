//! Finding what must not be recorded in a string.

use super::names::{SHAPES, is_authorization, is_header, is_secret};
use crate::needle::{Found, Needle, Scratch};
use std::ops::Range;

/// What is looked for.
pub(super) struct Table {
    /// Which two bytes something can begin with: a bit for each pair.
    pairs: Vec<u64>,
    /// By the first byte, the needles that begin with it: of which secret, and which.
    starts: Vec<Vec<(usize, usize)>>,
    pub secrets: Vec<(String, Vec<u8>, Vec<Needle>)>,
    pub rules: Rules,
}

/// Which rules are in force.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    pub names: bool,
    pub urls: bool,
    pub shapes: bool,
    pub more_names: Vec<String>,
    pub harmless: Vec<String>,
    pub more_shapes: Vec<(String, usize)>,
}

/// What was found in a string.
pub(super) struct Cleaned {
    /// Without it; none where there was nothing.
    pub text: Option<String>,
    /// The name of an option whose value is the next argument.
    pub pending: Option<String>,
}

impl Rules {
    /// Whether a name is one of a secret.
    pub fn is_secret(&self, name: &str) -> bool {
        let known = |list: &[String]| list.iter().any(|own| own.eq_ignore_ascii_case(name));
        self.names && !known(&self.harmless) && (is_secret(name) || known(&self.more_names))
    }
}

impl Table {
    pub fn new(secrets: Vec<(String, Vec<u8>, Vec<Needle>)>, rules: Rules) -> Self {
        let mut table = Self {
            pairs: vec![0; 1024],
            starts: vec![Vec::new(); 256],
            secrets: Vec::new(),
            rules,
        };
        for (secret, (_, _, needles)) in secrets.iter().enumerate() {
            for (index, needle) in needles.iter().enumerate() {
                for first in needle.first_bytes() {
                    table.starts[usize::from(first)].push((secret, index));
                }
                for [a, b] in needle.first_pairs() {
                    table.mark(a, b);
                }
            }
        }
        table.secrets = secrets;
        if table.rules.names {
            for any in 0..=255 {
                table.mark(b'=', any);
                table.mark(b':', any);
            }
            table.mark(b'-', b'-');
            table.mark(b'-', b'u');
        }
        if table.rules.urls {
            table.mark(b':', b'/');
        }
        if table.rules.shapes {
            table.mark(b'-', b'-');
            let own: Vec<String> = table
                .rules
                .more_shapes
                .iter()
                .map(|s| s.0.clone())
                .collect();
            for prefix in SHAPES
                .iter()
                .map(|shape| shape.prefix)
                .chain(own.iter().map(String::as_str))
            {
                if let [a, b, ..] = prefix.as_bytes() {
                    table.mark(*a, *b);
                }
            }
        }
        table
    }

    fn mark(&mut self, a: u8, b: u8) {
        let bit = usize::from(a) << 8 | usize::from(b);
        self.pairs[bit / 64] |= 1 << (bit % 64);
    }

    /// Goes over a string once.
    pub fn clean(&self, text: &str) -> Cleaned {
        let bytes = text.as_bytes();
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        let mut pending = None;
        let mut scratch = Scratch::default();
        for (at, pair) in bytes.windows(2).enumerate() {
            let bit = usize::from(pair[0]) << 8 | usize::from(pair[1]);
            if self.pairs[bit / 64] >> (bit % 64) & 1 == 0 {
                continue;
            }
            if let Some(found) = self.secret(bytes, at, &mut scratch) {
                add(&mut edits, text, found);
            }
            let found = match pair {
                [b'=', _] => self.assignment(text, at),
                [b':', b'/'] if self.rules.urls && bytes[at..].starts_with(b"://") => {
                    self.url(text, at)
                }
                [b':', _] => self.assignment(text, at),
                [b'-', b'-'] if bytes[at..].starts_with(b"-----BEGIN") => self.pem(text, at),
                [b'-', b'-'] => self.option(text, at, &mut pending),
                [b'-', b'u'] => self.user(text, at),
                _ => None,
            };
            if let Some(found) = found.or_else(|| self.shape(text, at)) {
                add(&mut edits, text, found);
            }
        }
        Cleaned {
            text: (!edits.is_empty()).then(|| replaced(text, &edits)),
            pending,
        }
    }

    /// The longest value of a secret that begins here.
    fn secret(
        &self,
        text: &[u8],
        at: usize,
        scratch: &mut Scratch,
    ) -> Option<(Range<usize>, String)> {
        let mut longest: Option<(usize, usize)> = None;
        for (secret, needle) in &self.starts[usize::from(text[at])] {
            if let Found::Length(length) =
                self.secrets[*secret].2[*needle].find(text, at, true, scratch)
                && longest.is_none_or(|(known, _)| known < length)
            {
                longest = Some((length, *secret));
            }
        }
        longest.map(|(length, secret)| (at..at + length, self.secrets[secret].0.clone()))
    }

    /// `NAME=value`, `Name: value`, `"name": "value"`.
    fn assignment(&self, text: &str, at: usize) -> Option<(Range<usize>, String)> {
        if !self.rules.names {
            return None;
        }
        let bytes = text.as_bytes();
        let mut end = at;
        while end > 0 && matches!(bytes[end - 1], b'"' | b'\'' | b'\\' | b' ') && at - end < 2 {
            end -= 1;
        }
        let start = bytes[..end]
            .iter()
            .rposition(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')))
            .map_or(0, |before| before + 1);
        let name = text.get(start..end)?.trim_start_matches('-');
        let header = bytes[at] == b':' && is_header(name);
        if name.is_empty() || !(header || self.rules.is_secret(name)) {
            return None;
        }
        let mut from = at + 1;
        while bytes[at] == b':' && bytes.get(from) == Some(&b' ') {
            from += 1;
        }
        let range = value(bytes, from, header);
        let found = text.get(range.clone())?;
        let first = found.split_once(' ').filter(|(scheme, _)| {
            is_authorization(name) && scheme.bytes().all(|byte| byte.is_ascii_alphabetic())
        });
        // The scheme of the authorization may be seen.
        let skip = first.map_or(0, |(scheme, _)| scheme.len() + 1);
        self.named(range.start + skip..range.end, name, text)
    }

    /// `--name value`; `--name=value` is an assignment.
    fn option(
        &self,
        text: &str,
        at: usize,
        pending: &mut Option<String>,
    ) -> Option<(Range<usize>, String)> {
        let bytes = text.as_bytes();
        if !self.rules.names || !is_start(bytes, at) {
            return None;
        }
        let start = at + 2;
        let length = bytes[start..]
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')))
            .unwrap_or(bytes.len() - start);
        let name = text.get(start..start + length)?;
        if !self.rules.is_secret(name) {
            return None;
        }
        let mut from = start + length;
        if from == bytes.len() {
            *pending = Some(self.label(name));
            return None;
        }
        if !matches!(bytes[from], b' ' | b'\t') {
            return None;
        }
        while matches!(bytes.get(from), Some(b' ' | b'\t')) {
            from += 1;
        }
        if bytes.get(from) == Some(&b'-') {
            return None;
        }
        self.named(value(bytes, from, false), name, text)
    }

    /// `-u user:password` of curl.
    fn user(&self, text: &str, at: usize) -> Option<(Range<usize>, String)> {
        let bytes = text.as_bytes();
        if !self.rules.names || !is_start(bytes, at) || !text[..at].contains("curl ") {
            return None;
        }
        let mut from = at + 2;
        while bytes.get(from) == Some(&b' ') {
            from += 1;
        }
        let range = value(bytes, from, false);
        let colon = text.get(range.clone())?.find(':')?;
        self.named(range.start + colon + 1..range.end, "password", text)
    }

    /// An edit with the name as its label; none where there is nothing, or what was put in before.
    fn named(&self, range: Range<usize>, name: &str, text: &str) -> Option<(Range<usize>, String)> {
        let found = text.get(range.clone())?;
        let done = found.is_empty() || found.starts_with("[redacted");
        (!done).then(|| (range, self.label(name)))
    }

    /// What stands for the value of a name: the name itself, unless that holds a value, too.
    pub fn label(&self, name: &str) -> String {
        let lower = name.to_ascii_lowercase();
        // In small letters it may read as another value does.
        match (self.clean(name).text, self.clean(&lower).text) {
            (None, None) => lower,
            _ => "secret".to_owned(),
        }
    }

    /// A private key (RFC 7468).
    fn pem(&self, text: &str, at: usize) -> Option<(Range<usize>, String)> {
        let rest = text.get(at..)?;
        let head = rest.get(11..)?.split("-----").next()?;
        if !self.rules.shapes || !head.ends_with("PRIVATE KEY") || head.len() > 40 {
            return None;
        }
        let end = rest.find("-----END ").and_then(|end| {
            let line = rest.get(end + 9..)?;
            Some(end + 9 + line.find("-----")? + 5)
        });
        let range = at..at + end.unwrap_or(rest.len());
        Some((range, "private key".to_owned()))
    }

    /// `scheme://user:password@host`.
    fn url(&self, text: &str, at: usize) -> Option<(Range<usize>, String)> {
        let start = at + 3;
        let rest = text.get(start..)?;
        let stop = |c: char| c.is_whitespace() || "/?#\"'<>".contains(c);
        let authority = rest.split(stop).next()?;
        let (user, _) = authority.rsplit_once('@')?;
        let colon = user.find(':')?;
        self.named(start + colon + 1..start + user.len(), "password", text)
    }

    /// A token that shows what it is.
    fn shape(&self, text: &str, at: usize) -> Option<(Range<usize>, String)> {
        let bytes = text.as_bytes();
        let within = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
        if !self.rules.shapes || within {
            return None;
        }
        let rest = &bytes[at..];
        let known = SHAPES.iter().map(|s| (s.prefix, s.least, s.label));
        let own = self.rules.more_shapes.iter();
        let mut all = known.chain(own.map(|(prefix, least)| (prefix.as_str(), *least, "token")));
        all.find_map(|(prefix, least, label)| {
            if !rest.starts_with(prefix.as_bytes()) {
                return None;
            }
            let tail = &rest[prefix.len()..];
            let dots = prefix.ends_with('.') || prefix == "eyJ";
            let length = tail
                .iter()
                .position(|byte| {
                    !(byte.is_ascii_alphanumeric()
                        || matches!(byte, b'_' | b'-')
                        || dots && *byte == b'.')
                })
                .unwrap_or(tail.len());
            let jwt = prefix == "eyJ";
            let dotted = tail[..length].iter().filter(|byte| **byte == b'.').count() >= 2;
            (length >= least && (!jwt || dotted))
                .then(|| (at..at + prefix.len() + length, label.to_owned()))
        })
    }
}

/// Where a value ends that begins here: at its quote, or where a word ends.
fn value(bytes: &[u8], from: usize, line: bool) -> Range<usize> {
    let mut start = from;
    while bytes.get(start) == Some(&b'\\') {
        start += 1;
    }
    let quote = bytes.get(start).filter(|byte| matches!(byte, b'"' | b'\''));
    if let Some(quote) = quote {
        start += 1;
        let mut end = start;
        // A quote behind a backslash ends the value only where it began with one.
        let escaped = start - 1 > from;
        while end < bytes.len() && !(bytes[end] == *quote && (escaped || bytes[end - 1] != b'\\')) {
            end += 1;
        }
        if escaped && end > start && bytes[end - 1] == b'\\' {
            end -= 1;
        }
        return start..end;
    }
    let ends = |byte: &u8| match byte {
        b'\n' | b'\r' | b'"' | b'\'' => true,
        b' ' | b'\t' | b'&' | b';' | b',' | b'}' | b')' => !line,
        _ => false,
    };
    let length = bytes[from..].iter().position(ends);
    from..length.map_or(bytes.len(), |length| from + length)
}

/// Whether a word begins here.
fn is_start(bytes: &[u8], at: usize) -> bool {
    at == 0 || matches!(bytes[at - 1], b' ' | b'\t' | b'\n' | b'"' | b'\'' | b'(')
}

/// Adds an edit; one that overlaps the last makes that longer.
fn add(edits: &mut Vec<(Range<usize>, String)>, text: &str, edit: (Range<usize>, String)) {
    let (mut range, mut label) = edit;
    while !text.is_char_boundary(range.start) {
        range.start -= 1;
    }
    while !text.is_char_boundary(range.end) {
        range.end += 1;
    }
    while let Some((last, first)) = edits.pop_if(|(last, _)| range.start < last.end) {
        // Rules find things somewhat behind where they are noticed, so an earlier one may begin later.
        if last.start <= range.start {
            label = first;
        }
        range = range.start.min(last.start)..range.end.max(last.end);
    }
    edits.push((range, label));
}

fn replaced(text: &str, edits: &[(Range<usize>, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (range, label) in edits {
        out.push_str(&text[done..range.start]);
        out.push_str(&super::mark(label));
        done = range.end;
    }
    out.push_str(&text[done..]);
    out
}
