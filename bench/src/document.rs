//! `document [ROUNDS]`: measures everything and puts the tables into the document, between its marks, and the plot
//! beside it.

use crate::contest::busy;
use crate::report::Table;
use crate::{Options, compare, density, steady, targets};
use std::path::Path;

/// Sessions that stand at once.
const SESSIONS: usize = 1000;

pub fn run(options: &Options) -> Result<(), String> {
    let docs = Path::new(options.docs.as_deref().unwrap_or("docs"));
    let file = docs.join("PERFORMANCE.md");
    let said = |error: std::io::Error| format!("{}: {error}", file.display());
    // Before all the time is spent.
    let text = std::fs::read_to_string(&file).map_err(said)?;
    std::fs::write(&file, &text).map_err(said)?;
    let rounds = options.rounds.unwrap_or(100);
    let machine = machine();
    let outcomes = compare::run(&Options {
        rounds: Some(rounds),
        plot: Some(docs.join("compare.svg").to_string_lossy().into_owned()),
        ..Options::default()
    })?;
    let steady = steady::table(&steady::run(rounds)?, rounds);
    let density = density::table(&density::run(SESSIONS)?);
    let targets = targets::table(&targets::run(rounds)?);
    let contests: Vec<Table> = outcomes.iter().map(compare::table).collect();
    let mut text = text;
    for (mark, tables) in [
        ("machine", vec![]),
        ("targets", vec![targets]),
        ("compare", contests),
        ("steady", vec![steady]),
        ("density", vec![density]),
    ] {
        let tables: Vec<String> = tables.iter().map(Table::markdown).collect();
        let new = match mark {
            "machine" => machine.clone(),
            "compare" => format!("![bars](compare.svg)\n\n{}", tables.join("\n")),
            _ => tables.join("\n"),
        };
        text = replace(&text, mark, &new)?;
    }
    std::fs::write(&file, text).map_err(said)
}

/// Where it was measured.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let release = read("/proc/sys/kernel/osrelease");
    let model = read("/proc/cpuinfo");
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let huge = read("/sys/kernel/mm/transparent_hugepage/enabled");
    let huge = huge.split(['[', ']']).nth(1).unwrap_or("unknown");
    let user = match cofferdam_sys::cred::geteuid() {
        0 => "root",
        _ => "an ordinary user",
    };
    let load = match busy() {
        None => "quiet before".into(),
        Some(load) => format!("BUSY before (load average {load}), so these figures say little"),
    };
    format!(
        "Linux {}, {processors} processors ({}), huge pages: {huge}, as {user}; {load}.\n",
        release.trim(),
        model.unwrap_or("unknown").trim(),
    )
}

/// Puts `new` between the marks of a part.
fn replace(text: &str, mark: &str, new: &str) -> Result<String, String> {
    let [begin, end] = [
        format!("<!-- {mark} -->\n"),
        format!("<!-- end of {mark} -->"),
    ];
    let missing = || format!("the document has no part {mark} between `{begin}` and `{end}`");
    let (before, rest) = text.split_once(&begin).ok_or_else(missing)?;
    let (_, after) = rest.split_once(&end).ok_or_else(missing)?;
    Ok(format!("{before}{begin}{new}{end}{after}"))
}
