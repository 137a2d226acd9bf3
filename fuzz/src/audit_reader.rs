//! A log that somebody else wrote: reading it and verifying it never panics, and what is read can be written.

use cofferdam_audit::log::{Filter, Reader, Records, verify};
use std::cell::OnceCell;

thread_local! {
    static FILE: OnceCell<std::path::PathBuf> = const { OnceCell::new() };
}

/// One input.
pub fn check(bytes: &[u8]) {
    let filter = Filter::new().text("a").kind("exec");
    for record in Records::new(bytes).flatten() {
        let _ = filter.matches(&record);
        let text = serde_json::to_string(&record).expect("what was read can be written");
        // Numbers that are no integers can have several spellings, and so can what is not known.
        let _: cofferdam_audit::Record = serde_json::from_str(&text).expect("and read again");
    }
    FILE.with(|file| {
        let path = file.get_or_init(|| {
            std::env::temp_dir().join(format!("audit-reader-{}", std::process::id()))
        });
        std::fs::write(path, bytes).expect("a file");
        if let Ok(verified) = verify(path) {
            let read = Reader::open(path).expect("a log").flatten().count();
            assert_eq!(read as u64, verified.records);
        }
        std::fs::remove_file(path).expect("the file");
    });
}
