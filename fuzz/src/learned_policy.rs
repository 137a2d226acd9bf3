//! Policies learned from what a program used, which it can make look as it likes: the text is always a
//! valid policy, and gives nothing that is dangerous to give.

use crate::input::Input;
use cofferdam::learn::{Before, Observations, Used};
use cofferdam_egress::{Host, address};
use cofferdam_policy::{Access, DangerousNames, Destination, Policy};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const HOME: &str = "/home/u";
const WORKSPACE: &str = "/home/u/project";

const TREES: [&str; 12] = [
    HOME, HOME, HOME, WORKSPACE, "/etc", "/usr/lib", "/opt", "/dev", "/tmp", "/home/v", "/root", "/srv",
];
const PARTS: [&str; 28] = [
    ".ssh", ".aws", ".config", "gh", "git", "id_ed25519", ".netrc", ".npmrc", ".cargo", "credentials.toml",
    "bin", ".bashrc", "hooks", ".git", "config", "a", "b", "c", "d", "shadow", "ssh", "mem", "null",
    ".cache", "pip", "docker.sock", "..", "\"]\n[x]#",
];
/// Below the home: what holds secrets.
const SECRET: [&str; 10] = [
    ".ssh", ".gnupg", ".aws", ".kube", ".netrc", ".npmrc", ".config/gh", ".git-credentials",
    ".docker/config.json", ".cargo/credentials.toml",
];
const OF_SYSTEM: [&str; 5] = ["/etc/shadow", "/etc/ssh", "/etc/sudoers", "/home/v", "/root"];
/// Where nothing is to be written.
const PROGRAMS: [&str; 8] = ["/etc", "/usr", "/boot", "/opt", "/run", "/home/u/bin", "/home/u/.cargo/bin", "/dev"];
const HOSTS: [&str; 16] = [
    "example.com", "a.example.org", "localhost", "metadata.google.internal", "printer", "nas.local",
    "169.254.169.254", "127.0.0.1", "10.0.0.1", "[::1]", "[fd00:ec2::254]", "[::ffff:10.0.0.1]", "192.0.2.7",
    "[64:ff9b::a00:1]", "[2002:a00:1::]", "0.0.0.0",
];

/// One input: what was used.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut all = Observations::default();
    all.home = HOME.into();
    all.workspace = WORKSPACE.into();
    all.system = ["/usr", "/bin", "/etc/ssl/certs"].map(PathBuf::from).into();
    all.toolchains = vec!["/home/u/.rustup".into(), "/home/u/.cargo/bin".into()];
    all.cut = input.bool();
    for _ in 0..input.count(0..=3) {
        let text = match input.bool() {
            true => (input.pick(&HOSTS)).to_owned(),
            false => String::from_utf8_lossy(input.bytes(24)).into_owned(),
        };
        // What is heard of has been a host already.
        let Ok(host) = Host::parse(&text) else { continue };
        match input.bool() {
            true => drop(all.connections.insert((host.to_string(), input.u32() as u16))),
            false => drop(all.names.insert(host.to_string())),
        }
    }
    for _ in 0..input.count(0..=2) {
        let name = String::from_utf8_lossy(input.bytes(12)).into_owned();
        let list = if input.bool() { &mut all.variables } else { &mut all.values };
        list.insert(name);
    }
    let command = [OsStr::from_bytes(input.bytes(12)).to_owned()];
    while !input.is_empty() && all.files.len() < 200 {
        let path = path(&mut input);
        let mut used = used(&mut input);
        if TREES.contains(&path.to_str().unwrap_or_default()) {
            used.before = Before::Directory;
        }
        // Many beside each other may become their directory.
        for number in 0..input.byte() % 24 / 23 * 40 {
            all.files.insert(path.join(number.to_string()), used.clone());
        }
        all.files.insert(path, used);
    }
    // What is named below a link leads below where that leads; here the two are made up apart.
    let links = all.files.iter().filter(|(_, used)| used.leads_to.is_some());
    let links: Vec<PathBuf> = links.map(|(path, _)| path.clone()).collect();
    all.files.retain(|path, _| !links.iter().any(|link| path != link && path.starts_with(link)));
    let learned = all.learn(&command);
    let policy = Policy::from_toml(&learned.text);
    let policy = policy.unwrap_or_else(|error| panic!("{error}\n{}", learned.text));
    let valid = policy.validate();
    valid.unwrap_or_else(|error| panic!("{error}\n{}", learned.text));
    assert!(!learned.text.chars().any(|c| c.is_control() && c != '\n'), "{:?}", learned.text);
    assert_eq!(policy.filesystem.workspace.as_deref(), Some(Path::new(WORKSPACE)));
    for rule in &policy.filesystem.rules {
        harmless(&rule.path, rule.access, &all, &learned.text);
    }
    for rule in &policy.network.allow {
        if let Destination::Address(range) = &rule.to {
            let text = range.to_string();
            let address = Host::parse(&text);
            if let Ok(Host::Address(address)) = address {
                assert_eq!(address::special(address), None, "{}", learned.text);
            }
        }
        let text = rule.to.to_string();
        let is_here = ["localhost", "metadata", "printer", "nas.local"];
        assert!(!is_here.iter().any(|name| text.starts_with(name)), "{}", learned.text);
    }
}

fn path(input: &mut Input<'_>) -> PathBuf {
    let mut path = PathBuf::from(input.pick(&TREES));
    for _ in 0..input.count(0..=3) {
        match input.byte() % 16 {
            0 => path.push(OsStr::from_bytes(input.bytes(8)).to_string_lossy().trim_start_matches('/')),
            _ => path.push(input.pick(&PARTS)),
        }
    }
    // The kernel's paths have none of these.
    path.components().filter(|part| part.as_os_str() != "..").collect()
}

fn used(input: &mut Input<'_>) -> Used {
    let flags = input.byte();
    let set = |bit: u8| flags & 1 << bit != 0;
    let mut used = Used::default();
    used.read = set(0);
    used.written = set(1);
    used.removed = set(2) && set(3);
    used.executed = set(4);
    used.connected = set(5) && set(6);
    used.before = match input.byte() % 8 {
        0..=2 => Before::File,
        3 => Before::SetUserId,
        4 | 5 => Before::Directory,
        6 => Before::Socket,
        _ => Before::Nothing(path(input)),
    };
    if set(7) {
        used.leads_to = Some(path(input));
        used.link = Some(path(input));
    }
    used.by.insert(String::from_utf8_lossy(input.bytes(6)).into_owned());
    used
}

/// Checks one path that is given.
fn harmless(path: &Path, access: Access, all: &Observations, text: &str) {
    let home = Path::new(HOME);
    let leads_to = all.files.get(path).and_then(|used| used.leads_to.as_deref());
    let was = all.files.get(path).map(|used| &used.before);
    for secret in SECRET.iter().map(|name| home.join(name)).chain(OF_SYSTEM.map(PathBuf::from)) {
        assert!(!path.starts_with(&secret), "{path:?}\n{text}");
        assert!(!leads_to.is_some_and(|real| real.starts_with(&secret)), "{path:?} leads to {leads_to:?}\n{text}");
        // What was no directory has nothing below it.
        let is_file = matches!(was, Some(Before::File | Before::SetUserId));
        assert!(is_file || !secret.starts_with(path), "{path:?}\n{text}");
    }
    assert!(!matches!(was, Some(Before::Socket)), "{path:?}\n{text}");
    let device = path.strip_prefix("/dev").ok().and_then(|name| name.to_str());
    assert!(device.is_none_or(|name| name.starts_with("null")), "{path:?}\n{text}");
    if access == Access::Write {
        let below = path.strip_prefix(home).unwrap_or(path);
        assert_eq!(DangerousNames::default().of(below), None, "{path:?}\n{text}");
        let program = PROGRAMS.iter().find(|tree| path.starts_with(tree));
        assert_eq!(program, None, "{path:?}\n{text}");
        assert_ne!(path, home);
    }
}
