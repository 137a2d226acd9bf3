//! What a process leaves is removed by one that outlives it, and nothing else is.

use cofferdam_spawn::{SpawnError, remove_after_this_process};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, Once};
use std::time::{Duration, Instant};

/// The variable that makes a host of the test of that name.
const GROUND: &str = "TEST_GROUND";
const HOST: &str = "what_a_killed_process_made_is_removed_and_the_rest_stays";
const PREFIX: &str = "gone-7-";
const DEEP: usize = 5_000;
const MANY: usize = 2_000;
/// How long the removal may take on a busy machine; it takes about a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names with the prefix, one of each kind.
const DOOMED: [&str; 8] = [
    "gone-7-deep",
    "gone-7-many",
    "gone-7-closed",
    "gone-7-links",
    "gone-7-link",
    "gone-7-fifo",
    "gone-7-file",
    "gone-7-",
];
/// Names without it.
const KEPT: [&str; 5] = [
    "gone-7",
    "gone-77-dir",
    "kept-gone-7-",
    ".gone-7-dir",
    "gone_7-",
];

/// Directories in which a host works, gone after the test whatever is left in them.
struct Ground {
    directory: tempfile::TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Ground {
    /// Makes this process the one that orphans go to (prctl(2)): a watcher is nobody's child, and is
    /// found and reaped like that. One test at a time, so that it is this test's.
    fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        static SUBREAPER: Once = Once::new();
        let alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
        SUBREAPER.call_once(|| {
            // SAFETY: PR_SET_CHILD_SUBREAPER touches no memory.
            let set = unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
            assert_eq!(set, 0, "prctl");
        });
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["store", "outside"] {
            fs::create_dir(directory.path().join(name)).expect("made");
        }
        fs::write(directory.path().join("outside/precious"), "precious").expect("written");
        fs::create_dir(directory.path().join("outside/gone-7-dir")).expect("made");
        let mode = PermissionsExt::from_mode(0o750);
        fs::set_permissions(directory.path().join("outside"), mode).expect("a mode");
        Self {
            directory,
            _alone: alone,
        }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// Everything in the store, sorted.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.store()).expect("listed");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// Waits until nothing with the prefix is there; what does not begin with it has to stay.
    fn cleaned(&self) {
        let since = Instant::now();
        while self.names().iter().any(|name| name.starts_with(PREFIX)) {
            assert!(since.elapsed() < PATIENCE, "left: {:?}", self.names());
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(self.names(), sorted(&KEPT));
        for name in KEPT {
            let inner = self.store().join(name).join("gone-7-inner");
            assert_eq!(fs::read_to_string(inner).expect("it stays"), "kept");
        }
    }

    /// What links lead to is as it was.
    fn outside_is_whole(&self) {
        let outside = self.path().join("outside");
        let text = fs::read_to_string(outside.join("precious"));
        assert_eq!(text.expect("it stays"), "precious");
        assert!(outside.join("gone-7-dir").exists());
        let mode = fs::metadata(&outside).expect("it stays").permissions();
        assert_eq!(mode.mode() & 0o7777, 0o750);
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // A test that failed leaves what only rm(1) can remove.
        for (program, arguments) in [("chmod", ["-R", "u+rwX"]), ("rm", ["-r", "-f"])] {
            let mut command = Command::new(program);
            command.args(arguments).arg(self.path());
            let _ = command.stderr(Stdio::null()).status();
        }
    }
}

fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

/// A host: this program again, in which only [`host`] runs.
struct Host {
    child: Child,
    /// Kept open: a host that cannot print does not end well.
    _output: BufReader<ChildStdout>,
    watchers: Vec<i32>,
}

impl Host {
    /// Starts one and waits until it has made what is to be removed.
    fn start(ground: &Ground, how: &str) -> Self {
        let before = children();
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", HOST, "--nocapture"])
            .env(GROUND, ground.path())
            .env("TEST_HOW", how)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a host");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let ready = output
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .any(|line| line == "ready");
        let own = child.id() as i32;
        let watchers = children()
            .into_iter()
            .filter(|pid| *pid != own && !before.contains(pid));
        let host = Self {
            watchers: watchers.collect(),
            child,
            _output: output,
        };
        assert!(ready, "the host failed");
        host
    }

    fn kill(&mut self) {
        self.child.kill().expect("SIGKILL");
        self.child.wait().expect("reaped");
    }

    /// Lets it come to its end.
    fn end(&mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("reaped").success());
    }

    /// Waits until the one watcher has ended by itself.
    fn watched(mut self) {
        assert_eq!(self.watchers.len(), 1, "{:?}", self.watchers);
        let since = Instant::now();
        let mut status = -1;
        // SAFETY: waitpid(2) writes the status.
        while unsafe { libc::waitpid(self.watchers[0], &raw mut status, libc::WNOHANG) } == 0 {
            assert!(since.elapsed() < PATIENCE, "the watcher lives");
            std::thread::sleep(Duration::from_millis(20));
        }
        self.watchers.clear();
        assert_eq!(status, 0, "how the watcher ended");
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in &self.watchers {
            // SAFETY: kill(2) and waitpid(2) with a null pointer touch no memory; a child that has not
            // been reaped keeps its number.
            unsafe {
                libc::kill(*pid, libc::SIGKILL);
                libc::waitpid(*pid, std::ptr::null_mut(), 0);
            }
        }
    }
}

/// The children of all threads of this process.
fn children() -> Vec<i32> {
    let threads = fs::read_dir("/proc/self/task").expect("threads");
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let lists: Vec<_> = lists.collect();
    let pids = lists.iter().flat_map(|list| list.split_whitespace());
    pids.map(|pid| pid.parse().expect("a number")).collect()
}

/// What the first of the tests is in a process of its own.
fn host() {
    let ground: PathBuf = std::env::var_os(GROUND).expect("a ground").into();
    let how = std::env::var("TEST_HOW").expect("how");
    std::env::set_current_dir(&ground).expect("entered");
    match how.as_str() {
        "unwatched" => {}
        // Two registrations of the same.
        "twice" => (0..2).for_each(|_| {
            remove_after_this_process(&ground.join("store"), PREFIX).expect("watched");
        }),
        "link" => {
            symlink("store", "link").expect("a link");
            // Relative, by a link, and neither is there any more when it counts.
            remove_after_this_process(Path::new("link"), PREFIX).expect("watched");
            fs::remove_file("link").expect("removed");
        }
        _ => remove_after_this_process(&ground.join("store"), PREFIX).expect("watched"),
    }
    std::env::set_current_dir("store").expect("entered");
    for name in KEPT {
        fs::create_dir(name).expect("made");
        fs::write(Path::new(name).join("gone-7-inner"), "kept").expect("written");
    }
    match how.as_str() {
        "watched" | "unwatched" => make(&ground.join("outside")),
        _ => fs::create_dir_all(Path::new(DOOMED[0]).join("some/thing")).expect("made"),
    }
    println!("\nready");
    let _ = std::io::stdout().flush();
    // Until the test closes it or kills this process.
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// Makes every kind of thing under the prefix, in the working directory.
fn make(outside: &Path) {
    let here = std::env::current_dir().expect("a directory");
    fs::create_dir(DOOMED[0]).expect("made");
    std::env::set_current_dir(DOOMED[0]).expect("entered");
    // The names that what lies too deep is moved to.
    for number in [1, 2, 5] {
        fs::create_dir(format!("cofferdam-{number:020}")).expect("made");
    }
    for level in 0..DEEP {
        if level % 40 == 0 {
            fs::write("file", "deep").expect("written");
            fs::create_dir_all("side/way").expect("made");
        }
        fs::create_dir("d").expect("made");
        std::env::set_current_dir("d").expect("entered");
    }
    std::env::set_current_dir(&here).expect("entered");
    fs::create_dir(DOOMED[1]).expect("made");
    for number in 0..MANY {
        fs::write(format!("{}/{number}", DOOMED[1]), "").expect("written");
    }
    fs::create_dir_all(format!("{}/a/b/c", DOOMED[2])).expect("made");
    fs::write(format!("{}/a/b/file", DOOMED[2]), "").expect("written");
    let closed = [
        ("/a/b/c", 0),
        ("/a/b/file", 0),
        ("/a/b", 0),
        ("/a", 0o500),
        ("", 0),
    ];
    for (name, mode) in closed {
        let mode = PermissionsExt::from_mode(mode);
        fs::set_permissions(format!("{}{name}", DOOMED[2]), mode).expect("a mode");
    }
    fs::DirBuilder::new()
        .mode(0o2777)
        .create(DOOMED[3])
        .expect("made");
    for (name, text) in [
        ("absolute", outside),
        ("relative", Path::new("../../outside")),
    ] {
        symlink(text, Path::new(DOOMED[3]).join(name)).expect("a link");
    }
    symlink(outside, DOOMED[4]).expect("a link");
    let fifo = Command::new("mkfifo").arg(DOOMED[5]).status();
    assert!(fifo.expect("mkfifo is there").success());
    fs::write(DOOMED[6], "a file").expect("written");
    fs::create_dir(DOOMED[7]).expect("made");
}

#[test]
fn what_a_killed_process_made_is_removed_and_the_rest_stays() {
    if std::env::var_os(GROUND).is_some() {
        return host();
    }
    let ground = Ground::new();
    let mut host = Host::start(&ground, "watched");
    std::thread::sleep(Duration::from_millis(300));
    let all = [&DOOMED[..], &KEPT[..]].concat();
    assert_eq!(ground.names(), sorted(&all), "removed while the host lives");
    host.kill();
    ground.cleaned();
    ground.outside_is_whole();
    host.watched();
}

#[test]
fn a_process_that_ends_by_itself_is_cleaned_after_too() {
    let ground = Ground::new();
    let mut host = Host::start(&ground, "watched");
    host.end();
    ground.cleaned();
    ground.outside_is_whole();
    host.watched();
}

#[test]
fn without_a_watcher_everything_stays() {
    let ground = Ground::new();
    let mut host = Host::start(&ground, "unwatched");
    assert_eq!(host.watchers, [0; 0]);
    host.kill();
    std::thread::sleep(Duration::from_millis(1_000));
    let all = [&DOOMED[..], &KEPT[..]].concat();
    assert_eq!(ground.names(), sorted(&all));
}

#[test]
fn two_registrations_are_one_watcher() {
    let ground = Ground::new();
    let mut host = Host::start(&ground, "twice");
    host.kill();
    ground.cleaned();
    host.watched();
}

#[test]
fn a_relative_path_and_a_link_are_followed_when_it_is_registered() {
    let ground = Ground::new();
    let mut host = Host::start(&ground, "link");
    host.kill();
    ground.cleaned();
    host.watched();
}

#[test]
fn a_killed_watcher_is_the_host_s_loss_alone() {
    let ground = Ground::new();
    let mut host = Host::start(&ground, "little");
    // SAFETY: kill(2) touches no memory; a child that has not been reaped keeps its number.
    assert_eq!(unsafe { libc::kill(host.watchers[0], libc::SIGKILL) }, 0);
    host.end();
    assert!(ground.names().iter().any(|name| name == DOOMED[0]));
}

#[test]
fn what_would_take_more_than_its_own_is_refused() {
    let ground = Ground::new();
    let before = children();
    for prefix in ["", ".", "..", ".x", "a/b", "/", "a\0b"] {
        let error = remove_after_this_process(&ground.store(), prefix).expect_err(prefix);
        assert!(matches!(error, SpawnError::Prefix { .. }), "{error:?}");
        assert!(error.to_string().contains("not empty"), "{error}");
    }
    for path in ["missing", "outside/precious", "nul\0"] {
        let path = ground.path().join(path);
        let error = remove_after_this_process(&path, PREFIX).expect_err("no directory");
        assert!(matches!(error, SpawnError::Watched { .. }), "{error:?}");
    }
    assert_eq!(children(), before);
}
