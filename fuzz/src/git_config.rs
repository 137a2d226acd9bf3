//! git's configuration files: what is read, written anew in full, reads as the same.

#[path = "../../crates/cofferdam/src/protect/config.rs"]
mod config;

use config::{Entry, MAX_CONFIG, last, parse};

/// One input: a file.
pub fn check(bytes: &[u8]) {
    assert!(bytes.len() as u64 <= MAX_CONFIG);
    let Some(entries) = parse(bytes) else { return };
    let written: Vec<u8> = entries.iter().flat_map(write).collect();
    let again = parse(&written);
    let before_header = entries.iter().any(|entry| entry.section.is_empty());
    // What stands before the first header has none to be written under.
    assert!(before_header || again.as_ref() == Some(&entries), "{again:#?}\n{entries:#?}");
    for entry in &entries {
        let small = |bytes: &[u8]| !bytes.iter().any(u8::is_ascii_uppercase);
        assert!(small(&entry.section) && small(&entry.key));
        assert!(entry.value.as_ref().is_none_or(|value| value.len() <= bytes.len()));
        if let (Ok(section), Ok(key)) = (str::from_utf8(&entry.section), str::from_utf8(&entry.key)) {
            assert!(entry.is(section, key));
            // The last one counts.
            let wanted = entries.iter().rfind(|other| {
                other.subsection.is_none() && other.section == entry.section && other.key == entry.key
            });
            assert_eq!(last(&entries, section, key), wanted);
        }
        if entry.is_true() {
            let value = entry.value.as_deref().unwrap_or(b"true").to_ascii_lowercase();
            assert!(![&b""[..], b"false", b"no", b"off", b"0"].contains(&&value[..]));
        }
    }
}

/// The entry under a header of its own, with every byte that may mean something escaped.
fn write(entry: &Entry) -> Vec<u8> {
    let mut text = b"[".to_vec();
    text.extend(&entry.section);
    if let Some(subsection) = &entry.subsection {
        text.extend(b" \"");
        for byte in subsection {
            text.extend([b'\\', *byte]);
        }
        text.push(b'"');
    }
    text.extend(b"]\n");
    text.extend(&entry.key);
    if let Some(value) = &entry.value {
        text.extend(b" = \"");
        for byte in value {
            match byte {
                b'\n' => text.extend(b"\\n"),
                b'"' | b'\\' => text.extend([b'\\', *byte]),
                // One before a line feed would be part of the line's end.
                byte => text.push(*byte),
            }
        }
        text.push(b'"');
    }
    text.push(b'\n');
    text
}
