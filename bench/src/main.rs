//! `cargo run --release -p bench -- compare [RUNS]`: spawn-to-exit of `/bin/true`, interleaved.
//!
//! Every contender runs once in each round, so that a change of the machine's speed meets all of
//! them; what is printed are medians, the 90th percentile, and ratios of medians.

#![forbid(unsafe_code)]

use cofferdam::Sandbox;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds that are not counted, first.
const WARM_UP: usize = 10;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (verb, runs) = (arguments.next(), arguments.next());
    let runs = runs.map_or(Ok(300), |runs| runs.parse::<usize>());
    match (verb.as_deref(), runs) {
        (Some("compare"), Ok(runs)) if runs > 0 => compare(runs),
        _ => {
            eprintln!("usage: bench compare [RUNS]");
            std::process::exit(2);
        }
    }
}

/// One way to run `/bin/true`.
struct Contender {
    name: &'static str,
    run: Box<dyn FnMut() -> bool>,
    times: Vec<Duration>,
}

impl Contender {
    fn new(name: &'static str, run: impl FnMut() -> bool + 'static) -> Self {
        Self {
            name,
            run: Box::new(run),
            times: Vec::new(),
        }
    }

    fn percentile(&mut self, percent: usize) -> Duration {
        self.times.sort_unstable();
        self.times[(self.times.len() - 1) * percent / 100]
    }
}

fn compare(runs: usize) {
    let mut all = contenders();
    for round in 0..WARM_UP + runs {
        for contender in &mut all {
            let start = Instant::now();
            let done = (contender.run)();
            let time = start.elapsed();
            assert!(done, "{} did not run /bin/true", contender.name);
            if round >= WARM_UP {
                contender.times.push(time);
            }
        }
    }
    let bwrap = all
        .iter_mut()
        .find(|contender| contender.name.starts_with("bubblewrap"));
    let bwrap = bwrap.map(|contender| contender.percentile(50).as_secs_f64());
    println!(
        "{:<40} {:>10} {:>10} {:>14}",
        "spawn to exit of /bin/true", "median", "p90", "to bubblewrap"
    );
    for contender in &mut all {
        let median = contender.percentile(50);
        let ratio = match bwrap {
            Some(bwrap) => format!("{:.3}", median.as_secs_f64() / bwrap),
            None => "-".into(),
        };
        let p90 = contender.percentile(90);
        println!(
            "{:<40} {:>7.3} ms {:>7.3} ms {ratio:>14}",
            contender.name,
            median.as_secs_f64() * 1e3,
            p90.as_secs_f64() * 1e3,
        );
    }
    println!("{runs} rounds, each contender once a round");
}

fn contenders() -> Vec<Contender> {
    let mut all = vec![Contender::new("std::process::Command", || {
        succeeds(Command::new("/bin/true"))
    })];
    let sandbox = Sandbox::builder()
        .build()
        .expect("the default sandbox can be built here");
    let view = view();
    if succeeds(bubblewrap(&view)) {
        all.push(Contender::new("bubblewrap, same view", move || {
            succeeds(bubblewrap(&view))
        }));
    } else {
        println!("bubblewrap cannot run here (package bubblewrap): no ratios to it");
    }
    all.push(Contender::new("cofferdam, sandbox built each time", || {
        let sandbox = Sandbox::builder()
            .build()
            .expect("it could be built before");
        sandbox
            .command("/bin/true")
            .status()
            .is_ok_and(|status| status.success())
    }));
    all.push(Contender::new("cofferdam, one sandbox", move || {
        sandbox
            .command("/bin/true")
            .status()
            .is_ok_and(|status| status.success())
    }));
    match cli() {
        Some(cli) => all.push(Contender::new("cofferdam run -- /bin/true", move || {
            let mut command = Command::new(&cli);
            command.args(["run", "--", "/bin/true"]);
            succeeds(command)
        })),
        None => {
            println!("no `cofferdam` beside this program: build it with --release -p cofferdam-cli")
        }
    }
    all
}

fn succeeds(mut command: Command) -> bool {
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// bubblewrap's arguments for the same view: the binds, links and file systems of the default
/// sandbox, taken from its plan, so that both do the same work.
fn view() -> Vec<String> {
    let sandbox = Sandbox::builder()
        .build()
        .expect("the default sandbox can be built here");
    let plan = sandbox.plan().to_string();
    let mut arguments: Vec<String> = [
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--clearenv",
    ]
    .map(String::from)
    .into();
    let mut add = |words: &[&str]| arguments.extend(words.iter().map(ToString::to_string));
    for tree in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
        let path = PathBuf::from("/").join(tree);
        if let Ok(target) = std::fs::read_link(&path) {
            add(&[
                "--symlink",
                &target.to_string_lossy(),
                &path.to_string_lossy(),
            ]);
        }
    }
    for line in plan.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [_, "bind", source, "on", target, ..] = words[..] {
            add(&["--ro-bind", source, target.trim_end_matches(',')]);
        }
    }
    add(&[
        "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/dev/shm",
    ]);
    arguments
}

fn bubblewrap(view: &[String]) -> Command {
    let mut command = Command::new("bwrap");
    command.args(view).args(["--", "/bin/true"]);
    command
}

/// The `cofferdam` program beside this one.
fn cli() -> Option<PathBuf> {
    let cli = std::env::current_exe().ok()?.with_file_name("cofferdam");
    cli.exists().then_some(cli)
}
