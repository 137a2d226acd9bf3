//! One attack, run once: outside as a control or behind a wall, with the host looking on.

use crate::attacker::{self, HOLD};
use crate::attacks::Attack;
use crate::stage::{self, Stage, VARIABLE, Victim};
use crate::walls::{LOOP_LIMIT, LOOP_WATCH, Part, Wall};
use cofferdam::{Enforcement, Layer, Sandbox, Stdio, Usage};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::time::{Duration, Instant};

/// What the host saw of an attack.
#[derive(Debug)]
pub struct Observation {
    /// What marks this run.
    pub token: String,
    /// All that the attacker wrote.
    pub output: String,
    /// What it says it tried.
    pub tried: Vec<Tried>,
    /// How it ended.
    pub end: String,
    /// Its processes at the moment when it had done its work, itself included.
    pub processes: Option<usize>,
    /// Its own memory by then, in bytes; what it maps of files is not counted.
    pub taken: Option<u64>,
    /// Its mounts by then.
    pub mounts: Option<String>,
    /// Whether it was in another user namespace than it was started in by then.
    pub left_user_namespace: Option<bool>,
    /// It ran on well after the limit of time.
    pub outlived: bool,
    /// The memory limit killed it.
    pub oom_killed: bool,
    /// From its start to its end.
    pub wall: Duration,
    /// What a sandbox says it used.
    pub usage: Option<Usage>,
    /// What was in force around it.
    pub enforcement: Option<Enforcement>,
    /// What was changed outside the workspace.
    pub outside: Result<Vec<String>, String>,
    /// What the host's listeners got.
    pub received: String,
    /// The process it was to kill is dead.
    pub victim_dead: bool,
}

/// One try and the kernel's answer, in the attacker's words.
#[derive(Debug, PartialEq, Eq)]
pub struct Tried {
    /// Which way.
    pub route: String,
    /// `ok` or the error's name.
    pub answer: String,
}

impl Observation {
    /// What the attacker was told, shortened where all tries got one answer.
    pub fn refusal(&self) -> String {
        let failed: Vec<_> = self
            .tried
            .iter()
            .filter(|tried| tried.answer != "ok")
            .collect();
        match failed.as_slice() {
            [] if self.end == "exit code 0" => "no error".to_owned(),
            [] => self.end.clone(),
            [first, rest @ ..] if rest.iter().all(|tried| tried.answer == first.answer) => {
                first.answer.clone()
            }
            all => {
                let each = all
                    .iter()
                    .map(|tried| format!("{} {}", tried.route, tried.answer));
                each.collect::<Vec<_>>().join(", ")
            }
        }
    }
}

/// A running attacker.
enum Running {
    Outside(std::process::Child),
    Inside(Box<cofferdam::Child>),
}

/// Runs an attack; `sandbox` is none for the control.
pub fn run(
    attack: Attack,
    wall: Option<(Wall, &Sandbox)>,
    stage: &Stage,
) -> Result<Observation, String> {
    let error = |error: std::io::Error| error.to_string();
    let mut victim = Victim::start(&stage.attacker).map_err(error)?;
    let token = stage::token().map_err(error)?;
    let mut arguments = vec!["--attack".to_owned()];
    arguments.extend(attack.arguments(stage, &victim, &token));
    let started = Instant::now();
    let mut running = match wall {
        None => Running::Outside(outside(attack, stage, &arguments).map_err(error)?),
        Some((wall, sandbox)) => {
            let mut command = sandbox.command(&stage.attacker);
            command
                .args(&arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            command.stderr(Stdio::null());
            if attack == Attack::Loop && wall != Wall::Without(Part::Time) {
                command.timeout(LOOP_LIMIT);
            }
            let child = command.spawn().map_err(|error| error.to_string())?;
            Running::Inside(Box::new(child))
        }
    };
    let mut seen = Observation {
        token,
        output: String::new(),
        tried: Vec::new(),
        end: String::new(),
        processes: None,
        taken: None,
        mounts: None,
        left_user_namespace: None,
        outlived: false,
        oom_killed: false,
        wall: Duration::ZERO,
        usage: None,
        enforcement: None,
        outside: Ok(Vec::new()),
        received: String::new(),
        victim_dead: false,
    };
    watch(attack, &mut running, started, &mut seen)?;
    seen.tried = seen.output.lines().filter_map(tried).collect();
    seen.outside = stage.changes_outside().map_err(error);
    seen.received = stage.received();
    seen.victim_dead = attack == Attack::Kill && victim.is_dead();
    Ok(seen)
}

fn outside(
    attack: Attack,
    stage: &Stage,
    arguments: &[String],
) -> std::io::Result<std::process::Child> {
    use std::process::Stdio;
    let mut command = std::process::Command::new(&stage.attacker);
    command.args(arguments).current_dir(&stage.workspace);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if attack == Attack::ProcessEnvironments {
        // What it finds is to be other processes' environment, not its own.
        command.env_remove(VARIABLE);
    }
    command.spawn()
}

/// Follows an attacker to its end.
fn watch(
    attack: Attack,
    running: &mut Running,
    started: Instant,
    seen: &mut Observation,
) -> Result<(), String> {
    let stdout: Box<dyn Read> = match running {
        Running::Outside(child) => Box::new(child.stdout.take().expect("piped")),
        Running::Inside(child) => Box::new(child.stdout.take().expect("piped")),
    };
    let mut stdout = BufReader::new(stdout);
    if attack == Attack::Loop {
        // The only one that never holds: it is left running until well after its limit.
        let _ = stdout.read_line(&mut seen.output);
        seen.outlived = running.outlives(LOOP_WATCH.saturating_sub(started.elapsed()))?;
        if seen.outlived {
            running.kill();
        }
    } else {
        let mut line = Vec::new();
        while stdout
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line).into_owned();
            if text.trim_end() == HOLD {
                look(running, seen);
                break;
            }
            seen.output += &text;
            line.clear();
        }
    }
    match running {
        Running::Outside(child) => {
            drop(child.stdin.take());
            let status = child.wait().map_err(|error| error.to_string())?;
            seen.end = status.to_string();
        }
        Running::Inside(child) => {
            let status = child.wait().map_err(|error| error.to_string())?;
            seen.end = status.to_string();
            seen.oom_killed = status.oom_killed();
            seen.usage = Some(status.usage());
            seen.enforcement = Some(child.enforcement().clone());
        }
    }
    seen.wall = started.elapsed();
    seen.output += &String::from_utf8_lossy(&attacker::rest(stdout));
    Ok(())
}

impl Running {
    fn outlives(&mut self, limit: Duration) -> Result<bool, String> {
        match self {
            Self::Outside(child) => {
                std::thread::sleep(limit);
                Ok(child
                    .try_wait()
                    .map_err(|error| error.to_string())?
                    .is_none())
            }
            Self::Inside(child) => {
                let ended = child
                    .wait_timeout(limit)
                    .map_err(|error| error.to_string())?;
                Ok(ended.is_none())
            }
        }
    }

    fn kill(&mut self) {
        let _ = match self {
            Self::Outside(child) => child.kill().map_err(drop),
            Self::Inside(child) => child.kill().map_err(drop),
        };
    }
}

/// Looks at an attacker that has done its work and waits.
fn look(running: &Running, seen: &mut Observation) {
    let parents = parents();
    let children = |of: u32| {
        let children = parents.iter().filter(move |(_, parent)| **parent == of);
        children.map(|(pid, _)| *pid)
    };
    // Behind a wall the attacker is the child of the sandbox's own process 1, and started in its user
    // namespace; on a wall without one, in the host's.
    let own = || "/proc/self/ns/user".to_owned();
    let (attacker, first) = match running {
        Running::Outside(child) => (Some(child.id()), own()),
        Running::Inside(child) => {
            let namespaces = child.enforcement().layer(Layer::Namespaces);
            let first = match namespaces.is_some_and(|report| !report.in_force.is_empty()) {
                true => format!("/proc/{}/ns/user", child.id()),
                false => own(),
            };
            (children(child.id()).min(), first)
        }
    };
    let Some(attacker) = attacker else { return };
    seen.processes = Some(1 + children(attacker).count());
    seen.mounts = fs::read_to_string(format!("/proc/{attacker}/mountinfo")).ok();
    let now = fs::read_link(format!("/proc/{attacker}/ns/user")).ok();
    let first = fs::read_link(first).ok();
    seen.left_user_namespace = now.zip(first).map(|(now, first)| now != first);
    let status = fs::read_to_string(format!("/proc/{attacker}/status")).unwrap_or_default();
    let own = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = own.and_then(|own| own.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    seen.taken = kib.map(|kib| kib << 10);
}

/// Every process of the host with its parent (proc_pid_stat(5)).
fn parents() -> HashMap<u32, u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name may hold anything, a bracket too; what follows the last one does not.
        let after_name = &stat[stat.rfind(')')? + 1..];
        let parent = after_name.split_ascii_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    })
    .collect()
}

fn tried(line: &str) -> Option<Tried> {
    let (route, answer) = line.strip_prefix("tried\t")?.split_once('\t')?;
    Some(Tried {
        route: route.to_owned(),
        answer: answer.to_owned(),
    })
}
