//! Reading git's configuration files as git does (git-config(1), "Syntax"), from hostile bytes.

/// Above this a file is not read (bytes).
pub(super) const MAX_CONFIG: u64 = 1 << 20;

/// One assignment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// In lower case; empty before the first header.
    pub section: Vec<u8>,
    /// As it is written; of the old form `[section.sub]` in lower case.
    pub subsection: Option<Vec<u8>>,
    /// In lower case.
    pub key: Vec<u8>,
    /// `None` for a key without `=`, which means true.
    pub value: Option<Vec<u8>>,
}

impl Entry {
    /// Whether this is `section.key`, with any subsection or none.
    pub(super) fn is(&self, section: &str, key: &str) -> bool {
        self.section == section.as_bytes() && self.key == key.as_bytes()
    }

    /// The value as a truth (git-config(1), "boolean").
    pub(super) fn is_true(&self) -> bool {
        let Some(value) = &self.value else {
            return true;
        };
        let value = value.to_ascii_lowercase();
        let number = str::from_utf8(&value).ok().map(str::parse::<i64>);
        matches!(value.as_slice(), b"true" | b"yes" | b"on")
            || matches!(number, Some(Ok(n)) if n != 0)
    }
}

/// The last value of `section.key` outside of any subsection: the one that counts.
pub(super) fn last<'a>(entries: &'a [Entry], section: &str, key: &str) -> Option<&'a Entry> {
    let mut of_key = entries.iter().rev();
    of_key.find(|entry| entry.subsection.is_none() && entry.is(section, key))
}

/// The assignments of a file in their order, `None` where git would refuse the file.
pub(super) fn parse(bytes: &[u8]) -> Option<Vec<Entry>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut input = Input { bytes, at: 0 };
    let mut entries = Vec::new();
    let mut section = Vec::new();
    let mut subsection = None;
    while let Some(c) = input.next() {
        match c {
            b'#' | b';' => input.skip_line(),
            b'[' => {
                (section, subsection) = header(&mut input)?;
            }
            c if space(c) => {}
            c if c.is_ascii_alphabetic() => entries.push(Entry {
                section: section.clone(),
                subsection: subsection.clone(),
                key: key(c, &mut input),
                value: assigned(&mut input)?,
            }),
            _ => return None,
        }
    }
    Some(entries)
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Input<'_> {
    /// The next byte, with the line end of other systems as one line feed.
    fn next(&mut self) -> Option<u8> {
        if self.bytes[self.at..].starts_with(b"\r\n") {
            self.at += 1;
        }
        let c = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(c)
    }

    fn peek(&self) -> Option<u8> {
        let mut ahead = Self {
            bytes: self.bytes,
            at: self.at,
        };
        ahead.next()
    }

    /// The next byte, the end of the file being the end of its last line.
    fn next_or_end(&mut self) -> u8 {
        self.next().unwrap_or(b'\n')
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != b'\n') {}
    }
}

/// The white space of git: what the C locale has, without the vertical tab and the form feed.
fn space(c: u8) -> bool {
    matches!(c, b' ' | b'\t' | b'\n' | b'\r')
}

/// What follows a `[`: the section's name and its subsection.
fn header(input: &mut Input<'_>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let mut name = Vec::new();
    loop {
        match input.next()? {
            b']' => break,
            c if c.is_ascii_alphanumeric() || c == b'-' || c == b'.' => {
                name.push(c.to_ascii_lowercase());
            }
            b'\n' => return None,
            c if space(c) => return Some((name, Some(quoted(input)?))),
            _ => return None,
        }
    }
    match name.iter().position(|c| *c == b'.') {
        Some(dot) => Some((name[..dot].to_vec(), Some(name[dot + 1..].to_vec()))),
        None => Some((name, None)),
    }
}

/// The quoted subsection with the `]` behind it.
fn quoted(input: &mut Input<'_>) -> Option<Vec<u8>> {
    loop {
        match input.next()? {
            b'"' => break,
            b'\n' => return None,
            c if space(c) => {}
            _ => return None,
        }
    }
    let mut name = Vec::new();
    loop {
        let c = match input.next()? {
            b'"' => break,
            b'\\' => input.next()?,
            c => c,
        };
        if c == b'\n' {
            return None;
        }
        name.push(c);
    }
    (input.next()? == b']').then_some(name)
}

fn key(first: u8, input: &mut Input<'_>) -> Vec<u8> {
    let mut name = vec![first.to_ascii_lowercase()];
    while let Some(c) = input
        .peek()
        .filter(|c| c.is_ascii_alphanumeric() || *c == b'-')
    {
        name.push(c.to_ascii_lowercase());
        input.next();
    }
    name
}

/// What follows a key up to the end of its line.
fn assigned(input: &mut Input<'_>) -> Option<Option<Vec<u8>>> {
    let mut c = input.next_or_end();
    while c == b' ' || c == b'\t' {
        c = input.next_or_end();
    }
    match c {
        b'\n' => Some(None),
        b'=' => value(input).map(Some),
        _ => None,
    }
}

fn value(input: &mut Input<'_>) -> Option<Vec<u8>> {
    let mut value = Vec::new();
    // White space at the end, outside of quotes, does not count.
    let mut kept = 0;
    let mut quote = false;
    loop {
        match input.next_or_end() {
            b'\n' if quote => return None,
            b'\n' => break,
            b'#' | b';' if !quote => {
                input.skip_line();
                break;
            }
            c if space(c) && !quote => {
                // Whatever it is: git 2.47 makes it a space.
                if !value.is_empty() {
                    value.push(b' ');
                }
                continue;
            }
            b'"' => quote = !quote,
            b'\\' => match input.next_or_end() {
                // A line that goes on.
                b'\n' => continue,
                b't' => value.push(b'\t'),
                b'b' => value.push(8),
                b'n' => value.push(b'\n'),
                c @ (b'\\' | b'"') => value.push(c),
                _ => return None,
            },
            c => value.push(c),
        }
        kept = value.len();
    }
    value.truncate(kept);
    Some(value)
}
