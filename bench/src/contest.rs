//! A contest: peers that take turns under the circumstances of a setting, in a process of its own, so that its
//! memory, threads and mounts go with it.

use crate::contender::percentile;
use crate::peers::{self, Entry, Given, Peer};
use crate::setting::{Setting, size};
use crate::view::View;
use cofferdam_sys::mount;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// Rounds that are not counted, first.
const WARM_UP: usize = 5;

/// Programs that each thread starts in a round of many threads.
const EACH: usize = 4;

/// The figures of one contender.
#[derive(Clone, Debug)]
pub struct Row {
    pub key: String,
    pub name: String,
    /// Seconds: what a tenth of the programs did not take longer than. On a busy machine this is what is left of
    /// a measure.
    pub p10: f64,
    /// Seconds.
    pub median: f64,
    /// Seconds.
    pub p90: f64,
    /// Programs a second, of all threads together.
    pub rate: f64,
}

/// What came out.
#[derive(Debug)]
pub struct Outcome {
    pub setting: Setting,
    pub rounds: usize,
    pub rows: Vec<Row>,
    /// Who was left out, and why.
    pub absent: Vec<(String, String)>,
    /// Programs that wanted a processor besides, as a load average, where they were more than half of the processors.
    pub busy: Option<f64>,
}

impl Outcome {
    pub fn row(&self, key: &str) -> Result<&Row, String> {
        let found = self.rows.iter().find(|row| row.key == key);
        found.ok_or_else(
            || match self.absent.iter().find(|(absent, _)| absent == key) {
                Some((_, why)) => format!("{key}: {why}"),
                None => format!("{key} was not measured"),
            },
        )
    }
}

/// Holds a contest in a process of its own.
pub fn hold(setting: &Setting, rounds: usize) -> Result<Outcome, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = match setting.mounts {
        0 => Command::new(&own),
        mounts => among(mounts, &own),
    };
    command.args(["contest", &setting.to_string(), &rounds.to_string()]);
    command.stderr(std::process::Stdio::inherit());
    let busy = busy();
    let output = command
        .output()
        .map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{}: {}", setting.title(), output.status));
    }
    let mut outcome = Outcome {
        setting: setting.clone(),
        rounds,
        rows: Vec::new(),
        absent: Vec::new(),
        busy,
    };
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let words: Vec<&str> = line.split('\t').collect();
        let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        match words[..] {
            ["row", key, name, p10, median, p90, rate] => outcome.rows.push(Row {
                key: key.into(),
                name: name.into(),
                p10: number(p10),
                median: number(median),
                p90: number(p90),
                rate: number(rate),
            }),
            ["absent", key, why] => outcome.absent.push((key.into(), why.into())),
            _ => return Err(format!("not a line of a contest: {line}")),
        }
    }
    Ok(outcome)
}

/// Whether processors are wanted by others: the load average, which an earlier contest adds about one to.
pub fn busy() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    let load: f64 = text.split_whitespace().next()?.parse().ok()?;
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (load > 1.0 + processors as f64 / 2.0).then_some(load)
}

/// A command of this program in a mount namespace of its own with so many mounts more.
fn among(mounts: usize, own: &Path) -> Command {
    let ids = [
        cofferdam_sys::cred::geteuid(),
        cofferdam_sys::cred::getegid(),
    ];
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation=private"]);
    if ids[0] != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--").arg(own);
    command.args(["mounts", &mounts.to_string()]);
    command.args(ids.map(|id| id.to_string()));
    command
}

/// The process of a contest: prints a line for each contender.
pub fn main(setting: &Setting, rounds: usize) -> Result<(), String> {
    let (memory, free) = (setting.mib as u64 * 1024, crate::memory::available());
    if memory + 1024 * 1024 > free {
        return Err(format!("not enough memory for {}", size(setting.mib)));
    }
    let touched = std::hint::black_box(touch(setting.mib));
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    readable(directory.path()).map_err(|error| error.to_string())?;
    let program = peers::program(setting, directory.path()).map_err(|error| error.to_string())?;
    let given = Arc::new(Given {
        setting: setting.clone(),
        view: View::new(setting, &program)?,
        program,
        directory: directory.path().to_owned(),
    });
    let mut lanes = Vec::new();
    for Entry { key, peer } in peers::all(&given) {
        match peer {
            Ok(peer) => lanes.push(Lane::new(key, peer)),
            Err(why) => println!("absent\t{key}\t{}", why.replace(['\t', '\n'], " ")),
        }
    }
    for round in 0..WARM_UP.min(rounds) + rounds {
        for lane in &mut lanes {
            lane.run(setting, round >= WARM_UP.min(rounds))?;
        }
    }
    for mut lane in lanes {
        println!(
            "row\t{}\t{}\t{}\t{}\t{}\t{}",
            lane.key,
            lane.peer.name(),
            percentile(&mut lane.times, 10).as_secs_f64(),
            percentile(&mut lane.times, 50).as_secs_f64(),
            percentile(&mut lane.times, 90).as_secs_f64(),
            1.0 / percentile(&mut lane.each, 50).as_secs_f64(),
        );
    }
    drop(touched);
    Ok(())
}

/// The host process before a contest with many mounts: makes them, and goes on as an ordinary user.
pub fn with_mounts(count: usize, ids: [&str; 2], rest: &[&str]) -> Result<(), String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    readable(directory.path()).map_err(|error| error.to_string())?;
    let path = |name: &str| CString::new(directory.path().join(name).as_os_str().as_bytes());
    let (kind, none) = (c"none", c"");
    let make = || -> Result<(), String> {
        let root = path("").map_err(|error| error.to_string())?;
        let said = |errno: cofferdam_sys::Errno| format!("mounting: {errno}");
        mount::mount(c"bench", &root, c"tmpfs", 0, none).map_err(said)?;
        for index in 0..count.saturating_sub(1) {
            let name = format!("{index}");
            std::fs::create_dir(directory.path().join(&name)).map_err(|error| error.to_string())?;
            let target = path(&name).map_err(|error| error.to_string())?;
            mount::mount(&root, &target, kind, libc::MS_BIND, none).map_err(said)?;
        }
        Ok(())
    };
    make()?;
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(&own);
    if ids[0] != "0" {
        // Again who it was, without rights over the mounts.
        command = Command::new("unshare");
        command.args(["--user", &format!("--map-user={}", ids[0])]);
        command.arg(format!("--map-group={}", ids[1]));
        command.arg("--").arg(own);
    }
    let status = command.args(rest).status();
    let status = status.map_err(|error| error.to_string())?;
    // The mounts go with the namespace; the directory itself is the host's.
    let root = path("").map_err(|error| error.to_string())?;
    let _ = mount::umount2(&root, libc::MNT_DETACH);
    drop(directory);
    match status.success() {
        true => Ok(()),
        false => Err(format!("the contest among many mounts: {status}")),
    }
}

/// Memory that is resident.
fn touch(mib: usize) -> Vec<u8> {
    let mut memory = vec![0_u8; mib * 1024 * 1024];
    for page in memory.chunks_mut(4096) {
        page[0] = 1;
    }
    memory
}

/// Programs of other ids, inside, start what lies there.
fn readable(directory: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o755))
}

/// A contender and its times.
struct Lane {
    key: &'static str,
    peer: Box<dyn Peer>,
    /// Of single programs.
    times: Vec<Duration>,
    /// Of a round, for each program in it.
    each: Vec<Duration>,
}

impl Lane {
    fn new(key: &'static str, peer: Box<dyn Peer>) -> Self {
        Self {
            key,
            peer,
            times: Vec::new(),
            each: Vec::new(),
        }
    }

    fn run(&mut self, setting: &Setting, counts: bool) -> Result<(), String> {
        let said = |why: String| format!("{} worked at first, and then did not: {why}", self.key);
        self.peer.settle();
        let (times, each) = match setting.threads {
            1 => {
                let time = self.peer.run(setting.until).map_err(said)?;
                (vec![time], time)
            }
            threads => together(&*self.peer, setting, threads).map_err(said)?,
        };
        self.peer.settle();
        if counts {
            self.times.extend(times);
            self.each.push(each);
        }
        Ok(())
    }
}

/// Programs from many threads at once: each one's time, and the time of all for each.
fn together(
    peer: &dyn Peer,
    setting: &Setting,
    threads: usize,
) -> Result<(Vec<Duration>, Duration), String> {
    let barrier = Barrier::new(threads + 1);
    std::thread::scope(|scope| {
        let work = || {
            barrier.wait();
            let run = |_| peer.run(setting.until);
            (0..EACH)
                .map(run)
                .collect::<Result<Vec<Duration>, String>>()
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        barrier.wait();
        let start = Instant::now();
        let mut times = Vec::new();
        for worker in workers {
            times.extend(worker.join().expect("a worker does not panic")?);
        }
        let each = start.elapsed() / (threads * EACH) as u32;
        Ok((times, each))
    })
}
