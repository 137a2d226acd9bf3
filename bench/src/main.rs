//! Measures Cofferdam: see docs/PERFORMANCE.md for what each verb does.

#![deny(unsafe_code)]

mod audit;
mod compare;
mod contender;
mod contest;
mod density;
mod document;
mod filter;
mod gate;
#[allow(unsafe_code)]
mod kernel;
mod mechanism;
mod memory;
mod peers;
mod plot;
mod record;
mod report;
mod setting;
mod smoke;
mod steady;
mod targets;
mod view;

use std::process::ExitCode;

const USAGE: &str = "usage: bench VERB [ROUNDS] [OPTION...]
  compare [ROUNDS] [--plot FILE] [--quick]   beside the peers: start to end, first byte, sizes, threads, mounts
  contest SETTING [ROUNDS]                   one such contest, as lines for programs
  steady [ROUNDS]                            programs that run, inside to outside
  density [COUNT]                            idle sessions: memory, start, drop
  targets [ROUNDS] [--check FACTOR]          what is aimed at; with --check it fails where one is missed by more
  document [ROUNDS] [--docs DIR]             all of these, into DIR/PERFORMANCE.md and DIR/compare.svg
  smoke                                      whether all of it works
  first-byte [ROUNDS]                        start to first byte of /bin/echo
  gate [ROUNDS]                              connections out of a sandbox
  audit [ROUNDS]                             events into the record, a thousand in each round
  record [ROUNDS]                            what a recorded sandbox costs";

fn main() -> ExitCode {
    if gate::helper() {
        return ExitCode::SUCCESS;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[&str]) -> Result<ExitCode, String> {
    let (&verb, rest) = arguments.split_first().ok_or(USAGE)?;
    // Processes of the measurements.
    match (verb, rest) {
        ("starter", []) => {
            record::starter();
            return Ok(ExitCode::SUCCESS);
        }
        ("mounts", [count, uid, gid, rest @ ..]) => {
            let count = count.parse().map_err(|_| USAGE)?;
            return contest::with_mounts(count, [uid, gid], rest).map(|()| ExitCode::SUCCESS);
        }
        ("contest", [setting, rest @ ..]) => {
            let rounds = Options::parse(rest)?.rounds.unwrap_or(100);
            return contest::main(&setting.parse()?, rounds).map(|()| ExitCode::SUCCESS);
        }
        _ => {}
    }
    if steady::helper(arguments)? {
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options::parse(rest)?;
    let rounds = options.rounds.unwrap_or(300);
    match verb {
        "compare" => drop(compare::run(&options)?),
        "steady" => {
            let rounds = options.rounds.unwrap_or(100);
            println!("{}", steady::table(&steady::run(rounds)?, rounds).text());
        }
        "density" => {
            let count = options.rounds.unwrap_or(1000);
            println!("{}", density::table(&density::run(count)?).text());
        }
        "targets" => {
            let targets = targets::run(options.rounds.unwrap_or(100))?;
            println!("{}", targets::table(&targets).text());
            if options
                .check
                .is_some_and(|factor| !targets::holds(&targets, factor))
            {
                return Ok(ExitCode::FAILURE);
            }
        }
        "document" => document::run(&options)?,
        "smoke" => smoke::run()?,
        "first-byte" => compare::first_byte(rounds)?,
        "audit" => audit::run(rounds),
        "gate" => gate::run(rounds),
        "record" => record::run(rounds),
        _ => return Err(USAGE.into()),
    }
    Ok(ExitCode::SUCCESS)
}

/// What comes after the verb.
#[derive(Debug, Default)]
pub struct Options {
    rounds: Option<usize>,
    plot: Option<String>,
    docs: Option<String>,
    check: Option<f64>,
    quick: bool,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            match word {
                "--quick" => options.quick = true,
                "--docs" => options.docs = Some(words.next().ok_or(USAGE)?.to_string()),
                "--check" => {
                    let factor = words.next().and_then(|word| word.parse().ok());
                    options.check = Some(factor.ok_or(USAGE)?);
                }
                "--plot" => options.plot = Some(words.next().ok_or(USAGE)?.to_string()),
                _ => match word.parse() {
                    Ok(rounds) if rounds > 0 => options.rounds = Some(rounds),
                    _ => return Err(USAGE.into()),
                },
            }
        }
        Ok(options)
    }
}
