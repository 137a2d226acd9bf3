//! One program, run in the default sandbox and held to what its row says.

use crate::table::Row;
use cofferdam::policy::Policy;
use cofferdam::{Output, Sandbox};
use std::env;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Far above what any of them takes.
const PATIENCE: Duration = Duration::from_secs(180);

/// A program and what is expected of it.
pub struct Attempt<'a> {
    /// The test, as the table names it.
    pub test: &'static str,
    /// The programs it needs, by name or path.
    pub needs: &'a [&'a str],
    /// For the shell inside, in an empty workspace.
    pub script: &'a str,
    /// What it then writes to standard output.
    pub prints: &'a str,
    /// What is read in its output where it is refused: without the row's policy, or where the row says
    /// that it does not work. Empty where neither is so.
    pub refused: &'a str,
}

impl Attempt<'_> {
    /// Runs it in an empty workspace.
    pub fn check(&self) {
        self.check_in(|_| {});
    }

    /// Runs it in a workspace that is prepared on the host. What lies beside it is removed as well.
    pub fn check_in(&self, prepare: impl Fn(&Path)) {
        if !all_here(self.needs) {
            return;
        }
        let row = Row::of(self.test);
        let works = if is_root() { row.root } else { row.user };
        assert_eq!(
            self.refused.is_empty(),
            works && row.policy.is_empty(),
            "a refusal is expected where the row has a policy, or says no"
        );
        let run = |policy: &str| self.run(policy, &prepare);
        if works {
            let (did, said) = run(&row.policy);
            assert!(did, "{}: {said}", self.test);
        }
        if !self.refused.is_empty() {
            let (did, said) = run(if works { "" } else { &row.policy });
            assert!(!did, "{} needs no policy: {said}", self.test);
            assert!(said.contains(self.refused), "{}: {said}", self.test);
        }
    }

    /// Whether it did what is expected, and all that is known of it.
    fn run(&self, policy: &str, prepare: impl Fn(&Path)) -> (bool, String) {
        let held = tempfile::tempdir().expect("a directory");
        let workspace = held
            .path()
            .canonicalize()
            .expect("a path")
            .join("workspace");
        std::fs::create_dir(&workspace).expect("a directory");
        prepare(&workspace);
        let output = sandbox(policy, &workspace)
            .command("sh")
            .args(["-ec", self.script])
            .timeout(PATIENCE)
            .output()
            .unwrap_or_else(|error| panic!("{error}"));
        let printed = String::from_utf8_lossy(&output.stdout);
        let did = output.status.success() && printed.trim_end() == self.prints;
        (did, told(&output))
    }
}

/// The default sandbox with a workspace and what a row of the table adds.
pub fn sandbox(policy: &str, workspace: &Path) -> Sandbox {
    let policy = Policy::from_toml(policy).unwrap_or_else(|error| panic!("{error}"));
    let builder = Sandbox::builder().policy(policy).workspace(workspace);
    builder.build().unwrap_or_else(|error| panic!("{error}"))
}

/// Whether these programs are on this machine, outside of a home; what is lacking is named, and a
/// failure with `COFFERDAM_EXPECT=full`.
pub fn all_here(programs: &[&str]) -> bool {
    let home = home();
    let lacking: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| !find(program).iter().any(|path| !path.starts_with(&home)))
        .collect();
    if !lacking.is_empty() {
        lacks(&lacking.join(", "));
    }
    lacking.is_empty()
}

/// Says what this machine lacks. With `COFFERDAM_EXPECT=full` that is a failure.
pub fn lacks(what: &str) {
    println!("this machine lacks: {what}");
    let full = env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    assert!(
        !full,
        "COFFERDAM_EXPECT=full, and this machine lacks: {what}"
    );
}

/// Where a program is, everywhere that `PATH` leads.
pub fn find(program: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join(program))
        .filter(|file| {
            let data = file.metadata();
            data.is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
        })
        .collect()
}

/// The home, which is empty in the default sandbox.
pub fn home() -> PathBuf {
    PathBuf::from(env::var_os("HOME").unwrap_or_else(|| "/nowhere".into()))
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    let data = std::fs::metadata("/proc/self").expect("/proc/self");
    data.uid() == 0
}

/// How it ended, what it wrote and what it was refused.
fn told(output: &Output) -> String {
    let mut text = format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    for denial in &output.denials {
        text += &format!("denied: {} {}\n", denial.layer, denial.what);
    }
    for name in output.status.taken_away() {
        text += &format!("taken away: {name:?}\n");
    }
    text
}
