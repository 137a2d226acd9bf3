//! `cofferdam policy`.

use crate::args::PolicyCommand;
use crate::compose;
use crate::policy_file;
use crate::text;
use std::path::PathBuf;
use std::process::ExitCode;

/// The schema that the library keeps and checks.
const SCHEMA: &str = include_str!("../schema/policy.schema.json");

pub(crate) fn main(command: &PolicyCommand) -> ExitCode {
    match command {
        PolicyCommand::Schema => text::print(SCHEMA),
        PolicyCommand::Check { files } => check(files),
        PolicyCommand::Print { policy, json } => {
            let composed = match compose::compose(policy) {
                Ok(composed) => composed,
                Err(error) => {
                    text::complain(error, &[]);
                    return ExitCode::FAILURE;
                }
            };
            if let Err(error) = composed.policy.validate() {
                text::complain(error, &[]);
                return ExitCode::FAILURE;
            }
            let written = match json {
                true => composed.policy.to_json().map(|text| text + "\n"),
                false => composed.policy.to_toml(),
            };
            match written {
                Ok(written) => text::print(&written),
                Err(error) => {
                    text::complain(error, &[]);
                    ExitCode::FAILURE
                }
            }
        }
    }
}

fn check(files: &[PathBuf]) -> ExitCode {
    let here = match std::env::current_dir() {
        Ok(here) => here,
        Err(error) => {
            text::complain(compose::ComposeError::CurrentDirectory(error), &[]);
            return ExitCode::FAILURE;
        }
    };
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match policy_file::load_valid(file, &here) {
            Ok(_) => {
                let line = format!("{}: a valid policy\n", text::escape(file.display()));
                if text::print(&line) != ExitCode::SUCCESS {
                    code = ExitCode::FAILURE;
                }
            }
            Err(error) => {
                text::complain(error, &[]);
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
