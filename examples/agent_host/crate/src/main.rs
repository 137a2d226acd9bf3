//! `csvtable [--sort COLUMN] < FILE`: shows comma-separated values as a table.

use csvtable::Table;
use std::io::Read;
use std::process::ExitCode;

const USAGE: &str = "usage: csvtable [--version] [--sort COLUMN] < FILE";

fn main() -> ExitCode {
    match run() {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("csvtable: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Box<dyn std::error::Error>> {
    let mut sort = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--version" => return Ok(format!("csvtable {}\n", env!("CARGO_PKG_VERSION"))),
            "--sort" => sort = Some(arguments.next().ok_or(USAGE)?),
            _ => return Err(USAGE.into()),
        }
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let mut table = Table::parse(&text)?;
    if let Some(name) = sort {
        let column = table.column(&name).ok_or(format!("no column {name:?}"))?;
        table.sort_by(column);
    }
    Ok(table.to_string())
}
