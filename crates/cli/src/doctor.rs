//! `cofferdam doctor`: what this host offers.

use crate::args::DoctorArguments;
use crate::text;
use cofferdam::{Host, LayerSupport, Sandbox, Weakness};
use serde_json::{Value, json};
use std::process::ExitCode;

pub(crate) fn main(arguments: &DoctorArguments) -> ExitCode {
    let host = Sandbox::probe();
    let printed = text::print(&match arguments.json {
        true => format!("{:#}\n", as_json(&host)),
        false => text::escape_lines(as_text(&host)),
    });
    match host.is_full() {
        true => printed,
        false => ExitCode::FAILURE,
    }
}

/// A list of what is missing, for JSON.
pub(crate) fn weaknesses(missing: &[Weakness]) -> Vec<Value> {
    missing
        .iter()
        .map(|missing| json!({ "what": missing.what, "reason": missing.reason, "remedy": missing.remedy }))
        .collect()
}

/// The form is described in the README: keys are added, and never changed or taken away, while
/// `version` is 1.
fn as_json(host: &Host) -> Value {
    let layers = host.layers.iter().map(|support| {
        json!({
            "layer": support.layer.name(),
            "available": support.available,
            "facts": support.facts,
            "missing": weaknesses(&support.missing),
        })
    });
    json!({
        "version": 1,
        "kernel": host.kernel,
        "full": host.is_full(),
        "layers": layers.collect::<Vec<_>>(),
    })
}

fn as_text(host: &Host) -> String {
    let mut out = format!("Linux {}\n\n", host.kernel);
    for support in &host.layers {
        layer(support, &mut out);
    }
    let lacking: Vec<&str> = host
        .layers
        .iter()
        .filter(|support| !support.available)
        .map(|support| support.layer.name())
        .collect();
    out += &match lacking[..] {
        [] => "\nThe whole wall can be put up here.\n".to_owned(),
        _ => format!(
            "\nNot here: {}. A run that requires one of these starts nothing.\n",
            lacking.join(", ")
        ),
    };
    out
}

fn layer(support: &LayerSupport, out: &mut String) {
    let verdict = match (support.available, support.missing.is_empty()) {
        (true, true) => "yes",
        (true, false) => "in part",
        (false, _) => "no",
    };
    let label = format!("{:<11} {verdict}", support.layer.name());
    text::wrap(out, &label, &support.facts.join(", "), 21);
    for (index, missing) in support.missing.iter().enumerate() {
        let what = format!("{}: {}", missing.what, missing.reason);
        text::wrap(out, "            missing", &what, 21);
        // One remedy for several things in a row is said once.
        let next = support.missing.get(index + 1);
        if !missing.remedy.is_empty() && next.is_none_or(|next| next.remedy != missing.remedy) {
            text::wrap(out, "            to do", &missing.remedy, 21);
        }
    }
}
