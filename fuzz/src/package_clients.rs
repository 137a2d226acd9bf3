//! The settings of package clients: whatever they are, no password of a URL comes into the sandbox.

use crate::input::Input;
use crate::scratch;
use cofferdam::fuzzing::package_clients;
use std::fs;

/// A password that stands for nothing else.
const PASSWORD: &str = "S3CRETPW";

const URLS: [&str; 12] = [
    "https://u:S3CRETPW@a.test/simple",
    "https://u:S3CRETPW@a.test/",
    "https://u:S3CRETPW@a.test",
    "http://S3CRETPW@b.test:8080/x",
    "sparse+https://u:S3CRETPW@[2001:db8::1]:1/",
    "https://u:S3CRETPW@a.test:99999/",
    "https://u:S3CRETPW@b@c.test/",
    "ftp://u:S3CRETPW@a.test/",
    "https://a.test/",
    "https://a",
    "@a.test",
    "u",
];

/// Files that clients read, below the root.
const FILES: [&str; 8] = [
    "etc/apt/sources.list",
    "etc/apt/sources.list.d/a.sources",
    "etc/pip.conf",
    "home/.config/pip/pip.conf",
    "home/.npmrc",
    "home/.cargo/config.toml",
    "home/.config/go/env",
    "etc/npmrc",
];

/// Lines of such files; `$` is a URL.
const LINES: [&str; 28] = [
    "deb $ stable main",
    "deb-src [arch=amd64] $ stable main",
    "# deb $ stable main",
    "Types: deb",
    "URIs: $ $",
    " $",
    "Enabled: no",
    "Suites: stable",
    "",
    "[global]",
    "[install]",
    "index-url = $",
    "extra-index-url = $ $",
    "find_links: $",
    "  $",
    "registry=$",
    "@scope:registry=\"$\"",
    "//a.test/:_authToken=S3CRETPW",
    "[source.crates-io]",
    "registry = \"$\"",
    "replace-with = \"mine\"",
    "[source.mine]",
    "[registries.other]",
    "index = \"$\"",
    "token = \"S3CRETPW\"",
    "directory = \"/srv\"",
    "GOPROXY=$,$|direct",
    "GOSUMDB=sum.test $",
];

const VARIABLES: [&str; 8] = [
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "npm_config_registry",
    "npm_config_@scope:registry",
    "CARGO_REGISTRIES_MINE_INDEX",
    "GOPROXY",
    "GOSUMDB",
    "https_proxy",
];

/// One input: files, variables, and what clients answer.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let root = scratch::empty("clients");
    let mut variables = Vec::new();
    for _ in 0..input.count(0..=2) {
        variables.push((input.pick(&VARIABLES).to_owned(), filled("$ $", &mut input)));
    }
    let answer = input.bool().then(|| filled("registry $ (default $) --index-url <url>", &mut input));
    for _ in 0..input.count(1..=3) {
        let path = root.join(input.pick(&FILES));
        let mut text = String::new();
        for _ in 0..input.count(0..=9) {
            match input.byte() % 12 {
                0 => text += &String::from_utf8_lossy(input.bytes(16)).replace(PASSWORD, ""),
                _ => text += &filled(input.pick(&LINES), &mut input),
            }
            text.push('\n');
        }
        // Tokens stand alone in files of npm and cargo, which are not shown as they are.
        if path.starts_with(root.join("etc/apt")) {
            text = text.replace("=S3CRETPW", "=x").replace("\"S3CRETPW", "\"x");
        }
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(path, text).expect("written");
    }
    let given = package_clients(&root, &variables, &|_, _| answer.clone());
    for text in &given {
        assert!(!text.contains(PASSWORD), "{given:#?}\n{bytes:?}");
    }
}

fn filled(line: &str, input: &mut Input<'_>) -> String {
    let mut parts = line.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text += input.pick(&URLS);
        text += part;
    }
    text
}
