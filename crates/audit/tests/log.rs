//! A log is continued, rotated, followed, and every change to it is found.

mod common;

use cofferdam_audit::event::Context;
use cofferdam_audit::log::{
    Breach, Filter, LogOptions, OpenError, Reader, SigningKey, Verifier, VerifyError, verify,
};
use cofferdam_audit::{Audit, Event, Record};
use common::{exec, note};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Writes a log of so many events.
fn write(path: &Path, events: u64, options: impl FnOnce(LogOptions) -> LogOptions) {
    let log = options(LogOptions::new(path)).open().unwrap();
    let audit = Audit::builder().sink(log).build();
    for number in 0..events {
        audit.record(Context::default(), exec(number)).unwrap();
    }
}

fn signed(options: LogOptions) -> LogOptions {
    options.key(SigningKey::generate().unwrap()).head_every(4)
}

fn broken(path: &Path) -> Option<(u64, Breach)> {
    match verify(path) {
        Ok(_) => None,
        Err(VerifyError::Broken(found)) => Some((found.line, found.breach)),
        Err(error) => panic!("{error}"),
    }
}

fn log() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    (directory, path)
}

#[test]
fn what_is_written_is_read_and_holds() {
    let (_directory, path) = log();
    write(&path, 10, signed);
    let records: Vec<Record> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    let execs = records
        .iter()
        .filter(|record| record.event.kind() == "exec");
    let read: Vec<Event> = execs.map(|record| record.event.clone()).collect();
    assert_eq!(read, (0..10).map(exec).collect::<Vec<_>>());
    let verified = verify(&path).unwrap();
    assert!(
        verified.closed && verified.files == 1 && verified.heads > 2,
        "{verified:?}"
    );
    assert_eq!(
        verified.signed(),
        verified.records,
        "the last record is a head"
    );
    assert_eq!(verified.records, records.len() as u64);
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&path).unwrap());
    assert_eq!(mode & 0o7777, 0o600);
}

#[test]
fn a_log_is_continued_and_a_torn_tail_is_cut() {
    let (_directory, path) = log();
    write(&path, 3, |options| options);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(b"{\"event\":{\"ty");
    fs::write(&path, bytes).unwrap();
    assert_eq!(broken(&path).unwrap().1, Breach::Torn { bytes: 13 });
    write(&path, 3, |options| options);
    let verified = verify(&path).unwrap();
    assert_eq!(
        (verified.opened, verified.cut, verified.signed()),
        (2, 13, 0)
    );
}

#[test]
fn time_and_ids_never_go_back() {
    let (_directory, path) = log();
    write(&path, 1, |options| options);
    let text = fs::read_to_string(&path).unwrap();
    let year = &Reader::open(&path).unwrap().next().unwrap().unwrap().time[..4];
    // A clock that was wrong when the log began: only the last line counts, as there is no chain before it.
    let last = text
        .lines()
        .last()
        .unwrap()
        .replace(&format!("\"{year}-"), "\"2222-");
    fs::write(&path, format!("{last}\n")).unwrap();
    let log = LogOptions::new(&path).open().unwrap();
    let audit = Audit::builder().sink(log).build();
    assert!(audit.next_id() > 2);
    audit.record(Context::default(), note("now")).unwrap();
    drop(audit);
    let times: Vec<String> = Reader::open(&path)
        .unwrap()
        .map(|record| record.unwrap().time)
        .collect();
    assert!(
        times.is_sorted() && times.iter().all(|time| time.starts_with("2222")),
        "{times:?}"
    );
}

#[test]
fn a_log_has_one_writer_and_is_a_file() {
    let (directory, path) = log();
    let first = LogOptions::new(&path).open().unwrap();
    assert!(matches!(
        LogOptions::new(&path).open(),
        Err(OpenError::InUse { .. })
    ));
    let handle = first.handle();
    drop(first);
    LogOptions::new(&path).open().unwrap();
    drop(handle);
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(
        LogOptions::new(&link).open(),
        Err(OpenError::NotAFile { .. })
    ));
    let pipe = directory.path().join("pipe");
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert!(matches!(
        LogOptions::new(&pipe).open(),
        Err(OpenError::NotAFile { .. })
    ));
    assert!(Reader::open(&pipe).is_err());
    assert!(LogOptions::new(directory.path()).open().is_err());
}

#[test]
fn a_log_goes_on_over_files() {
    let (directory, path) = log();
    write(&path, 40, |options| signed(options).rotate_size(2000));
    write(&path, 40, |options| signed(options).rotate_size(2000));
    let verified = verify(&path).unwrap();
    assert!(verified.files > 5 && verified.closed, "{verified:?}");
    let records: Vec<Record> = Reader::open(&path).unwrap().map(Result::unwrap).collect();
    assert!(
        records
            .iter()
            .zip(0..)
            .all(|(record, seq)| record.seq == seq)
    );
    assert_eq!(records.len() as u64, verified.records);
    let second = directory.path().join("log.2");
    let kept = fs::read(&second).unwrap();
    fs::remove_file(&second).unwrap();
    let error = verify(&path).unwrap_err().to_string();
    assert!(
        error.contains("log.2:1") && error.contains("missing"),
        "{error}"
    );
    fs::write(&second, kept).unwrap();
    let last = directory.path().join(format!("log.{}", verified.files - 1));
    fs::remove_file(&last).unwrap();
    assert_eq!(broken(&path).unwrap().1, Breach::MissingFile);
    assert!(matches!(
        LogOptions::new(&path).open(),
        Err(OpenError::Damaged { .. })
    ));
    // Killed after the file was made: nothing is missing.
    fs::write(&last, "").unwrap();
    verify(&path).unwrap();
    write(&path, 3, signed);
    assert!(verify(&path).unwrap().closed);
}

#[test]
fn a_log_is_rotated_by_age() {
    let (_directory, path) = log();
    write(&path, 5, |options| options.rotate_age(Duration::ZERO));
    assert_eq!(verify(&path).unwrap().files, 6);
}

#[test]
fn what_was_done_to_a_log_is_named() {
    let (_directory, path) = log();
    write(&path, 20, signed);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let put = |lines: &[&str]| {
        fs::write(&path, lines.join("\n") + "\n").unwrap();
        broken(&path)
    };
    assert_eq!(put(&lines), None);
    for at in [1, 5, 12] {
        let line = u64::try_from(at).unwrap() + 1;
        let mut removed = lines.clone();
        removed.remove(at);
        assert_eq!(put(&removed), Some((line, Breach::Removed { records: 1 })));
        let mut swapped = lines.clone();
        swapped.swap(at, at + 1);
        assert_eq!(put(&swapped), Some((line, Breach::Reordered)));
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        assert!(matches!(put(&twice), Some((_, Breach::Inserted))));
        let mut changed = lines.clone();
        let other = lines[at].replacen("\"time\":\"2", "\"time\":\"3", 1);
        changed[at] = &other;
        assert_eq!(put(&changed).unwrap().0, line);
        let mut junk = lines.clone();
        junk[at] = "{}";
        assert_eq!(put(&junk), Some((line, Breach::Changed)));
        let mut put_in = lines.clone();
        put_in.insert(at, "{}");
        assert_eq!(put(&put_in), Some((line, Breach::Inserted)));
        let mut spaced = lines.clone();
        let space = lines[at].replacen(':', ": ", 1);
        spaced[at] = &space;
        assert_eq!(put(&spaced), Some((line, Breach::NotCanonical)));
    }
}

#[test]
fn a_cut_or_a_rewritten_log_is_known_by_its_head_and_key() {
    let (_directory, path) = log();
    let key = SigningKey::generate().unwrap();
    let public = key.public();
    let log = LogOptions::new(&path).key(key).open().unwrap();
    let handle = log.handle();
    let audit = Audit::builder().sink(log).build();
    audit.record(Context::default(), exec(1)).unwrap();
    handle.head().unwrap();
    let whole = fs::read(&path).unwrap();
    audit.record(Context::default(), exec(2)).unwrap();
    drop(audit);
    let head = handle.last_head().unwrap();
    Verifier::new(&path)
        .key(public)
        .known(head.clone())
        .run()
        .unwrap();
    let breach = |verifier: Verifier| match verifier.run() {
        Err(VerifyError::Broken(found)) => found.breach,
        other => panic!("{other:?}"),
    };
    fs::write(&path, whole).unwrap();
    verify(&path).unwrap();
    assert_eq!(
        breach(Verifier::new(&path).known(head.clone())),
        Breach::Truncated
    );
    fs::remove_file(&path).unwrap();
    write(&path, 9, signed);
    verify(&path).unwrap();
    assert!(matches!(
        breach(Verifier::new(&path).key(public)),
        Breach::WrongKey { .. }
    ));
    assert_eq!(
        breach(Verifier::new(&path).known(head)),
        Breach::OtherHistory
    );
}

#[test]
fn keys_are_kept_in_files_of_their_own() {
    let (directory, _) = log();
    let path = directory.path().join("key");
    let key = SigningKey::load_or_generate(&path).unwrap();
    assert_eq!(
        SigningKey::load_or_generate(&path).unwrap().public(),
        key.public()
    );
    assert!(key.save(&path).is_err(), "a key is not written over");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&path, mode).unwrap();
    assert!(
        SigningKey::load(&path)
            .unwrap_err()
            .to_string()
            .contains("0600")
    );
}

#[test]
fn a_full_disk_leaves_no_part_of_a_line() {
    // The limit of a file's size is the same to a writer; in a process of its own, as it is for all threads.
    let (_directory, path) = log();
    let status = common::child(&path, "full");
    assert!(status.success(), "{status}");
    let verified = verify(&path).unwrap();
    assert!(verified.closed && verified.records > 3, "{verified:?}");
}

#[test]
fn a_killed_writer_loses_nothing_that_was_taken() {
    let (directory, path) = log();
    let told = directory.path().join("told");
    for round in 0..12 {
        let mut child = common::spawn(&path, "forever");
        std::thread::sleep(Duration::from_millis(20 + 13 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = fs::read(&told).map_or(0, |bytes| bytes.len());
        let notes = Reader::open(&path).unwrap().filter(|record| {
            record
                .as_ref()
                .is_ok_and(|record| record.event.kind() == "note")
        });
        assert!(notes.count() >= acknowledged, "{acknowledged} were taken");
    }
    write(&path, 1, signed);
    let verified = verify(&path).unwrap();
    assert!(verified.files > 1 && verified.opened > 12, "{verified:?}");
}

#[test]
fn a_log_is_followed_over_files() {
    let (_directory, path) = log();
    write(&path, 0, |options| options);
    let filter = Filter::new().kind("exec");
    let mut follow = Reader::open(&path).unwrap().matching(filter).follow();
    assert!(follow.next_within(Duration::ZERO).unwrap().is_none());
    let stop = follow.stop();
    let writer = {
        let path = path.clone();
        std::thread::spawn(move || {
            write(&path, 60, |options| options.rotate_size(3000));
        })
    };
    for number in 0..60 {
        let record = follow
            .next_within(Duration::from_secs(10))
            .unwrap()
            .unwrap();
        assert_eq!(record.event, exec(number));
    }
    writer.join().unwrap();
    stop.stop();
    assert!(follow.next().is_none());
}

#[test]
fn filters() {
    let (_directory, path) = log();
    let log = LogOptions::new(&path).open().unwrap();
    let audit = Audit::builder().sink(log).build();
    let call = audit
        .tool_call("bash")
        .parameters("LS")
        .session(7)
        .start()
        .unwrap();
    audit.record(call.context(), note("Within \u{dc}")).unwrap();
    audit.record(Context::default(), common::denied()).unwrap();
    let span = call.context().span.unwrap();
    call.fail("no").unwrap();
    drop(audit);
    let count = |filter| Reader::open(&path).unwrap().matching(filter).count();
    assert_eq!(count(Filter::new()), 6);
    assert_eq!(count(Filter::new().span(span)), 3);
    assert_eq!(count(Filter::new().session(7)), 3);
    assert_eq!(count(Filter::new().denied()), 1);
    assert_eq!(count(Filter::new().text("within \u{fc}")), 1);
    assert_eq!(count(Filter::new().text("ls")), 1);
    assert_eq!(count(Filter::new().kind("note").kind("log_opened")), 2);
    assert_eq!(count(Filter::new().until(SystemTime::UNIX_EPOCH)), 0);
    assert_eq!(count(Filter::new().since(SystemTime::UNIX_EPOCH)), 6);
}

#[test]
fn those_who_make_a_key_at_one_time_have_the_same() {
    let directory = tempfile::tempdir().expect("a directory");
    for round in 0..20 {
        let path = directory.path().join(format!("key-{round}"));
        let start = std::sync::Barrier::new(8);
        let keys: Vec<_> = std::thread::scope(|scope| {
            let one = || {
                start.wait();
                SigningKey::load_or_generate(&path).expect("a key").public()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("a key"))
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
    // Nothing but the keys is left.
    let left = std::fs::read_dir(directory.path())
        .expect("entries")
        .count();
    assert_eq!(left, 20);
}
