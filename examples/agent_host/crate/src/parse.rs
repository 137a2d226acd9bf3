//! RFC 4180: fields between commas, records between line ends, quotes around anything.

use std::fmt;

/// What is wrong with a text, and in which line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// A quoted field has no closing quote.
    Unclosed { line: usize },
    /// A closing quote is followed by something other than a comma or a line end.
    AfterQuote { line: usize, found: char },
    /// A record has not as many fields as the first one.
    Fields {
        line: usize,
        expected: usize,
        found: usize,
    },
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed { line } => write!(f, "line {line}: a quote is never closed"),
            Self::AfterQuote { line, found } => {
                write!(f, "line {line}: {found:?} after a closing quote")
            }
            Self::Fields {
                line,
                expected,
                found,
            } => {
                write!(
                    f,
                    "line {line}: {found} fields, but the header has {expected}"
                )
            }
        }
    }
}

impl std::error::Error for ParseError {}

/// Splits a text into records of equal length.
pub(crate) fn records(text: &str) -> Result<Vec<Vec<String>>, ParseError> {
    let mut reader = Reader {
        rest: text,
        line: 1,
    };
    let mut records: Vec<Vec<String>> = Vec::new();
    while !reader.rest.is_empty() {
        let line = reader.line;
        let record = reader.record()?;
        let expected = records.first().map_or(record.len(), Vec::len);
        if record.len() != expected {
            let found = record.len();
            return Err(ParseError::Fields {
                line,
                expected,
                found,
            });
        }
        records.push(record);
    }
    Ok(records)
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl Reader<'_> {
    fn record(&mut self) -> Result<Vec<String>, ParseError> {
        let mut fields = Vec::new();
        loop {
            fields.push(match self.rest.strip_prefix('"') {
                Some(rest) => {
                    self.rest = rest;
                    self.quoted()?
                }
                None => self.plain(),
            });
            if let Some(rest) = self.rest.strip_prefix(',') {
                self.rest = rest;
                continue;
            }
            let ended = self
                .rest
                .strip_prefix("\r\n")
                .or(self.rest.strip_prefix('\n'));
            match (ended, self.rest.chars().next()) {
                (Some(rest), _) => {
                    self.rest = rest;
                    self.line += 1;
                    return Ok(fields);
                }
                (None, None) => return Ok(fields),
                (None, Some(found)) => {
                    return Err(ParseError::AfterQuote {
                        line: self.line,
                        found,
                    });
                }
            }
        }
    }

    fn plain(&mut self) -> String {
        let end = self.rest.find([',', '\n']).unwrap_or(self.rest.len());
        let end = match self.rest[..end].strip_suffix('\r') {
            Some(field) if self.rest[end..].starts_with('\n') => field.len(),
            _ => end,
        };
        let (field, rest) = self.rest.split_at(end);
        self.rest = rest;
        field.to_owned()
    }

    /// The rest of a quoted field; two quotes mean one.
    fn quoted(&mut self) -> Result<String, ParseError> {
        let start = self.line;
        let mut field = String::new();
        loop {
            let Some(end) = self.rest.find('"') else {
                return Err(ParseError::Unclosed { line: start });
            };
            let part = &self.rest[..end];
            self.line += part.matches('\n').count();
            field += part;
            self.rest = &self.rest[end + 1..];
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    field.push('"');
                    self.rest = rest;
                }
                None => return Ok(field),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_commas_quotes_and_lines() {
        let text = "a,b\r\n\"1,2\",\"say \"\"hi\"\"\nthere\"\r\n";
        let expected = vec![vec!["a", "b"], vec!["1,2", "say \"hi\"\nthere"]];
        assert_eq!(records(text).unwrap(), expected);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        assert_eq!(records("a,\n,b").unwrap(), [["a", ""], ["", "b"]]);
    }

    #[test]
    fn mistakes_name_their_line() {
        let unclosed = records("a\n\"b\nc");
        assert_eq!(unclosed, Err(ParseError::Unclosed { line: 2 }));
        let after = records("a\n\"b\"c\n");
        assert_eq!(
            after,
            Err(ParseError::AfterQuote {
                line: 2,
                found: 'c'
            })
        );
        let fields = records("a,b\n\"x\ny\",1\n2\n");
        let expected = ParseError::Fields {
            line: 4,
            expected: 2,
            found: 1,
        };
        assert_eq!(fields, Err(expected));
    }
}
