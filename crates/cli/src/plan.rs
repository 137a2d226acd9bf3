//! `cofferdam plan`: what a run would do.

use crate::args::PlanArguments;
use crate::failure::RunFailure;
use crate::{doctor, launch, progress, text};
use cofferdam::{LayerReport, Sandbox};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::process::ExitCode;

pub(crate) fn main(arguments: &PlanArguments) -> ExitCode {
    match plan(arguments) {
        Ok(plan) => text::print(&plan),
        Err(failure) => {
            text::complain(&failure, &failure.hints());
            failure.code().into()
        }
    }
}

fn plan(arguments: &PlanArguments) -> Result<String, RunFailure> {
    let composed = launch::ask(&arguments.policy, &arguments.review)?.composed;
    let _image = progress::unpack(&composed.policy.filesystem.root)?;
    let sandbox = Sandbox::builder().policy(composed.policy).build()?;
    let mut names: Vec<OsString> = sandbox
        .environment()
        .map(|(name, _)| name.to_owned())
        .chain(composed.variables.into_iter().map(|(name, _)| name))
        .collect();
    names.sort();
    names.dedup();
    let plan = Plan {
        sandbox: &sandbox,
        names: names
            .iter()
            .map(|name| name.to_string_lossy().into())
            .collect(),
        command: &arguments.command,
    };
    Ok(match arguments.json {
        true => plan.json(),
        false => plan.text(),
    })
}

/// What is printed.
struct Plan<'a> {
    sandbox: &'a Sandbox,
    names: Vec<String>,
    command: &'a [OsString],
}

impl Plan<'_> {
    fn text(&self) -> String {
        let policy = match self.sandbox.policy().to_toml() {
            Ok(policy) => policy,
            Err(error) => format!("# {error}\n"),
        };
        let command = match self.command {
            [] => String::new(),
            command => format!("# Command\n{command:?}\n\n"),
        };
        let layers: String = self
            .sandbox
            .planned()
            .iter()
            .map(LayerReport::to_string)
            .collect();
        text::escape_lines(format_args!(
            "{command}# Policy\n{}\n\n# Variables\n{}\n\n# Layers\n{}\n\n# Operations\n{}\n",
            policy.trim_end(),
            self.names.join("\n"),
            layers.trim_end(),
            self.sandbox.plan().to_string().trim_end(),
        ))
    }

    fn json(&self) -> String {
        let policy = self.sandbox.policy().to_json().ok();
        let policy = policy.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let words: Vec<_> = self
            .command
            .iter()
            .map(|word| word.to_string_lossy())
            .collect();
        let operations = self.sandbox.plan().to_string();
        let plan = json!({
            "version": 1,
            "command": words,
            "policy": policy,
            "variables": self.names,
            "layers": self.sandbox.planned().iter().map(layer).collect::<Vec<_>>(),
            "operations": operations.lines().collect::<Vec<_>>(),
        });
        format!("{plan:#}\n")
    }
}

fn layer(report: &LayerReport) -> Value {
    json!({
        "layer": report.layer.name(),
        "asked": report.asked.name(),
        "state": report.state().to_string(),
        "in_force": report.in_force,
        "weaker": doctor::weaknesses(&report.weaker),
    })
}
