//! Any change to a signed and closed log is found, and events come back as they were.

use cofferdam_audit::event::Context;
use cofferdam_audit::log::{LogOptions, Reader, Records, SigningKey, verify};
use cofferdam_audit::{Audit, Denial, Event};
use proptest::prelude::*;
use std::sync::OnceLock;

fn event() -> impl Strategy<Value = Event> {
    let text = || any::<String>();
    let texts = || prop::collection::vec(any::<String>(), 0..4);
    prop_oneof![
        (any::<u32>(), text(), texts(), any::<bool>()).prop_map(|(pid, path, argv, truncated)| {
            Event::Exec {
                pid,
                parent: 0,
                path,
                argv,
                truncated,
            }
        }),
        (text(), texts(), texts()).prop_map(|(cwd, argv, variables)| Event::CommandStarted {
            argv,
            cwd,
            variables
        }),
        (text(), text(), 1..1_u64 << 53).prop_map(|(path, reason, times)| Event::FileDenied {
            pid: 0,
            path,
            times,
            denial: Denial::certain("landlock", "read it", reason),
        }),
        prop::collection::btree_map(text(), text(), 0..4).prop_map(|attributes| Event::Note {
            name: "n".to_owned(),
            attributes
        }),
        (text(), text(), any::<i64>()).prop_map(|(a, b, n)| Event::ToolCallStarted {
            tool: a.clone(),
            parameters: serde_json::json!({a: [b, n % (1 << 53), null, true]}),
            reason: String::new(),
            model: String::new(),
            call: String::new(),
            parent: None,
        }),
    ]
}

/// A signed and closed log.
fn sample() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let key = SigningKey::generate().unwrap();
        let log = LogOptions::new(&path)
            .key(key)
            .head_every(5)
            .open()
            .unwrap();
        let audit = Audit::builder().sink(log).build();
        for number in 0..12 {
            let event = Event::Suppressed {
                kind: format!("k\u{e9}{number}"),
                count: number,
            };
            audit.record(Context::default(), event).unwrap();
        }
        drop(audit);
        std::fs::read(&path).unwrap()
    })
}

fn holds(bytes: &[u8]) -> bool {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    std::fs::write(&path, bytes).unwrap();
    verify(&path).is_ok()
}

#[test]
fn the_sample_holds() {
    assert!(holds(sample()));
}

proptest! {
    #[test]
    fn events_come_back(events in prop::collection::vec(event(), 1..20)) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let audit = Audit::builder().sink(LogOptions::new(&path).open().unwrap()).build();
        for event in &events {
            audit.record(Context::default(), event.clone()).unwrap();
        }
        drop(audit);
        verify(&path).unwrap();
        let mut read: Vec<Event> = Reader::open(&path).unwrap().map(|record| record.unwrap().event).collect();
        read.remove(0);
        read.pop();
        prop_assert_eq!(read, events);
    }

    #[test]
    fn any_byte_changed_removed_or_put_in_is_found(at in any::<prop::sample::Index>(), byte in any::<u8>(), how in 0..3) {
        let mut bytes = sample().to_vec();
        let at = at.index(bytes.len());
        match how {
            0 if bytes[at] == byte => return Ok(()),
            0 => bytes[at] = byte,
            1 => { bytes.remove(at); }
            _ => bytes.insert(at, byte),
        }
        prop_assume!(bytes != sample());
        prop_assert!(!holds(&bytes));
    }

    #[test]
    fn two_lines_swapped_or_one_removed_are_found(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(), remove in any::<bool>()) {
        let mut lines: Vec<&[u8]> = sample().split_inclusive(|byte| *byte == b'\n').collect();
        let (a, b) = (a.index(lines.len()), b.index(lines.len()));
        if remove {
            // Without the last line it is a log whose writer was killed: only a known head shows that.
            prop_assume!(a + 1 < lines.len());
            lines.remove(a);
        } else {
            prop_assume!(a != b);
            lines.swap(a, b);
        }
        prop_assert!(!holds(&lines.concat()));
    }

    #[test]
    fn hostile_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Records::new(bytes.as_slice()).count();
        let _ = holds(&bytes);
    }
}
