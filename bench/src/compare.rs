//! `compare [ROUNDS]`: the peers under all circumstances. In each contest every contender has its turn once a round,
//! so that a change of the machine's speed meets all of them; the ratios hold on a busy machine, the times do not.

use crate::Options;
use crate::contest::{Outcome, hold};
use crate::plot;
use crate::report::{Table, ms, ratio};
use crate::setting::{Program, Setting, Until};

/// Mounts beside the host's own.
pub const MOUNTS: usize = 1000;

/// Measures, prints, and writes the plot.
pub fn run(options: &Options) -> Result<Vec<Outcome>, String> {
    let mut outcomes = Vec::new();
    for (setting, rounds) in contests(options) {
        match hold(&setting, rounds) {
            Ok(outcome) => {
                println!("{}", table(&outcome).text());
                outcomes.push(outcome);
            }
            Err(error) => println!("left out: {error}\n"),
        }
    }
    if let Some(file) = &options.plot {
        let drawn = plot::draw(&outcomes);
        std::fs::write(file, drawn).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(outcomes)
}

/// `first-byte [ROUNDS]`.
pub fn first_byte(rounds: usize) -> Result<(), String> {
    let setting = Setting {
        until: Until::FirstByte,
        program: Program::Dynamic,
        ..Setting::default()
    };
    let keys = ["std", "bwrap", "pool", "session", "reused"];
    println!("{}", table(&hold(&setting.only(&keys), rounds)?).text());
    Ok(())
}

/// The contests of a whole comparison, each with its rounds.
pub fn contests(options: &Options) -> Vec<(Setting, usize)> {
    let rounds = options.rounds.unwrap_or(100);
    let plain = Setting::default();
    let fewer = (rounds / 3).max(3);
    // Those whose time depends on what the host is like.
    let some = plain.clone().only(&[
        "std",
        "vfork",
        "bwrap-filter",
        "hakoniwa",
        "sandlock",
        "mechanism",
        "template",
        "cold",
        "reused",
        "session",
        "pool",
    ]);
    let first_byte = Setting {
        until: Until::FirstByte,
        ..plain.clone()
    };
    let mut all = vec![(plain.clone(), rounds), (first_byte, rounds)];
    if options.quick {
        return all;
    }
    let dynamic = Setting {
        program: Program::Dynamic,
        ..plain.clone()
    };
    let shared = Setting {
        network: false,
        ..plain
    };
    all.extend([(dynamic, fewer), (shared, fewer)]);
    for mib in [1024, 4096] {
        let setting = Setting {
            mib,
            ..some.clone()
        };
        all.push((setting, fewer));
    }
    for threads in [2, 8, 32] {
        let setting = Setting {
            threads,
            ..some.clone()
        };
        all.push((setting, (fewer / threads).max(3)));
    }
    let mounts = Setting {
        mounts: MOUNTS,
        ..some
    };
    all.push((mounts, fewer));
    all
}

/// The table of one contest.
pub fn table(outcome: &Outcome) -> Table {
    let mut columns = vec!["", "median", "p90", "p10", "to bubblewrap", "to std"];
    let threads = outcome.setting.threads > 1;
    if threads {
        columns.push("programs/s");
    }
    let mut table = Table::new(outcome.setting.title(), &columns);
    let of = |keys: [&str; 2]| {
        let mut found = keys.iter().filter_map(|key| outcome.row(key).ok());
        found.next().map(|row| row.median)
    };
    // The one with a filter does what the others do.
    let (bubblewrap, std) = (of(["bwrap-filter", "bwrap"]), of(["std", "std"]));
    for row in &outcome.rows {
        let mut cells = vec![
            row.name.clone(),
            ms(row.median),
            ms(row.p90),
            ms(row.p10),
            ratio(row.median, bubblewrap),
            ratio(row.median, std),
        ];
        if threads {
            cells.push(format!("{:.0}", row.rate));
        }
        table.rows.push(cells);
    }
    table.notes.push(format!(
        "{} rounds, each contender once a round",
        outcome.rounds
    ));
    if let Some(load) = outcome.busy {
        table.notes.push(format!(
            "the machine was busy (load average {load}): waits for a processor are in these figures"
        ));
    }
    for (key, why) in &outcome.absent {
        table.notes.push(format!("left out: {key}: {why}"));
    }
    table
}
