//! `steady [ROUNDS]`: what confinement costs a program that runs, inside to outside, one after the other in each
//! round; and what putting the filter on costs, to the filters that seccompiler makes of the same profile.

mod calls;
mod install;
mod programs;

pub use calls::helper;

use crate::report::{Table, ms, ratio};
use std::time::Duration;

/// One comparison.
#[derive(Clone, Debug)]
pub struct Line {
    /// By which it is found again.
    pub key: &'static str,
    pub what: String,
    /// Seconds without confinement, or by the other way.
    pub outside: f64,
    /// Seconds inside, or by ours.
    pub inside: f64,
}

impl Line {
    pub fn ratio(&self) -> f64 {
        self.inside / self.outside
    }
}

/// What came out.
#[derive(Debug, Default)]
pub struct Steady {
    pub lines: Vec<Line>,
    /// What was left out, and why.
    pub absent: Vec<(&'static str, String)>,
}

impl Steady {
    pub fn line(&self, key: &str) -> Result<&Line, String> {
        let found = self.lines.iter().find(|line| line.key == key);
        found.ok_or_else(
            || match self.absent.iter().find(|(absent, _)| *absent == key) {
                Some((_, why)) => why.clone(),
                None => format!("{key} was not measured"),
            },
        )
    }
}

/// Measures everything.
pub fn run(rounds: usize) -> Result<Steady, String> {
    let mut steady = Steady::default();
    calls::measure(&mut steady, rounds)?;
    install::measure(&mut steady, rounds)?;
    programs::measure(&mut steady, rounds)?;
    Ok(steady)
}

/// The figures as a table.
pub fn table(steady: &Steady, rounds: usize) -> Table {
    let columns = ["", "outside", "inside", "inside to outside"];
    let mut table = Table::new("steady state, medians", &columns);
    for line in &steady.lines {
        let time = |seconds: f64| match seconds {
            seconds if seconds < 1e-5 => format!("{:.0} ns", seconds * 1e9),
            seconds => ms(seconds),
        };
        table.rows.push(vec![
            line.what.clone(),
            time(line.outside),
            time(line.inside),
            ratio(line.inside, Some(line.outside)),
        ]);
    }
    table.notes.push(format!(
        "{rounds} rounds of calls, fewer of programs; both sides once a round"
    ));
    for (key, why) in &steady.absent {
        table.notes.push(format!("left out: {key}: {why}"));
    }
    table
}

type Timed<'a> = &'a mut dyn FnMut() -> Result<Duration, String>;

/// The medians of two that take turns, in turn the first, after a round that does not count.
fn turns(rounds: usize, outside: Timed<'_>, inside: Timed<'_>) -> Result<(f64, f64), String> {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for turn in [round % 2, 1 - round % 2] {
            let time = match turn {
                0 => outside()?,
                _ => inside()?,
            };
            if round > 0 {
                times[turn].push(time);
            }
        }
    }
    let [outside, inside] =
        times.map(|mut times| crate::contender::percentile(&mut times, 50).as_secs_f64());
    Ok((outside, inside))
}
