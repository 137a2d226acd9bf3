//! Who is measured: each peer is a file.

pub mod bubblewrap;
mod cofferdam;
mod crun;
mod firejail;
mod hakoniwa;
mod mechanism;
mod sandlock;
mod std_command;
mod vfork;

use crate::setting::{Program, Setting, Until};
use crate::view::View;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One way to start the program, waiting until something.
pub trait Peer: Send + Sync {
    /// Its name in tables.
    fn name(&self) -> &'static str;

    /// Starts the program and gives the time it took, or says why that failed.
    fn run(&self, until: Until) -> Result<Duration, String>;

    /// Not timed: what makes it ready before, and quiet after.
    fn settle(&self) {}

    /// Whether many threads may use it at once and that says something.
    fn is_for_threads(&self) -> bool {
        true
    }
}

/// A peer under its key, or why it is left out.
pub struct Entry {
    pub key: &'static str,
    pub peer: Result<Box<dyn Peer>, String>,
}

/// What every peer is made of.
pub struct Given {
    pub setting: Setting,
    pub view: View,
    /// The program that is started.
    pub program: PathBuf,
    /// A directory for files, which is removed at the end.
    pub directory: PathBuf,
}

/// Every peer, in the order of the tables.
pub fn all(given: &Arc<Given>) -> Vec<Entry> {
    type Make = fn(&Arc<Given>) -> Result<Box<dyn Peer>, String>;
    let table: [(&'static str, Make); 17] = [
        ("std", std_command::make),
        ("vfork", vfork::make),
        ("bwrap", bubblewrap::plain),
        ("bwrap-filter", bubblewrap::filtered),
        ("hakoniwa", hakoniwa::make),
        ("sandlock", sandlock::make),
        ("crun", crun::make),
        ("firejail", firejail::make),
        ("mechanism", mechanism::cold),
        ("template", mechanism::template),
        ("cold", cofferdam::cold),
        ("cold-events", cofferdam::cold_with_events),
        ("reused", cofferdam::reused),
        ("session", cofferdam::session),
        ("pool", cofferdam::pool),
        ("command", cofferdam::command),
        ("command-unrecorded", cofferdam::command_without_record),
    ];
    let wanted = table.into_iter().filter(|(key, _)| given.setting.has(key));
    let mut all = Vec::new();
    for (key, make) in wanted {
        let peer = make(given).and_then(|peer| {
            let threads = given.setting.threads;
            if threads > 1 && !peer.is_for_threads() {
                return Err("not measured with threads".into());
            }
            // What does not work is known before the race.
            peer.settle();
            peer.run(given.setting.until).map(|_| peer)
        });
        all.push(Entry { key, peer });
    }
    all
}

/// The name of our program, which the kernel shows as well.
pub const STARTED: &str = "started";

/// The program of a setting, which lies in the directory if it is ours.
pub fn program(setting: &Setting, directory: &Path) -> std::io::Result<PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    if setting.program == Program::Dynamic {
        return Ok("/bin/echo".into());
    }
    let path = directory.join(STARTED);
    std::fs::write(&path, include_bytes!(concat!(env!("OUT_DIR"), "/started")))?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// Runs a command of the standard library, whose standard input is set, until then.
fn run_command(mut command: Command, until: Until) -> Result<Duration, String> {
    let out = match until {
        Until::Exit => Stdio::null(),
        Until::FirstByte => Stdio::piped(),
    };
    let program = command.get_program().to_string_lossy().into_owned();
    let start = Instant::now();
    let child = command.stdout(out).stderr(Stdio::null()).spawn();
    let mut child = child.map_err(|error| format!("{program} cannot be started: {error}"))?;
    let first = child.stdout.take().map(|out| first_byte(out, start));
    let status = child.wait().map_err(|error| error.to_string())?;
    let time = first.unwrap_or_else(|| Ok(start.elapsed()));
    if !status.success() {
        return Err(failure(&mut command, status.to_string()));
    }
    time
}

/// Why it fails, in its own words: it is run again.
fn failure(command: &mut Command, status: String) -> String {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let said = output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stderr).trim().to_owned()
    });
    format!("{program}: {status} {said}")
}

/// The time until something can be read.
fn first_byte(mut from: impl Read, start: Instant) -> Result<Duration, String> {
    let mut byte = [0];
    match from.read_exact(&mut byte) {
        Ok(()) => Ok(start.elapsed()),
        Err(error) => Err(format!("nothing was written: {error}")),
    }
}

/// Whether a program is installed.
fn installed(program: &str, package: &str) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).any(|directory| directory.join(program).is_file()) {
        true => Ok(()),
        false => Err(format!("not installed (apt-get install {package})")),
    }
}
