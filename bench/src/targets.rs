//! `targets [ROUNDS]`: what is aimed at, as ratios in one run, and what this machine gives. Information: the exit
//! status is 0 unless `--check FACTOR` is given and a target is missed by more than that factor.

use crate::compare::MOUNTS;
use crate::contest::{Outcome, busy, hold};
use crate::density::{self, Density};
use crate::report::Table;
use crate::setting::{Setting, Until};
use crate::steady::{self, Steady};

/// One line.
#[derive(Debug)]
pub struct Target {
    what: &'static str,
    goal: Goal,
    measured: Result<f64, String>,
    /// The same of the fastest tenth of the programs, which a busy machine changes less.
    fastest: Option<f64>,
    /// What the bare mechanism gives in the same run.
    bare: Option<f64>,
}

#[derive(Clone, Copy, Debug)]
enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn missed_by(self, measured: f64) -> f64 {
        match self {
            Goal::AtMost(goal) => measured / goal,
            Goal::AtLeast(goal) => goal / measured,
        }
    }
}

impl Target {
    /// The first of two contenders to the second, with what a variant of the bare mechanism gives in its place.
    fn between(
        what: &'static str,
        goal: Goal,
        outcome: &Result<Outcome, String>,
        [key, to]: [&str; 2],
        bare: Option<&str>,
    ) -> Self {
        Self {
            what,
            goal,
            measured: of(outcome, key, to),
            fastest: fastest(outcome, key, to),
            bare: bare.and_then(|bare| of(outcome, bare, to).ok()),
        }
    }

    /// How much too much, as a factor; at most 1 where it is reached.
    fn missed_by(&self) -> Option<f64> {
        let measured = *self.measured.as_ref().ok()?;
        Some(self.goal.missed_by(measured))
    }
}

/// Sessions that stand at once.
const SESSIONS: usize = 1000;

/// The size of a large host, in MiB.
const LARGE: usize = 4096;

/// Measures everything that a target speaks of.
pub fn run(rounds: usize) -> Result<Vec<Target>, String> {
    if let Some(load) = busy() {
        println!("the machine is busy (load average {load}): the figures will say little");
    }
    let steady = steady::run(rounds);
    let density = density::run(SESSIONS);
    let mut all = starts(rounds);
    all.extend(hosts(rounds));
    all.extend(running(&steady));
    all.extend(idle(&density));
    Ok(all)
}

/// The figures as a table.
pub fn table(targets: &[Target]) -> Table {
    let columns = [
        "target",
        "",
        "measured",
        "fastest tenth",
        "bare mechanism",
        "reached",
    ];
    let mut table = Table::new("targets", &columns);
    let figure = |figure: f64| match figure {
        figure if figure < 0.1 => format!("{figure:.3}"),
        figure => format!("{figure:.2}"),
    };
    for target in targets {
        let goal = match target.goal {
            Goal::AtMost(goal) => format!("<= {goal}"),
            Goal::AtLeast(goal) => format!(">= {goal}"),
        };
        let reached = match target.missed_by() {
            None => "-".into(),
            Some(by) if by <= 1.0 => "yes".into(),
            Some(by) => format!("no, {by:.2} times it"),
        };
        let measured = target
            .measured
            .as_ref()
            .map_or("-".into(), |measured| figure(*measured));
        let [fastest, bare] =
            [target.fastest, target.bare].map(|value| value.map_or("".into(), figure));
        table.rows.push(vec![
            target.what.into(),
            goal,
            measured,
            fastest,
            bare,
            reached,
        ]);
        if let Err(why) = &target.measured {
            table
                .notes
                .push(format!("not measured: {}: {why}", target.what));
        }
    }
    table
}

/// Whether every target that was measured is reached, or missed by no more than this factor: by medians, or by the
/// fastest tenth where the machine was busy.
pub fn holds(targets: &[Target], factor: f64) -> bool {
    let missed = |target: &Target| {
        let fastest = target.fastest.map(|fastest| target.goal.missed_by(fastest));
        let by = target.missed_by()?.min(fastest.unwrap_or(f64::INFINITY));
        Some(by > factor)
    };
    !targets.iter().any(|target| missed(target) == Some(true))
}

/// The ratio of two medians of a contest.
fn of(outcome: &Result<Outcome, String>, key: &str, to: &str) -> Result<f64, String> {
    let outcome = outcome.as_ref().map_err(String::clone)?;
    Ok(outcome.row(key)?.median / outcome.row(to)?.median)
}

/// The same of the fastest tenth.
fn fastest(outcome: &Result<Outcome, String>, key: &str, to: &str) -> Option<f64> {
    let outcome = outcome.as_ref().ok()?;
    Some(outcome.row(key).ok()?.p10 / outcome.row(to).ok()?.p10)
}

fn starts(rounds: usize) -> Vec<Target> {
    let keys = [
        "std",
        "vfork",
        "bwrap-filter",
        "hakoniwa",
        "sandlock",
        "mechanism",
        "template",
        "cold-events",
        "reused",
        "session",
    ];
    let exit = hold(&Setting::default().only(&keys), rounds);
    let first_byte = Setting {
        until: Until::FirstByte,
        ..Setting::default()
    };
    let first_byte = hold(&first_byte.only(&["std", "pool"]), rounds);
    vec![
        Target::between(
            "cold, events on, to bubblewrap with a filter",
            Goal::AtMost(0.40),
            &exit,
            ["cold-events", "bwrap-filter"],
            Some("mechanism"),
        ),
        Target::between(
            "reused sandbox to bubblewrap with a filter",
            Goal::AtMost(0.16),
            &exit,
            ["reused", "bwrap-filter"],
            Some("template"),
        ),
        Target::between(
            "in a session to a raw vfork and exec",
            Goal::AtMost(1.9),
            &exit,
            ["session", "vfork"],
            None,
        ),
        Target::between(
            "from the pool to std, first byte",
            Goal::AtMost(1.3),
            &first_byte,
            ["pool", "std"],
            None,
        ),
        Target::between(
            "cold, events on, to hakoniwa with all layers",
            Goal::AtMost(0.30),
            &exit,
            ["cold-events", "hakoniwa"],
            Some("mechanism"),
        ),
        Target::between(
            "cold, events on, to sandlock-core's run",
            Goal::AtMost(1.0),
            &exit,
            ["cold-events", "sandlock"],
            Some("mechanism"),
        ),
    ]
}

fn hosts(rounds: usize) -> Vec<Target> {
    let fewer = (rounds / 3).max(3);
    let large = Setting {
        mib: LARGE,
        ..Setting::default()
    };
    let mounts = Setting {
        mounts: MOUNTS,
        ..Setting::default()
    };
    let threads = Setting {
        threads: 8,
        ..Setting::default()
    };
    let size = |key: &str| {
        // Two processes, which take turns so that a change of the machine's speed meets both.
        let mut ratios = Vec::new();
        for _ in 0..3 {
            let small = hold(&Setting::default().only(&[key]), fewer)?
                .row(key)?
                .median;
            ratios.push(hold(&large.clone().only(&[key]), fewer)?.row(key)?.median / small);
        }
        ratios.sort_by(f64::total_cmp);
        Ok(ratios[1])
    };
    let large_hosts = hold(
        &large.clone().only(&["hakoniwa", "reused", "template"]),
        fewer,
    );
    let many = hold(&mounts.only(&["bwrap-filter", "reused", "template"]), fewer);
    let threads = hold(
        &threads.only(&["bwrap-filter", "reused", "mechanism"]),
        (fewer / 4).max(3),
    );
    let rate = |key: &str| {
        let threads = threads.as_ref().map_err(String::clone)?;
        Ok(threads.row(key)?.rate / threads.row("bwrap-filter")?.rate)
    };
    vec![
        Target {
            what: "host of 4 GiB to host of 10 MiB, reused sandbox",
            goal: Goal::AtMost(1.1),
            measured: size("reused"),
            fastest: None,
            bare: size("template").ok(),
        },
        Target::between(
            "reused sandbox to hakoniwa, host of 4 GiB",
            Goal::AtMost(0.02),
            &large_hosts,
            ["reused", "hakoniwa"],
            Some("template"),
        ),
        Target::between(
            "reused sandbox to bubblewrap, host with 1,000 mounts",
            Goal::AtMost(0.10),
            &many,
            ["reused", "bwrap-filter"],
            Some("template"),
        ),
        Target {
            what: "8 threads, programs a second, to bubblewrap",
            goal: Goal::AtLeast(3.0),
            measured: rate("reused"),
            fastest: None,
            bare: rate("mechanism").ok(),
        },
    ]
}

fn running(steady: &Result<Steady, String>) -> Vec<Target> {
    let table = [
        (
            "install",
            "default filter: install to seccompiler's own compile",
            0.15,
        ),
        ("getpid", "getpid under the filter", 1.2),
        ("open+close", "open and close under the filter", 1.05),
        ("git", "git status on 20,000 files, inside to outside", 1.05),
        ("python3", "Python imports, inside to outside", 1.02),
        ("gcc", "gcc, inside to outside", 1.03),
        ("grep", "grep -r, inside to outside", 1.07),
    ];
    let target = |(key, what, goal)| Target {
        what,
        goal: Goal::AtMost(goal),
        measured: match steady {
            Ok(steady) => steady.line(key).map(steady::Line::ratio),
            Err(why) => Err(why.clone()),
        },
        fastest: None,
        bare: None,
    };
    table.map(target).into()
}

fn idle(density: &Result<Density, String>) -> Vec<Target> {
    let measured = |figure: &dyn Fn(&Density) -> Result<f64, String>| match density {
        Ok(density) => figure(density),
        Err(why) => Err(why.clone()),
    };
    vec![
        Target {
            what: "idle session, kernel included, to bubblewrap",
            goal: Goal::AtMost(0.5),
            measured: measured(&|density| {
                let bubblewrap = density.bubblewrap.as_ref().map_err(String::clone)?;
                Ok(density.sessions.memory() / bubblewrap.memory())
            }),
            fastest: None,
            bare: None,
        },
        Target {
            what: "sessions that stand at once and each run a program",
            goal: Goal::AtLeast(SESSIONS as f64),
            measured: measured(&|density| Ok(density.alive as f64)),
            fastest: None,
            bare: None,
        },
        Target {
            what: "dropping 1,000 sessions, ms each",
            goal: Goal::AtMost(0.3),
            measured: measured(&|density| Ok(density.sessions.drop)),
            fastest: None,
            bare: None,
        },
    ]
}
