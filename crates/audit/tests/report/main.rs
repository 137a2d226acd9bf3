//! Reports opened in a browser. With `COFFERDAM_REPORT_DIR` set to a directory, pages and pictures of them are left
//! there to be looked at.

mod browser;
mod in_time;
mod pictures;
mod script;
mod session;
mod use_it;
mod withstands;

use browser::Browser;
use cofferdam_audit::Record;
use cofferdam_audit::report::{self, Options, Verification};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// A report in a file that is removed with it.
struct Page {
    directory: tempfile::TempDir,
}

impl Page {
    fn new(records: impl IntoIterator<Item = Record>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let page = Self { directory };
        let file = File::create(page.path()).expect("a file");
        let key = "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29".to_owned();
        let options = Options::default().verification(Verification::Signed { key });
        report::write(records, &options, BufWriter::new(file)).expect("a report");
        page
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("report.html")
    }
}

/// Where things are left to be looked at.
fn kept() -> Option<PathBuf> {
    let directory = std::env::var_os("COFFERDAM_REPORT_DIR")?;
    std::fs::create_dir_all(&directory).expect("a directory to keep pages in");
    Some(Path::new(&directory).to_owned())
}

/// Sets the form as a person would, and waits until the page has followed.
fn filter(browser: &mut Browser, words: &str, kind: &str, denied: bool) {
    browser.value(&format!(
        "document.getElementById('found').textContent = 'wait'; \
         document.getElementById('words').value = {words:?}; document.getElementById('kind').value = {kind:?}; \
         document.getElementById('denied').checked = {denied}; \
         document.getElementById('filter').dispatchEvent(new Event('input'))"
    ));
    browser.until("document.getElementById('found').textContent !== 'wait'");
}
