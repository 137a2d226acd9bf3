//! What is kept about a snapshot: a few lines of text beside its layers.

use super::Saved;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const NAME: &str = "snapshot";
const HEAD: &str = "cofferdam snapshot 1";

/// Far more than any snapshot has.
const LIMIT: u64 = 1 << 20;

/// What the lines say.
pub(super) struct Parsed {
    pub since: SystemTime,
    pub parent: Option<String>,
    pub overlays: Vec<Saved>,
}

/// The lines of a snapshot.
pub(super) fn write(since: SystemTime, parent: Option<&str>, overlays: &[Saved]) -> String {
    let since = since
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let mut text = format!(
        "{HEAD}\nsince {} {}\n",
        since.as_secs(),
        since.subsec_nanos()
    );
    if let Some(parent) = parent {
        let _ = writeln!(text, "parent {parent}");
    }
    for saved in overlays {
        let (target, source) = (encode(&saved.target), encode(&saved.source));
        let _ = writeln!(text, "overlay {} {target} {source}", saved.number);
    }
    text
}

/// Reads the lines; what is wrong with them, in words.
pub(super) fn parse(text: &str) -> Result<Parsed, &'static str> {
    let mut lines = text.lines();
    if lines.next() != Some(HEAD) {
        return Err("it is of another version");
    }
    let mut parsed = Parsed {
        since: SystemTime::UNIX_EPOCH,
        parent: None,
        overlays: Vec::new(),
    };
    for line in lines {
        let mut words = line.split(' ');
        let mut word = || words.next().ok_or("a line is cut off");
        match word()? {
            "since" => {
                let seconds = word()?.parse().map_err(|_| "its time is no number")?;
                let nanos = word()?.parse().map_err(|_| "its time is no number")?;
                let since = Duration::new(seconds, nanos);
                let since = SystemTime::UNIX_EPOCH.checked_add(since);
                parsed.since = since.ok_or("its time is out of range")?;
            }
            "parent" => parsed.parent = Some(word()?.to_owned()),
            "overlay" => {
                let number = word()?.parse().map_err(|_| "a layer has no number")?;
                let (target, source) = (decode(word()?)?, decode(word()?)?);
                parsed.overlays.push(Saved {
                    number,
                    target,
                    source,
                });
            }
            _ => return Err("it has a line that this version does not know"),
        }
    }
    Ok(parsed)
}

pub(super) fn read(snapshot: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(snapshot.join(NAME))?;
    file.take(LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

pub(super) fn create(snapshot: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(snapshot.join(NAME))?;
    file.write_all(text.as_bytes())
}

/// Bytes that are no letter, digit, or one of `/._-` as `%` and two hexadecimal digits.
fn encode(path: &Path) -> String {
    let mut text = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            text.push(byte.into());
        } else {
            let _ = write!(text, "%{byte:02x}");
        }
    }
    text
}

fn decode(text: &str) -> Result<PathBuf, &'static str> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| (byte? as char).to_digit(16);
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return Err("a path is not spelled as it should be");
        };
        bytes.push((high * 16 + low) as u8);
    }
    let path = PathBuf::from(OsString::from_vec(bytes));
    if path.is_absolute() {
        Ok(path)
    } else {
        Err("a path is not absolute")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn what_is_written_is_read() {
        let since = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 17);
        let odd = Path::new(OsStr::from_bytes(b"/a b\n%/\xff\xc3\xa4")).to_owned();
        let saved = Saved {
            number: 3,
            target: odd.clone(),
            source: odd,
        };
        let text = write(since, Some("base"), std::slice::from_ref(&saved));
        let parsed = parse(&text).expect("well formed");
        assert_eq!(parsed.since, since);
        assert_eq!(parsed.parent.as_deref(), Some("base"));
        assert_eq!(parsed.overlays, [saved]);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "cofferdam snapshot 2\n",
            "cofferdam snapshot 1\nsince x 0\n",
            "cofferdam snapshot 1\nsince 1\n",
            "cofferdam snapshot 1\noverlay 0 relative /b\n",
            "cofferdam snapshot 1\noverlay 0 /a%2 /b\n",
            "cofferdam snapshot 1\noverlay 0 /a\n",
            "cofferdam snapshot 1\nnews\n",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
