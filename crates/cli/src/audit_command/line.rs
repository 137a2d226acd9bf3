//! A record on one line.

use crate::text;
use cofferdam::audit::event::{Event, Network, NetworkAct, Record, Usage};

/// The longest line of a terminal, in characters.
const LONGEST: usize = 400;

/// The record on one line, with nothing in it that could steer a terminal.
pub(crate) fn line(record: &Record) -> String {
    let context = &record.context;
    let place = match (context.session, context.command) {
        (Some(session), Some(command)) => format!("{session}.{command}"),
        (Some(session), None) => session.to_string(),
        _ => "-".to_owned(),
    };
    // Up to the millisecond.
    let time = record.time.get(..23).unwrap_or(&record.time);
    let what = text::escape(what(&record.event));
    let what: String = match what.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}\u{2026}", &what[..end]),
        None => what,
    };
    format!(
        "{:>6} {} {place:>6} {what}\n",
        record.seq,
        text::escape(time)
    )
}

fn what(event: &Event) -> String {
    let kind = event.kind();
    match event {
        Event::LogOpened { writer, cut: 0, .. } => format!("{kind} by {writer}"),
        Event::LogOpened { writer, cut, .. } => {
            format!("{kind} by {writer}; {cut} bytes of an unfinished line were cut off")
        }
        Event::LogClosed { next: Some(next) } => format!("{kind}, continued in {next}"),
        Event::SessionStarted { pid, workspace, .. } => match workspace {
            Some(workspace) => format!("{kind}, process 1 is {pid}, workspace {workspace}"),
            None => format!("{kind}, process 1 is {pid}"),
        },
        Event::SessionEnded { usage } => format!("{kind} after {}", time(usage)),
        Event::CommandStarted { argv, cwd, .. } => format!("{kind} {} in {cwd}", words(argv)),
        Event::CommandFailed { argv, error } => format!("{kind} {}: {error}", words(argv)),
        Event::CommandEnded {
            code,
            signal,
            usage,
        } => match (code, signal) {
            (Some(code), _) => format!("{kind} with code {code} after {}", time(usage)),
            (None, Some(signal)) => format!("{kind} by signal {signal} after {}", time(usage)),
            (None, None) => format!("{kind} after {}", time(usage)),
        },
        Event::Exec {
            pid,
            parent,
            path,
            argv,
            truncated,
        } => {
            let more = if *truncated { " \u{2026}" } else { "" };
            format!("{kind} {path} as {}{more} ({pid} of {parent})", words(argv))
        }
        Event::Network(network) => of_network(network),
        Event::SyscallDenied {
            pid,
            syscall,
            times,
            denial,
            ..
        } => format!(
            "{kind} {syscall}{} ({pid}): {}",
            often(*times),
            denial.reason
        ),
        Event::FileDenied {
            path,
            times,
            denial,
            ..
        } => format!("{kind} {path}{}: {}", often(*times), denial.reason),
        Event::AccessDenied {
            object,
            right,
            times,
            denial,
            ..
        } => format!(
            "{kind} {right} {object}{}: {}",
            often(*times),
            denial.reason
        ),
        Event::FileChanged {
            path,
            change,
            risks,
            state,
        } => match risks.is_empty() {
            true => format!("{kind} {path}: {change}, {state}"),
            false => format!("{kind} {path}: {change}, {state}; {}", risks.join("; ")),
        },
        Event::SecretUsed { name, host } => format!("{kind} {name} for {host}"),
        Event::LimitHit { limit, denial } => format!("{kind} {limit}: {}", denial.reason),
        Event::ToolCallStarted { tool, reason, .. } => match reason.is_empty() {
            true => format!("{kind} {tool}"),
            false => format!("{kind} {tool}: {reason}"),
        },
        Event::ToolCallEnded { error, duration_us } => {
            let after = format!("{kind} after {} ms", duration_us / 1000);
            match error.is_empty() {
                true => after,
                false => format!("{after}: {error}"),
            }
        }
        Event::Note { name, attributes } => {
            let pairs = attributes
                .iter()
                .map(|(name, value)| format!(" {name}={value}"));
            format!("{kind} {name}{}", pairs.collect::<String>())
        }
        Event::Suppressed { kind: of, count } => format!("{kind}: {count} more of {of}"),
        _ => kind.to_owned(),
    }
}

fn of_network(network: &Network) -> String {
    let what = match network.what {
        NetworkAct::Lookup => "lookup of",
        NetworkAct::Opening => "about to connect to",
        NetworkAct::Connection => "connection to",
        NetworkAct::Request => "request to",
        NetworkAct::Signature => "signature by",
        NetworkAct::Forward => "forwarded to",
        NetworkAct::Publish => "published to",
        NetworkAct::Proxy => "a refused proxy request by",
        _ => "network",
    };
    let mut text = format!("{what} {}", network.host);
    if let Some(port) = network.port {
        text += &format!(":{port}");
    }
    if let Some([method, path]) = &network.request {
        text += &format!(" {method} {path}");
    }
    text += &often(network.times);
    match &network.denial {
        Some(denial) => format!("{text}: denied, {}", denial.reason),
        None if network.what == NetworkAct::Opening => {
            format!("{text}: allowed by {}", network.rule)
        }
        None => {
            let (sent, received) = (network.sent, network.received);
            format!(
                "{text}: allowed by {}, {sent} bytes out, {received} in",
                network.rule
            )
        }
    }
}

fn words(argv: &[String]) -> String {
    argv.join(" ")
}

fn often(times: u64) -> String {
    match times {
        0 | 1 => String::new(),
        times => format!(" {times} times"),
    }
}

fn time(usage: &Usage) -> String {
    format!("{} ms", usage.wall_us / 1000)
}
