//! The one question that a message may hold.

use super::reply::Echo;
use super::{Code, MAX_QUERY, Record};
use cofferdam_policy::HostName;

/// The flag that tells answers from queries (RFC 1035, section 4.1.1).
const QR: u16 = 0x8000;

/// The longest label and the longest name, in bytes on the wire (RFC 1035, section 2.3.4).
const MAX_LABEL: u8 = 63;
const MAX_NAME: usize = 255;

const CLASS_IN: u16 = 1;
const TYPE_OPT: u16 = 41;

/// A question that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The number that the answer repeats.
    pub id: u16,
    /// The name.
    pub name: HostName,
    /// The kind of record.
    pub record: Record,
    pub(super) echo: Echo,
}

/// A message that is no question the gate answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The name, escaped, where one can be read.
    pub name: Option<String>,
    /// The kind of record, where it can be read.
    pub record: Option<Record>,
    /// What to answer; nothing, where the message is no question at all or too short to be one.
    pub reply: Option<Vec<u8>>,
}

impl Query {
    /// Reads a message of at most [`MAX_QUERY`] bytes: a query with one question of class IN whose
    /// name is a [`HostName`], nothing else but an OPT record.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(message: &[u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(message);
        let header: Option<[u16; 6]> = (|| {
            let mut header = [0; 6];
            for field in &mut header {
                *field = reader.u16()?;
            }
            Some(header)
        })();
        let Some([id, flags, questions, answers, authorities, additional]) = header else {
            return Err(Malformed {
                name: None,
                record: None,
                reply: None,
            });
        };
        if flags & QR != 0 {
            // An answer to an answer could go on for ever.
            return Err(Malformed {
                name: None,
                record: None,
                reply: None,
            });
        }
        let mut echo = Echo::new(id, flags);
        let refuse = |echo: &Echo, code, asked: Option<(&Question, Record)>| Malformed {
            name: asked.map(|(question, _)| question.escaped()),
            record: asked.map(|(_, record)| record),
            reply: Some(echo.reply(code, &[], 0)),
        };
        if echo.opcode() != 0 {
            return Err(refuse(&echo, Code::NotImp, None));
        }
        if message.len() > MAX_QUERY
            || (questions, answers, authorities) != (1, 0, 0)
            || additional > 1
        {
            return Err(refuse(&echo, Code::FormErr, None));
        }
        let Some(question) = reader.question() else {
            return Err(refuse(&echo, Code::FormErr, None));
        };
        let record = Record::from(question.kind);
        let asked = Some((&question, record));
        echo.question = question.bytes.to_vec();
        if additional == 1 {
            match reader.opt() {
                Some(version) => {
                    echo.edns = true;
                    if version != 0 {
                        return Err(refuse(&echo, Code::BadVers, asked));
                    }
                }
                None => return Err(refuse(&echo, Code::FormErr, asked)),
            }
        }
        if !reader.0.is_empty() {
            return Err(refuse(&echo, Code::FormErr, asked));
        }
        if question.class != CLASS_IN {
            return Err(refuse(&echo, Code::Refused, asked));
        }
        // A name of other bytes (a dot or NUL inside a label) has no host, and is not looked for.
        match question.name() {
            Some(name) => Ok(Query {
                id,
                name,
                record,
                echo,
            }),
            None => Err(refuse(&echo, Code::NxDomain, asked)),
        }
    }
}

/// A question, as it stands in the message.
struct Question<'a> {
    bytes: &'a [u8],
    labels: Vec<&'a [u8]>,
    kind: u16,
    class: u16,
}

impl Question<'_> {
    fn name(&self) -> Option<HostName> {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let labels: Vec<&str> = self
            .labels
            .iter()
            .map(|label| {
                label
                    .iter()
                    .all(plain)
                    .then(|| str::from_utf8(label).ok())?
            })
            .collect::<Option<_>>()?;
        HostName::parse(&labels.join(".")).ok()
    }

    /// As zone files write it: `\.` for a dot within a label, `\DDD` for what is not printed
    /// (RFC 1035, section 5.1).
    fn escaped(&self) -> String {
        let mut text = String::new();
        for label in &self.labels {
            for byte in *label {
                match byte {
                    b'.' | b'\\' => text.extend(['\\', char::from(*byte)]),
                    b'!'..=b'~' => text.push(char::from(*byte)),
                    _ => text.push_str(&format!("\\{byte:03}")),
                }
            }
            text.push('.');
        }
        match text.len() {
            0 => ".".to_owned(),
            _ => text,
        }
    }
}

/// What is left of a message.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    /// A question. A pointer has nothing to point at that comes before the first name.
    fn question(&mut self) -> Option<Question<'a>> {
        let whole = self.0;
        let mut labels = Vec::new();
        loop {
            match self.u8()? {
                0 => break,
                length if length <= MAX_LABEL => labels.push(self.take(length.into())?),
                _ => return None,
            }
            if whole.len() - self.0.len() >= MAX_NAME {
                return None;
            }
        }
        let (kind, class) = (self.u16()?, self.u16()?);
        let bytes = &whole[..whole.len() - self.0.len()];
        Some(Question {
            bytes,
            labels,
            kind,
            class,
        })
    }

    /// The EDNS version of an OPT record (RFC 6891, section 6.1). Its options are left aside.
    fn opt(&mut self) -> Option<u8> {
        if self.u8()? != 0 || self.u16()? != TYPE_OPT {
            return None;
        }
        let _size = self.u16()?;
        let _extended_code = self.u8()?;
        let version = self.u8()?;
        let _flags = self.u16()?;
        let length = self.u16()?;
        let mut options = Reader(self.take(length.into())?);
        while !options.0.is_empty() {
            let _code = options.u16()?;
            let length = options.u16()?;
            options.take(length.into())?;
        }
        Some(version)
    }
}
