//! The visitor: a host program that is run in the places of the nesting tests, and says what it finds there.
//!
//! `visitor report DIRECTORY` tries the sandbox in each way and prints sections: a line `== NAME`, then what there
//! is to say. It never judges. `visitor act …` is the program that it has run inside.

#![allow(unsafe_code)]

mod act;
mod sandboxes;

#[path = "../../attacker/error_name.rs"]
mod error_name;

use cofferdam::{Host, Sandbox};
use cofferdam_tests::evidence::{children, descriptors, within};
use std::path::Path;
use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match &arguments[..] {
        ["report", directory] => report(Path::new(directory)),
        ["act", rest @ ..] => act::run(rest),
        other => panic!("no such command: {other:?}"),
    }
}

fn report(base: &Path) {
    let scene = sandboxes::Scene::new(base);
    section("new user namespace", &act::outside(&["unshare"]));
    section("attacks outside", &act::outside(&scene.attacks()));
    // What is made once.
    let _ = sandboxes::preferred(&scene);
    let _ = sandboxes::requiring(&scene, cofferdam::Layer::Namespaces);
    let before = held(base);

    section("required", &sandboxes::required(&scene));
    for layer in cofferdam::Layer::ALL {
        let name = format!("require {}", layer.name());
        section(&name, &sandboxes::requiring(&scene, layer));
    }
    section("preferred", &sandboxes::preferred(&scene));
    let host = Sandbox::probe();
    section("available", &available(&host));
    section("doctor", &host.to_string());

    let mut after = held(base);
    within(Duration::from_secs(10), || {
        after = held(base);
        after == before
    });
    let left = |before: &[String], after: &[String]| {
        let new = after.iter().filter(|line| !before.contains(line));
        new.cloned().collect::<Vec<_>>().join("\n")
    };
    section("left", &left(&before, &after));
}

fn section(name: &str, text: &str) {
    println!("== {name}\n{}", text.trim_end());
}

fn available(host: &Host) -> String {
    let line = |support: &cofferdam::LayerSupport| {
        let word = if support.available { "yes" } else { "no" };
        format!("{} {word}\n", support.layer.name())
    };
    host.layers.iter().map(line).collect()
}

/// What this process holds, a line each.
fn held(base: &Path) -> Vec<String> {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let files = ["tmp", "work"].into_iter().flat_map(|name| {
        let entries = std::fs::read_dir(base.join(name)).expect("a directory");
        entries
            .flatten()
            .map(|entry| format!("file {:?}", entry.path()))
    });
    descriptors()
        .into_iter()
        .map(|one| format!("descriptor {one:?}"))
        .chain(children().into_iter().map(|pid| format!("child {pid}")))
        .chain(mounts.lines().map(|line| format!("mount {line}")))
        .chain(files)
        .collect()
}
