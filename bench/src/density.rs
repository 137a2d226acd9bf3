//! `density [COUNT]`: so many idle sessions at once, beside fewer idle sandboxes of bubblewrap: memory with the
//! kernel's share, and the time to start and to drop them.

use crate::memory;
use crate::peers;
use crate::report::Table;
use crate::setting::Setting;
use crate::view::{self, View};
use cofferdam::Session;
use cofferdam_sys::rlimit;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long all of it may take.
const LONGEST: Duration = Duration::from_secs(120);

/// The memory that must stay free, in KiB.
const SPARE: u64 = 1024 * 1024;

/// bubblewrap's sandboxes, for so many of ours one. They come first, and what they leave in the kernel's half-empty
/// slabs is used again, so they must be few.
const FEWER: usize = 10;

/// Figures for each.
#[derive(Clone, Debug, Default)]
pub struct Each {
    pub count: usize,
    /// KiB in the kernel: slabs, stacks, page tables, what processors have each, and the pages of tmpfs.
    pub kernel: f64,
    /// KiB of the processes as they share them.
    pub pss: f64,
    /// Milliseconds.
    pub start: f64,
    pub drop: f64,
}

impl Each {
    /// KiB of the processes and of the kernel for them.
    pub fn memory(&self) -> f64 {
        self.kernel + self.pss
    }
}

/// What came out.
#[derive(Debug)]
pub struct Density {
    pub wanted: usize,
    pub sessions: Each,
    /// Sessions that ran a program while all stood.
    pub alive: usize,
    pub bubblewrap: Result<Each, String>,
}

/// Measures.
pub fn run(count: usize) -> Result<Density, String> {
    let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
    let setting = Setting::default();
    let program = peers::program(&setting, directory.path()).map_err(|error| error.to_string())?;
    more_descriptors();
    let bubblewrap = bubblewrap(&setting, &program, (count / FEWER).max(10));
    let (sessions, alive) = sessions(&setting, &program, count)?;
    Ok(Density {
        wanted: count,
        sessions,
        alive,
        bubblewrap,
    })
}

/// The figures as a table.
pub fn table(density: &Density) -> Table {
    let title = format!("{} idle sessions", density.wanted);
    let columns = [
        "each", "memory", "kernel", "PSS", "start", "drop", "how many",
    ];
    let mut table = Table::new(title, &columns);
    let mut add = |name: &str, each: &Each| {
        table.rows.push(vec![
            name.to_owned(),
            format!("{:.0} KiB", each.memory()),
            format!("{:.0} KiB", each.kernel),
            format!("{:.0} KiB", each.pss),
            format!("{:.3} ms", each.start),
            format!("{:.3} ms", each.drop),
            each.count.to_string(),
        ]);
    };
    add("session", &density.sessions);
    match &density.bubblewrap {
        Ok(each) => {
            add("bubblewrap with an idle program", each);
            let ratio = density.sessions.memory() / each.memory();
            table
                .notes
                .push(format!("memory of a session to bubblewrap's: {ratio:.3}"));
        }
        Err(why) => table.notes.push(format!("left out: bubblewrap: {why}")),
    }
    table.notes.push(format!(
        "{} of {} stood at once and each ran a program then; none is left",
        density.alive, density.wanted
    ));
    table
}

fn sessions(setting: &Setting, program: &Path, count: usize) -> Result<(Each, usize), String> {
    let sandbox = view::builder(setting, program).build();
    let sandbox = sandbox.map_err(|error| error.to_string())?;
    // What is made once is not counted.
    drop(sandbox.start().map_err(|error| error.to_string())?);
    let before = kernel();
    let start = Instant::now();
    let mut all: Vec<Session> = Vec::new();
    while all.len() < count && start.elapsed() < LONGEST && memory::available() > SPARE {
        match sandbox.start() {
            Ok(session) => all.push(session),
            Err(error) => {
                println!("session {}: {error}", all.len());
                break;
            }
        }
    }
    let started = start.elapsed();
    let pids: Vec<u32> = all.iter().map(Session::id).collect();
    let mut each = Each {
        count: all.len(),
        kernel: (kernel() - before) / all.len().max(1) as f64,
        pss: pss(&pids)? / all.len().max(1) as f64,
        ..Each::default()
    };
    let run = |session: &Session| {
        let mut command = session.command(program);
        let command = command
            .stdin(cofferdam::Stdio::null())
            .stdout(cofferdam::Stdio::null());
        let status = command.stderr(cofferdam::Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    let alive = all
        .iter()
        .filter(|session| run(session) && session.is_alive())
        .count();
    let dropping = Instant::now();
    drop(all);
    let dropped = dropping.elapsed();
    each.start = started.as_secs_f64() * 1e3 / each.count.max(1) as f64;
    each.drop = dropped.as_secs_f64() * 1e3 / each.count.max(1) as f64;
    gone(&pids)?;
    Ok((each, alive))
}

fn bubblewrap(setting: &Setting, program: &Path, count: usize) -> Result<Each, String> {
    let arguments = peers::bubblewrap::arguments(&View::new(setting, program)?);
    let spawn = || {
        let mut command = Command::new("bwrap");
        // With an argument the program waits.
        command.args(&arguments).arg("wait").stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
    };
    // What is made once is not counted.
    let first = spawn().map_err(|error| format!("bwrap (apt-get install bubblewrap): {error}"))?;
    let first = [first];
    await_programs(&first);
    let pids = family(first[0].id());
    first.into_iter().for_each(end);
    gone(&pids)?;
    let before = kernel();
    let start = Instant::now();
    let mut all = Vec::new();
    while all.len() < count && start.elapsed() < LONGEST && memory::available() > SPARE {
        all.push(spawn().map_err(|error| error.to_string())?);
    }
    await_programs(&all);
    let started = start.elapsed();
    let pids: Vec<u32> = all.iter().flat_map(|child| family(child.id())).collect();
    let mut each = Each {
        count: all.len(),
        kernel: (kernel() - before) / all.len().max(1) as f64,
        pss: pss(&pids)? / all.len().max(1) as f64,
        ..Each::default()
    };
    let dropping = Instant::now();
    all.into_iter().for_each(end);
    each.drop = dropping.elapsed().as_secs_f64() * 1e3 / each.count.max(1) as f64;
    each.start = started.as_secs_f64() * 1e3 / each.count.max(1) as f64;
    gone(&pids)?;
    Ok(each)
}

/// Waits until the program of each runs: a start is not told, and one that is killed before would leave its inside.
fn await_programs(all: &[Child]) {
    let start = Instant::now();
    let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm"));
    let is_program = |pid| name(pid).is_ok_and(|name| name.trim_end() == peers::STARTED);
    let runs = |child: &Child| family(child.id()).into_iter().any(is_program);
    while !all.iter().all(runs) && start.elapsed() < LONGEST {
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Ends a sandbox and waits for all of it: its init, with which the program ends, and then its monitor. What dies
/// with its parent by the kernel's word alone does not always.
fn end(mut child: Child) {
    match family(child.id())[..] {
        [_, init, ..] => crate::kernel::kill(init),
        _ => drop(child.kill()),
    }
    let _ = child.wait();
}

/// A process and its descendants.
fn family(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        all.extend(child.parse().map(family).unwrap_or_default());
    }
    all
}

/// KiB of all these processes, as they share them.
fn pss(pids: &[u32]) -> Result<f64, String> {
    let of = |pid: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find(|line| line.starts_with("Pss:"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    let all: Option<f64> = pids.iter().map(of).sum();
    all.ok_or_else(|| "/proc/PID/smaps_rollup cannot be read".into())
}

/// Waits until none of them is left.
fn gone(pids: &[u32]) -> Result<(), String> {
    let start = Instant::now();
    loop {
        let left = pids
            .iter()
            .filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
            .count();
        match left {
            0 => return Ok(()),
            _ if start.elapsed() > Duration::from_secs(30) => {
                return Err(format!("{left} processes are still there"));
            }
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A session has a few descriptors, and the limit is often 1024.
fn more_descriptors() {
    if let Ok((_, hard)) = rlimit::get(rlimit::Resource::Nofile) {
        let _ = rlimit::set(rlimit::Resource::Nofile, hard, hard);
    }
}

/// KiB that the kernel has for itself and for tmpfs, once that does not change much: what ended is cleared away later.
fn kernel() -> f64 {
    let read = || {
        let info = memory::info();
        let of = |name: &str| info.get(name).copied().unwrap_or(0) as f64;
        let names = [
            "SUnreclaim",
            "SReclaimable",
            "KernelStack",
            "PageTables",
            "Percpu",
            "Shmem",
        ];
        names.map(of).iter().sum::<f64>()
    };
    let mut last = read();
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(500));
        let now = read();
        if (now - last).abs() < 1024.0 {
            return now;
        }
        last = now;
    }
    last
}
