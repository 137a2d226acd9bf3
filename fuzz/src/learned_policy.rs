//! Policies learned from what a program used, which it can make look as it likes: the text is always a
//! valid policy, and gives nothing that is dangerous to give.

use crate::input::Input;
use cofferdam::learn::{Before, Observations, Used};
use cofferdam_egress::{Host, address};
use cofferdam_policy::{Access, DangerousNames, Destination, Policy};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

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
        let mut used = used(&mut input, &path, &mut all);
        if TREES.contains(&path.to_str().unwrap_or_default()) {
            used.before = Before::Directory;
        }
        // Many beside each other may become their directory.
        for number in 0..input.byte() % 24 / 23 * 40 {
            all.files.insert(path.join(number.to_string()), used.clone());
        }
        all.files.insert(path, used);
    }
    let learned = all.learn(&command);
    let policy = Policy::from_toml(&learned.text);
    let policy = policy.unwrap_or_else(|error| panic!("{error}\n{}", learned.text));
    let valid = policy.validate();
    valid.unwrap_or_else(|error| panic!("{error}\n{}", learned.text));
    assert!(!learned.text.chars().any(|c| c.is_control() && c != '\n'), "{:?}", learned.text);
    let workspace = real(&all, Path::new(WORKSPACE)).filter(|(_, on_way)| on_way.is_empty());
    assert_eq!(policy.filesystem.workspace, workspace.map(|(path, _)| path), "{}", learned.text);
    let rules = &policy.filesystem.rules;
    for rule in rules {
        harmless(&rule.path, rule.access, &all, &learned.text);
        leads_where_it_did(&rule.path, rule.access, &all, &learned.text);
    }
    let written = rules.iter().filter(|rule| rule.access == Access::Write);
    let written = written.flat_map(|rule| [Some(rule.path.clone()), real(&all, &rule.path).map(|(real, _)| real)]);
    let written: Vec<PathBuf> = written.flatten().chain([WORKSPACE.into()]).collect();
    for rule in rules {
        let (real, on_way) = real(&all, &rule.path).expect("known");
        for one in on_way.iter().chain([&real]) {
            let open = written.iter().find(|tree| one.starts_with(tree) && one != *tree);
            assert_eq!(open, None, "{:?} leads through {one:?}\n{}", rule.path, learned.text);
        }
    }
    for rule in &policy.network.allow {
        if let Destination::Address(range) = &rule.to {
            let text = range.to_string();
            let address = Host::parse(&text);
            if let Ok(Host::Address(address)) = address {
                assert_eq!(address::special(address), None, "{}", learned.text);
            }
        }
        // By their labels: `metadata-1.example` is a name as any other.
        if let Destination::Name(name) = &rule.to {
            let name = name.to_string();
            let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
            let is_private = labels.len() < 2 || ["localhost", "local", "internal", "lan"].contains(&labels[labels.len() - 1]);
            assert!(!is_private && labels[0] != "metadata", "{}", learned.text);
        }
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

fn used(input: &mut Input<'_>, named: &Path, all: &mut Observations) -> Used {
    let flags = input.byte();
    let set = |bit: u8| flags & 1 << bit != 0;
    let mut used = Used::default();
    used.read = set(0);
    used.written = set(1);
    used.removed = set(2) && set(3);
    used.executed = set(4);
    used.connected = set(5) && set(6);
    let kind = input.byte();
    used.before = match kind % 8 {
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
    // Where links are in the end: those that were heard of, or others in their place.
    let (at, to) = (used.link.clone(), used.leads_to.clone());
    match (kind / 32, at, to) {
        (4, Some(at), to) => drop(all.links.insert(at, to)),
        (5, _, Some(to)) => drop(all.links.insert(named.into(), Some(to))),
        (6, _, _) => {
            let up = "../".repeat(input.count(0..=5));
            let above = named.ancestors().nth(input.count(0..=2)).unwrap_or(named);
            let text = path(input);
            let text = text.strip_prefix("/").unwrap_or(&text);
            // The root is no link.
            if above != Path::new("/") {
                all.links.insert(above.into(), Some(Path::new(&up).join(text)));
            }
        }
        (7, Some(at), _) => drop(all.links.insert(at, None)),
        _ => {}
    }
    used.is_socket = kind / 8 % 4 == 3;
    used.by.insert(String::from_utf8_lossy(input.bytes(6)).into_owned());
    used
}

/// Where a path leads in the end, and the links on the way: name by name from the beginning after each of them.
fn real(all: &Observations, path: &Path) -> Option<(PathBuf, Vec<PathBuf>)> {
    let mut on_way = Vec::new();
    let mut path = path.to_owned();
    'again: loop {
        if all.links.contains_key(Path::new("/")) || on_way.len() > 40 {
            return None;
        }
        let mut here = PathBuf::new();
        let mut rest = path.components();
        while let Some(part) = rest.next() {
            if part == Component::ParentDir {
                here.pop();
                continue;
            }
            here.push(part);
            if let Some(text) = all.links.get(&here) {
                on_way.push(here.clone());
                path = here.parent()?.join(text.as_ref()?).join(rest.as_path());
                continue 'again;
            }
        }
        return Some((here, on_way));
    }
}

/// Checks where one path that is given leads.
fn leads_where_it_did(path: &Path, access: Access, all: &Observations, text: &str) {
    let (real, on_way) = real(all, path).unwrap_or_else(|| panic!("{path:?} leads nowhere\n{text}"));
    if on_way.is_empty() {
        return;
    }
    harmless(&real, access, all, text);
    let hides = [HOME, "/tmp", "/var/tmp", "/dev/shm"].map(Path::new);
    let hides = hides.iter().find(|tree| real.starts_with(tree) && !path.starts_with(tree));
    assert_eq!(hides, None, "{path:?} leads to {real:?}\n{text}");
    // Where it was heard to lead: the name, what is below it or above it, or a cache.
    let heard = all.files.iter().any(|(named, used)| {
        let leads_to = used.leads_to.as_ref();
        named.starts_with(path) && leads_to.is_some_and(|leads_to| leads_to.starts_with(&real))
    });
    assert!(heard, "{path:?} leads to {real:?}\n{text}");
}

/// Checks one path that is given.
fn harmless(path: &Path, access: Access, all: &Observations, text: &str) {
    let home = Path::new(HOME);
    let leads_to = all.files.get(path).and_then(|used| used.leads_to.as_deref());
    let was = all.files.get(path).map(|used| &used.before);
    assert!(!path.starts_with("/run") && !path.starts_with("/proc") && !path.starts_with("/sys"), "{path:?}\n{text}");
    assert!(!["/", "/tmp", "/var/tmp", "/dev/shm"].iter().any(|tree| path == Path::new(tree)), "{path:?}\n{text}");
    assert!(!Path::new(WORKSPACE).starts_with(path), "{path:?}\n{text}");
    for secret in SECRET.iter().map(|name| home.join(name)).chain(OF_SYSTEM.map(PathBuf::from)) {
        assert!(!path.starts_with(&secret), "{path:?}\n{text}");
        assert!(!leads_to.is_some_and(|real| real.starts_with(&secret)), "{path:?} leads to {leads_to:?}\n{text}");
        assert!(!secret.starts_with(path), "{path:?}\n{text}");
    }
    let is_socket = all.files.get(path).is_some_and(|used| used.is_socket);
    assert!(!is_socket && !matches!(was, Some(Before::Socket)), "{path:?}\n{text}");
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
