//! An agent's working day behind the wall, and what a hijacked agent would try.
//!
//! `agent_host` copies a small crate to a temporary workspace, works on it in sandboxes, then
//! attacks the host from inside. Every attack is first run outside, to show that it would succeed,
//! and every verdict is what the host finds afterwards. Exits with 1 if a wall leaked or a step
//! failed, and with `COFFERDAM_EXPECT=full` in the environment also if this host lacks something.
//! With `AGENT_HOST_DANGER_LEAK` in the environment the wall has holes on purpose, to show that the
//! table would tell.
//!
//! `agent_host CMD ARGS…` runs a command in the same sandbox, with the current directory as its
//! workspace. Exits with the command's code, 128+N after signal N, 124 after the time limit
//! (`AGENT_HOST_TIMEOUT` seconds, 600 unless set), 125 if the sandbox could not be put up, 126 and
//! 127 if the command cannot be executed or does not exist.

#![deny(unsafe_code)]

mod attacker;
mod attacks;
mod stage;
mod sys;
mod table;
mod trial;
mod verdict;
mod walls;
mod work;

use attacks::Attack;
use cofferdam::{Enforcement, Sandbox, SpawnError};
use stage::{Stage, VARIABLE};
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use table::{Mark, Row, Style};
use verdict::Court;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let role = arguments.first().and_then(|argument| argument.to_str());
    match role {
        Some("--attack") => {
            let rest = arguments[1..]
                .iter()
                .map(|text| text.to_string_lossy().into_owned());
            attacker::main(&rest.collect::<Vec<_>>());
            return ExitCode::SUCCESS;
        }
        Some("--secret-holder") => {
            attacker::secret_holder();
            return ExitCode::SUCCESS;
        }
        Some("--victim") => {
            attacker::victim();
            return ExitCode::SUCCESS;
        }
        Some("--janitor") => {
            stage::janitor(&arguments[1..]);
            return ExitCode::SUCCESS;
        }
        Some("--") if arguments.len() > 1 => return command(&arguments[1..]),
        Some(_) if role != Some("--") => return command(&arguments),
        _ => {}
    }
    match tour() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("agent_host: {error}");
            ExitCode::from(125)
        }
    }
}

/// Runs the user's own command.
fn command(arguments: &[OsString]) -> ExitCode {
    let run = || -> Result<u8, Box<dyn std::error::Error>> {
        let mut builder = walls::agent(&std::env::current_dir()?, &Sandbox::probe());
        if let Some(seconds) = std::env::var_os("AGENT_HOST_TIMEOUT") {
            let seconds = seconds.to_str().and_then(|text| text.parse().ok());
            let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            let limit = seconds.ok_or("AGENT_HOST_TIMEOUT is not a number of seconds")?;
            builder = builder.limits(|limits| limits.wall_clock(limit));
        }
        let sandbox = builder.build()?;
        let mut child = sandbox
            .command(&arguments[0])
            .args(&arguments[1..])
            .spawn()?;
        let status = child.wait()?;
        Ok(match (status.timed_out(), status.code(), status.signal()) {
            (true, _, _) => 124,
            (_, Some(code), _) => code as u8,
            (_, _, signal) => 128 + signal.unwrap_or(0) as u8,
        })
    };
    run().map_or_else(
        |error| {
            eprintln!("agent_host: {error}");
            ExitCode::from(match error.downcast_ref() {
                Some(SpawnError::NotFound { .. }) => 127,
                Some(SpawnError::NotExecutable { .. }) => 126,
                _ => 125,
            })
        },
        ExitCode::from,
    )
}

/// The working day and the attacks.
fn tour() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let Ok(canary) = std::env::var(VARIABLE) else {
        // The canary belongs in this process's environment as the kernel knows it, from its start.
        let mut again = std::process::Command::new(std::env::current_exe()?);
        return Err(again.env(VARIABLE, stage::token()?).exec().into());
    };
    let started = Instant::now();
    let style = Style::of_stdout();
    let host = Sandbox::probe();
    let stage = Stage::set(canary)?;
    work::unpack(&stage.workspace)?;
    let sandbox = walls::agent(&stage.workspace, &host).build()?;

    // Every root can hold memory by a control group; an ordinary user only where one was delegated.
    let root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    let no_memory_group = walls::lacks_memory_group(&host);
    style.heading(&format!(
        "An agent's day behind the wall, on Linux {}",
        host.kernel
    ));
    style.line(&format!("workspace {}", stage.workspace.display()));
    if let Some(reason) = &no_memory_group {
        style.line(&format!(
            "no control group can hold memory here: {reason}. The cgroup layer is preferred, not \
             required, and memory is held for each process"
        ));
    }

    let mut rows = Vec::new();
    work::day(&sandbox, &stage.workspace, |row| rows.push(row));
    style.heading("Honest work");
    print(
        style,
        ["step", "verdict", "what it ran", "what the host found"],
        &rows,
    );

    let mut court = Court::new(&stage, &host);
    let attacks: Vec<Row> = Attack::ALL
        .iter()
        .map(|attack| court.try_attack(*attack))
        .collect();
    style.heading("Hijacked: each attack succeeds outside, and was then tried inside");
    let titles = [
        "attack",
        "verdict",
        "what happened",
        "held by each of these alone",
    ];
    print(style, titles, &attacks);

    style.heading("In force around the attacks");
    match court.enforcement.take() {
        Some(enforcement) => print_enforcement(style, &enforcement),
        None => style.line("not known: no attack was held"),
    }
    rows.extend(attacks);
    style.heading("Used");
    print_usage(style, &rows);

    let lacks: Vec<&Row> = rows
        .iter()
        .filter(|row| row.mark == Mark::Missing)
        .collect();
    let bad = rows.iter().filter(|row| row.mark == Mark::Bad).count();
    let strict = std::env::var_os("COFFERDAM_EXPECT").is_some_and(|value| value == "full");
    let lacking = !lacks.is_empty() || (root && no_memory_group.is_some());
    let failed = bad > 0 || (strict && lacking);
    style.heading("Summary");
    for row in &lacks {
        style.line(&format!(
            "lacking here: {}: {}{}",
            row.step,
            row.happened,
            match row.reason.as_str() {
                "" | "not told" => String::new(),
                reason => format!(": {reason}"),
            }
        ));
    }
    let held = rows.iter().filter(|row| row.mark == Mark::Good).count();
    let summary = format!(
        "{held} of {} as they should be, {bad} not, {} lacking; {:.1} s",
        rows.len(),
        lacks.len(),
        started.elapsed().as_secs_f64()
    );
    println!(
        "  {}",
        style.paint(if failed { Mark::Bad } else { Mark::Good }, &summary)
    );
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn print(style: Style, titles: [&str; 4], rows: &[Row]) {
    let cells = |row: &Row| {
        let cells = [&row.step, &row.word, &row.happened, &row.reason];
        (row.mark, cells.map(String::clone).to_vec())
    };
    let rows: Vec<_> = rows.iter().map(cells).collect();
    style.table(&titles, &rows, &[2, 3], 1);
}

fn print_enforcement(style: Style, enforcement: &Enforcement) {
    let mut rows = Vec::new();
    for report in enforcement.layers() {
        let mark = match report.weaker.is_empty() {
            true => Mark::Good,
            false => Mark::Missing,
        };
        let state = report.state().to_string();
        let what = report.in_force.join(", ");
        rows.push((mark, vec![report.layer.to_string(), state, what]));
        for weakness in &report.weaker {
            let cells = vec![String::new(), "missing".to_owned(), weakness.to_string()];
            rows.push((Mark::Missing, cells));
        }
    }
    style.table(&["layer", "state", "what"], &rows, &[2], 1);
}

fn print_usage(style: Style, rows: &[Row]) {
    let millis = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    let rows: Vec<_> = rows
        .iter()
        .filter_map(|row| {
            let usage = row.usage?;
            let cells = vec![
                row.step.clone(),
                millis(usage.wall),
                millis(usage.user),
                millis(usage.system),
                mib(usage.max_rss),
                usage.peak_memory.map_or("-".into(), mib),
                usage
                    .peak_processes
                    .map_or("-".into(), |count| count.to_string()),
                usage.context_switches.to_string(),
            ];
            Some((row.mark, cells))
        })
        .collect();
    let titles = [
        "step",
        "wall",
        "user",
        "system",
        "largest process",
        "peak memory",
        "peak processes",
        "switches",
    ];
    style.table(&titles, &rows, &[], usize::MAX);
}
