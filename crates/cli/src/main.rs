//! The `cofferdam` command: any program behind the wall.

#![forbid(unsafe_code)]

mod args;
mod compose;
mod doctor;
mod exit;
mod generate;
mod hint;
mod plan;
mod policy_command;
mod policy_file;
mod run;
mod signals;
mod terminal;
mod text;

use args::{Arguments, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return exit::usage(&error),
    };
    match arguments.command {
        Command::Run(arguments) => run::main(&arguments),
        Command::Plan(arguments) => plan::main(&arguments),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Policy(arguments) => policy_command::main(&arguments.command),
        Command::Completions { shell } => text::print(&generate::completions(shell)),
        Command::Man => text::print(&generate::man()),
    }
}
