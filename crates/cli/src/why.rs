//! `cofferdam why`: the denials of a run, and what would allow each.

use crate::args::WhyArguments;
use crate::audit_command::AuditFailure;
use crate::{records, text};
use cofferdam::Denial;
use cofferdam::audit::event::{Event, Record};
use cofferdam::audit::log::Reader;
use std::process::ExitCode;

/// Denials that are told apart.
const MOST: usize = 200;

pub(crate) fn main(arguments: &WhyArguments) -> ExitCode {
    match run(arguments) {
        Ok(text) => text::print(&text),
        Err(error) => {
            text::complain(error, &[]);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &WhyArguments) -> Result<String, AuditFailure> {
    let path = records::find(arguments.record.file.as_deref())?;
    let mut found = Found::default();
    for record in Reader::open(&path)? {
        found.hear(&record?);
    }
    Ok(match arguments.for_model {
        true => found.for_model(),
        false => found.told(),
    })
}

#[derive(Default)]
struct Found {
    commands: Vec<String>,
    /// With how often, in the order of their first time.
    denials: Vec<(Denial, u64)>,
    more: u64,
}

impl Found {
    fn hear(&mut self, record: &Record) {
        if let Event::CommandStarted { argv, .. } | Event::CommandFailed { argv, .. } =
            &record.event
        {
            self.commands.push(argv.join(" "));
        }
        let Some(denial) = record.event.denial() else {
            return;
        };
        let times = match &record.event {
            Event::SyscallDenied { times, .. }
            | Event::FileDenied { times, .. }
            | Event::AccessDenied { times, .. } => *times,
            Event::Network(network) => network.times,
            _ => 1,
        };
        let known = self.denials.len();
        match self.denials.iter_mut().find(|(known, _)| known == denial) {
            Some((_, count)) => *count += times,
            None if known < MOST => self.denials.push((denial.clone(), times)),
            None => self.more += times,
        }
    }

    fn told(&self) -> String {
        let mut out = String::new();
        for command in &self.commands {
            text::wrap(&mut out, "command", &text::escape(command), 12);
        }
        if self.denials.is_empty() {
            out += "nothing was denied, as far as can be known\n";
        }
        for (denial, times) in &self.denials {
            let times = match times {
                0 | 1 => String::new(),
                times => format!(", {times} times"),
            };
            let sure = match denial.confidence {
                cofferdam::Confidence::Certain => "",
                _ => " (inferred)",
            };
            let what = format!("{}{times}{sure}", denial.what);
            text::wrap(&mut out, &denial.layer, &text::escape(what), 12);
            text::wrap(&mut out, "  why", &text::escape(&denial.reason), 12);
            if !denial.rule.is_empty() {
                text::wrap(&mut out, "  rule", &text::escape(&denial.rule), 12);
            }
            if !denial.remedy.is_empty() {
                text::wrap(&mut out, "  to do", &text::escape_lines(&denial.remedy), 12);
            }
        }
        if self.more > 0 {
            out += &format!("and {} more\n", self.more);
        }
        out
    }

    fn for_model(&self) -> String {
        let lines = self.denials.iter().map(|(denial, _)| denial.for_model());
        let mut out: String = lines.map(|line| text::escape(line) + "\n").collect();
        if self.more > 0 {
            out += &format!("The sandbox refused {} more.\n", self.more);
        }
        out
    }
}
