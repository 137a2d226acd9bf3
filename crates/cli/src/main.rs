//! The `cofferdam` command: any program behind the wall.

#![forbid(unsafe_code)]

mod afterwards;
mod args;
mod audit_command;
mod compose;
mod denied;
mod diff;
mod doctor;
mod exit;
mod failure;
mod generate;
mod hint;
mod image_command;
mod launch;
mod learn;
mod plan;
mod policy_command;
mod policy_file;
mod progress;
mod records;
mod review;
mod run;
mod shell;
mod signals;
mod snapshot_command;
mod terminal;
mod text;
mod tty;
mod why;

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
        Command::Shell(arguments) => shell::main(&arguments),
        Command::Plan(arguments) => plan::main(&arguments),
        Command::Diff(arguments) => diff::main(&arguments),
        Command::Snapshot(arguments) => snapshot_command::main(&arguments.command),
        Command::Audit(arguments) => audit_command::main(&arguments.command),
        Command::Why(arguments) => why::main(&arguments),
        Command::Image(arguments) => image_command::main(&arguments.command),
        Command::Doctor(arguments) => doctor::main(&arguments),
        Command::Policy(arguments) => policy_command::main(&arguments.command),
        Command::Completions { shell } => text::print(&generate::completions(shell)),
        Command::Man => text::print(&generate::man()),
    }
}
