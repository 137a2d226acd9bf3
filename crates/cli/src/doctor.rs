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
        .map(|missing| {
            let place = missing.place.as_ref();
            let place = place.map(|place| format!(" ({})", place.display()));
            json!({
                "what": missing.what,
                "reason": format!("{}{}", missing.reason, place.unwrap_or_default()),
                "remedy": missing.remedy,
            })
        })
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
    // What has the same reason is named together, and one remedy is said once.
    let groups = support.missing.chunk_by(Weakness::has_cause_of);
    let mut groups = groups.peekable();
    while let Some(group) = groups.next() {
        let names: Vec<&str> = group.iter().map(|one| &*one.what).collect();
        let what = format!("{}: {}", names.join(", "), group[0].reason);
        text::wrap(out, "            missing", &what, 21);
        let places = group.iter().filter_map(|one| one.place.as_ref());
        let places: Vec<String> = places.map(|place| place.display().to_string()).collect();
        if !places.is_empty() {
            text::wrap(out, "            seen at", &places.join(", "), 21);
        }
        let remedy = &group[0].remedy;
        let next = groups.peek();
        if !remedy.is_empty() && next.is_none_or(|next| next[0].remedy != *remedy) {
            text::wrap(out, "            to do", remedy, 21);
        }
    }
}
