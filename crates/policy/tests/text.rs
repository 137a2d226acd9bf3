//! Policies as TOML and JSON.

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cofferdam_policy::{
    Access, Bytes, Enforce, Environment, Filesystem, FormatError, IdRange, Identity, Layers,
    Limits, Network, NetworkMode, ParseError, PathRule, Policy, PolicyError, Protect, Root, Secret,
    Symlink, Sys, SyscallIntent, SyscallProfile, Syscalls, Upper,
};
use common::policy;
use proptest::prelude::*;

const EVERYTHING: &str = r#"
[layers]
cgroup = "prefer"
network = "off"
[filesystem]
system = false
toolchains = true
root = { image = "/var/images/base", reference = "stable" }
root_access = "read"
workspace = "/home/me/repo"
workspace_access = "overlay"
protect = { add = ["deploy/"], remove = [".vscode", ".git/hooks"] }
overlay = [{ path = "/srv/z", exec = false }]
upper = { disk = "/var/lib/upper" }
read = ["/opt/data", { path = "/opt/tool", exec = false }]
write = ["/var/cache/x", { path = "/srv/y", target = "/y" }]
hide = ["/home/me/repo/.env"]
symlinks = { "/usr/bin/python" = "python3" }
tmp = "512MiB"
home = "none"
proc = false
dev = false
sys = "read-only"
[network]
mode = "host"
connect = [443]
bind = []
[environment]
inherit = ["TERM"]
set = { RUST_BACKTRACE = "1" }
[limits]
memory = "2GiB"
processes = 256
cpus = 1.5
io_weight = 50
wall_clock = "10m"
open_files = 1024
file_size = 1048576
core = "1MB"
stack = "8M"
cpu_time = "1h30m"
[syscalls]
profile = { stacked = ["strict", { oci = "/etc/p.json" }] }
allow = ["ptrace", "io-uring"]
[identity]
range = { start = 100000, count = 65536 }
inside = [1000, 100]
"#;

fn everything() -> Policy {
    Policy {
        layers: Layers {
            cgroup: Enforce::Prefer,
            network: Enforce::Off,
            ..Layers::default()
        },
        filesystem: Filesystem {
            system: false,
            toolchains: true,
            root: Root::image("/var/images/base").reference("stable"),
            root_access: Access::Read,
            workspace: Some("/home/me/repo".into()),
            workspace_access: Access::Overlay,
            protect: Protect::on()
                .add("deploy/")
                .remove(".vscode")
                .remove(".git/hooks"),
            upper: Upper::Disk(Some("/var/lib/upper".into())),
            rules: vec![
                PathRule::read("/opt/data"),
                PathRule::read("/opt/tool").no_exec(),
                PathRule::write("/var/cache/x"),
                PathRule::write("/srv/y").at("/y"),
                PathRule::overlay("/srv/z").no_exec(),
                PathRule::hide("/home/me/repo/.env"),
            ],
            symlinks: vec![Symlink {
                path: "/usr/bin/python".into(),
                target: "python3".into(),
            }],
            tmp: Some(Bytes::mib(512)),
            home: None,
            proc: false,
            dev: false,
            sys: Sys::ReadOnly,
        },
        network: Network {
            mode: NetworkMode::Host,
            connect: Some(vec![443]),
            bind: Some(vec![]),
            ..Network::default()
        },
        environment: Environment::empty()
            .inherit("TERM")
            .set("RUST_BACKTRACE", "1"),
        limits: Limits::default()
            .memory_mib(2048)
            .processes(256)
            .cpus(1.5)
            .io_weight(50)
            .wall_clock(Duration::from_secs(600))
            .open_files(1024)
            .file_size(Bytes::mib(1))
            .core(Bytes::new(1_000_000))
            .stack(Bytes::mib(8))
            .cpu_time(Duration::from_secs(5400)),
        syscalls: Syscalls::default()
            .profile(SyscallProfile::Stacked(
                [
                    SyscallProfile::Strict,
                    SyscallProfile::Oci("/etc/p.json".into()),
                ]
                .into(),
            ))
            .allow(SyscallIntent::Ptrace)
            .allow(SyscallIntent::IoUring),
        identity: Identity {
            range: Some(IdRange {
                start: 100_000,
                count: 65_536,
            }),
            inside: Some((1000, 100)),
        },
        ..Policy::default()
    }
}

#[test]
fn everything_is_read_and_written() {
    assert_eq!(Policy::from_toml(EVERYTHING), Ok(everything()));
    assert_eq!(everything().validate(), Ok(()));
    let toml = everything().to_toml().expect("writable");
    assert_eq!(Policy::from_toml(&toml), Ok(everything()));
    let json = everything().to_json().expect("writable");
    assert_eq!(Policy::from_json(&json), Ok(everything()));
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(Policy::from_toml(""), Ok(Policy::default()));
    assert_eq!(Policy::from_json("{}"), Ok(Policy::default()));
    assert_eq!(
        Policy::from_toml("[filesystem]\n[limits]"),
        Ok(Policy::default())
    );
    let none =
        Policy::from_toml("environment.inherit = []\nidentity.range = 'none'").expect("fine");
    assert_eq!(none.environment, Environment::empty());
    assert_eq!(none.identity.range, None);
    // An empty list is not a list left out.
    assert_eq!(
        Policy::from_toml(&none.to_toml().expect("writable")),
        Ok(none)
    );
}

#[test]
fn a_word_or_a_table() {
    let files = |text: &str| {
        let policy = Policy::from_toml(&format!("[filesystem]\n{text}")).expect(text);
        let toml = policy.to_toml().expect("writable");
        assert_eq!(Policy::from_toml(&toml).as_ref(), Ok(&policy), "{toml}");
        policy.filesystem
    };
    assert_eq!(files("protect = true").protect, Protect::on());
    assert_eq!(files("protect = false").protect, Protect::off());
    let off = files("protect = { enabled = false, add = ['a'] }").protect;
    assert_eq!(off, Protect::off().add("a"));
    assert_eq!(files("upper = 'disk'").upper, Upper::Disk(None));
    assert_eq!(files("upper = '2GiB'").upper, Upper::Memory(Bytes::gib(2)));
    assert_eq!(files("upper = 4096").upper, Upper::Memory(Bytes::kib(4)));
    assert_eq!(files("root = 'host'"), Filesystem::default());

    // A root switches the preset off unless the text asks for both.
    let root = files("root = { directory = '/r' }");
    assert_eq!(root, Filesystem::default().root_directory("/r"));
    assert!(!root.system);
    assert!(!files("root = { image = '/i' }").system);
    let text = "[filesystem]\nsystem = true\nroot = { directory = '/r' }";
    let both = Policy::from_toml(text).expect("fine");
    assert_eq!(both.validate(), Err(PolicyError::SystemWithRoot));
}

#[test]
fn unknown_keys_get_a_suggestion() {
    let text = "[limits]\nprocesses = 5\nmemry = \"1GiB\"\n";
    let error = Policy::from_toml(text).expect_err("unknown key");
    assert_eq!(
        error.to_string(),
        "line 3, column 1: unknown key `memry` in [limits]: did you mean `memory`?"
    );
    let error = Policy::from_json(r#"{"limits": {"memry": 1}}"#).expect_err("unknown key");
    assert!(matches!(
        &error,
        ParseError::UnknownKey { key, table: "[limits]", suggestion: Some(near), line: 1, .. }
            if key == "memry" && near == "memory"
    ));
    for (text, table, suggestion) in [
        ("filesytem = {}", "the top level", Some("filesystem")),
        ("layers.cgroups = 'off'", "[layers]", Some("cgroup")),
        ("filesystem.reads = []", "[filesystem]", Some("read")),
        (
            "[[filesystem.read]]\npath = '/a'\nexecute = true",
            "a path of [filesystem]",
            Some("exec"),
        ),
        ("network.conect = []", "[network]", Some("connect")),
        (
            "environment.inherits = []",
            "[environment]",
            Some("inherit"),
        ),
        ("limits.wall-clock = '1s'", "[limits]", Some("wall_clock")),
        (
            "syscalls.profiles = 'strict'",
            "[syscalls]",
            Some("profile"),
        ),
        (
            "syscalls.profile.oc = 'x'",
            "the profile of [syscalls]",
            Some("oci"),
        ),
        (
            "filesystem.protect.added = []",
            "protect of [filesystem]",
            Some("add"),
        ),
        (
            "filesystem.root.directry = '/r'",
            "the root of [filesystem]",
            Some("directory"),
        ),
        (
            "filesystem.upper.disc = '/u'",
            "the upper of [filesystem]",
            Some("disk"),
        ),
        ("identity.ranges = 'none'", "[identity]", Some("range")),
        (
            "identity.range = {start = 1, cont = 2}",
            "the range of [identity]",
            Some("count"),
        ),
        (
            "network.allow = [{ to = 'a', path = [] }]",
            "a rule of [network]",
            Some("paths"),
        ),
        (
            "network.ssh_agent.key = []",
            "ssh_agent of [network]",
            Some("keys"),
        ),
        ("secrets.T.form = {}", "a table of [secrets]", Some("from")),
        ("limits.favourite_colour = 1", "[limits]", None),
        ("limits.\"a`, expected `b\" = 1", "[limits]", None),
    ] {
        match Policy::from_toml(text).expect_err(text) {
            ParseError::UnknownKey {
                table: found,
                suggestion: near,
                ..
            } => {
                assert_eq!((found, near.as_deref()), (table, suggestion), "{text}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn unknown_values_get_a_suggestion() {
    for (text, says) in [
        ("layers.cgroup = 'requir'", "did you mean `require`?"),
        ("network.mode = 'hosts'", "did you mean `host`?"),
        ("filesystem.sys = 'readonly'", "did you mean `read-only`?"),
        ("syscalls.profile = 'strickt'", "did you mean `strict`?"),
        (
            "syscalls.allow = ['nested_namespaces']",
            "did you mean `nested-namespaces`?",
        ),
        (
            "filesystem.workspace_access = 'overlays'",
            "did you mean `overlay`?",
        ),
        (
            "secrets.T.from = { comand = ['a'] }",
            "did you mean `command`?",
        ),
        ("secrets.T.place = 'bearr'", "did you mean `bearer`?"),
        ("network.mode = 'open'", "use one of none, rules, host"),
    ] {
        let error = Policy::from_toml(text).expect_err(text);
        assert!(
            matches!(error, ParseError::UnknownValue { line: 1, .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[test]
fn mistakes_are_placed() {
    for (text, place, says) in [
        (
            "[limits]\nmemory = \"1.5GiB\"",
            "line 2, column 10",
            "1536MiB",
        ),
        ("[limits]\nmemory = -1", "line 2, column 10", "512MiB"),
        ("[limits]\nwall_clock = \"10\"", "line 2, column 14", "unit"),
        (
            "[limits]\nwall_clock = 10",
            "line 2, column 14",
            "expected a string",
        ),
        (
            "[limits]\ncpus = \"two\"",
            "line 2, column 8",
            "such as 1.5",
        ),
        (
            "[filesystem]\nread = \"/a\"",
            "line 2, column 8",
            "expected a sequence",
        ),
        (
            "[network]\nallow = [\"https://a.test\"]",
            "line 2",
            "write `a.test:443`",
        ),
        ("[network]\nallow = [1]", "line 2", "a rule such as"),
        (
            "[network]\nallow = [{ to = \"a GET\", paths = [\"/\"] }]",
            "line 2",
            "write them once",
        ),
        (
            "[network]\nallow = [{ to = \"a\", paths = [\"b\"] }]",
            "line 2",
            "begin with `/`",
        ),
        ("[network]\nallow = [{}]", "line 2", "missing field `to`"),
        ("[network]\ndeny = [\"127.1\"]", "line 2", "127.0.0.1"),
        ("[network]\npublish = [80]", "line 2", "a port to publish"),
        ("[network]\npublish = [\"0\"]", "line 2", "port 0"),
        ("[network]\nforward = [\"db\"]", "line 2", "place inside"),
        ("[network]\nssh_agent = []", "line 2", "a table"),
        ("secrets = []", "line 1", "a table"),
        ("[secrets]\nT = []", "line 2", "a table"),
        (
            "[secrets.T]\nhosts = [\"10.0.0.1\"]",
            "line 2",
            "bound to names",
        ),
        ("[secrets.T]\nttl = \"10\"", "line 2", "unit"),
        ("[filesystem]\nread = [1]", "line 2", "a path or a table"),
        (
            "[filesystem]\nread = [{ exec = true }]",
            "line 2",
            "missing field `path`",
        ),
        ("[filesystem]\ntmp = []", "line 2", "a value or \"none\""),
        ("[filesystem]\ntmp = \"all\"", "line 2", "512MiB"),
        ("[filesystem]\nupper = \"all\"", "line 2", "512MiB"),
        ("[filesystem]\nupper = -1", "line 2", "\"disk\""),
        ("[filesystem]\nupper = {}", "line 2", "missing field `disk`"),
        ("[filesystem]\nprotect = 1", "line 2", "true, false"),
        ("[filesystem]\nprotect = [\"x\"]", "line 2", "true, false"),
        ("[filesystem]\nroot = \"/r\"", "line 2", "directory"),
        ("[filesystem]\nroot = {}", "line 2", "directory"),
        (
            "[filesystem]\nroot = { directory = \"/r\", reference = \"x\" }",
            "line 2",
            "directory",
        ),
        (
            "[filesystem]\nroot = { directory = \"/r\", image = \"x\" }",
            "line 2",
            "directory",
        ),
        ("[network]\nconnect = [65536]", "line 2", "u16"),
        ("[syscalls]\nprofile = {}", "line 2", "\"strict\""),
        (
            "[syscalls]\nprofile = { oci = \"a\", stacked = [] }",
            "line 2",
            "\"strict\"",
        ),
        (
            "[syscalls]\nprofile = { stacked = [3] }",
            "line 2",
            "\"strict\"",
        ),
        ("[identity]\nrange = 3", "line 2", "IdRange"),
        (
            "[limits]\nmemory = \"1G\"\nmemory = \"2G\"",
            "line 3",
            "duplicate key",
        ),
        ("limits = [1]", "line 1", "expected a table"),
        (
            "[identity]\nrange = [1, 2]",
            "line 2",
            "a value or \"none\"",
        ),
        (
            "[filesystem]\nread = [[\"/a\", true]]",
            "line 2",
            "a path or a table",
        ),
        ("[limits", "line 1", "]"),
    ] {
        let error = Policy::from_toml(text).expect_err(text).to_string();
        assert!(
            error.starts_with(place) && error.contains(says),
            "{text}\n{error}"
        );
    }
    let error = Policy::from_json("{\n \"limits\": 5}").expect_err("no table");
    assert!(
        matches!(error, ParseError::Malformed { line: 2, .. }),
        "{error:?}"
    );
    let error = Policy::from_json("{").expect_err("cut off").to_string();
    assert_eq!(error, "line 1, column 1: EOF while parsing an object");
}

#[test]
fn relative_paths_are_rebased() {
    let text = "syscalls.profile = { stacked = ['default', { oci = 'p.json' }] }\n[filesystem]\n\
                workspace = '.'\nread = ['a/./b', '/c', { path = 'd', target = '/t' }]\n\
                hide = ['.env']\nsymlinks = { '/l' = 'x' }";
    let policy = Policy::from_toml(text).expect("fine");
    assert!(matches!(
        policy.validate(),
        Err(PolicyError::RelativePath { .. })
    ));
    let policy = policy.rebase(Path::new("/w"));
    assert_eq!(policy.validate(), Ok(()));
    assert_eq!(policy.filesystem.workspace, Some("/w".into()));
    let paths: Vec<_> = policy
        .filesystem
        .rules
        .iter()
        .map(|rule| rule.path.as_os_str())
        .collect();
    assert_eq!(paths, ["/w/a/b", "/c", "/w/d", "/w/.env"]);
    assert_eq!(policy.filesystem.symlinks[0].target, Path::new("x"));
    let oci = SyscallProfile::Oci("/w/p.json".into());
    assert_eq!(
        policy.syscalls.profile,
        SyscallProfile::Stacked([SyscallProfile::Default, oci].into())
    );
    let text = "[filesystem]\noverlay = ['o']\nroot = { directory = 'r' }\n\
                upper = { disk = 'u' }\nprotect = { add = ['p'] }";
    let policy = Policy::from_toml(text)
        .expect("fine")
        .rebase(Path::new("/w"));
    assert_eq!(policy.validate(), Ok(()));
    assert_eq!(policy.filesystem.rules, [PathRule::overlay("/w/o")]);
    assert_eq!(policy.filesystem.root, Root::directory("/w/r"));
    assert_eq!(policy.filesystem.upper, Upper::Disk(Some("/w/u".into())));
    assert_eq!(policy.filesystem.protect, Protect::on().add("p"));
    let image = Policy::from_toml("filesystem.root.image = 'i'").expect("fine");
    let image = image.rebase(Path::new("/w"));
    assert_eq!(image.filesystem.root, Root::image("/w/i"));
    // What only the disk knows is left to be refused.
    let up = Policy::from_toml("filesystem.workspace = '../x'").expect("fine");
    let up = up.rebase(Path::new("/w"));
    assert!(matches!(
        up.validate(),
        Err(PolicyError::ParentComponent { .. })
    ));
    let empty = Policy::from_toml("filesystem.read = ['']").expect("fine");
    let empty = empty.rebase(Path::new("/w"));
    assert!(matches!(
        empty.validate(),
        Err(PolicyError::EmptyPath { .. })
    ));
    let base = Policy::from_toml("filesystem.workspace = '.'").expect("fine");
    let base = base.rebase(Path::new("w"));
    assert!(matches!(
        base.validate(),
        Err(PolicyError::RelativePath { .. })
    ));
}

#[test]
fn what_has_no_text_is_refused() {
    let bytes = || PathBuf::from(OsStr::from_bytes(b"/\xff"));
    let files = |filesystem| Policy {
        filesystem,
        ..Policy::default()
    };
    let network = |network| Policy {
        network,
        ..Policy::default()
    };
    for policy in [
        files(Filesystem::default().read(bytes())),
        files(Filesystem::default().hide(bytes())),
        files(Filesystem::default().workspace(bytes())),
        files(Filesystem::default().rule(PathRule::read("/a").at(bytes()))),
        files(Filesystem::default().symlink("/a", bytes())),
        files(Filesystem::default().overlay(bytes())),
        files(Filesystem::default().root_directory(bytes())),
        files(Filesystem::default().root_image(bytes())),
        files(Filesystem::default().upper(Upper::Disk(Some(bytes())))),
        files(Filesystem::default().protect_name(bytes())),
        files(Filesystem::default().unprotect_name(bytes())),
        network(Network::default().trust(bytes())),
        network(Network::default().forward_unix("/a", bytes())),
        network(Network::default().forward_unix(bytes(), "/a")),
        Policy {
            secrets: vec![Secret::default().env("A").from_file(bytes())],
            ..Policy::default()
        },
        Policy {
            syscalls: Syscalls::default().oci(bytes()),
            ..Policy::default()
        },
    ] {
        let error = policy.to_toml().expect_err("not UTF-8");
        assert_eq!(error, FormatError::NotUtf8 { path: bytes() });
        assert!(error.to_string().contains(r"/\xFF"), "{error}");
        assert_eq!(policy.to_json(), Err(error));
        assert!(serde_json::to_value(&policy).is_err());
    }
    let twice = files(Filesystem::default().symlink("/a", "b").symlink("/a", "c"));
    assert!(matches!(
        twice.to_toml(),
        Err(FormatError::DuplicateSymlink { .. })
    ));
    let limits = Limits::default().cpus(f64::NAN);
    let policy = Policy {
        limits,
        ..Policy::default()
    };
    assert!(matches!(policy.to_toml(), Err(FormatError::Value { .. })));
    assert!(matches!(policy.to_json(), Err(FormatError::Value { .. })));
}

/// The order in which text keeps the rules.
fn sorted(mut policy: Policy) -> Policy {
    policy
        .filesystem
        .rules
        .sort_by_key(|rule| match rule.access {
            Access::Read => 0,
            Access::Write => 1,
            Access::Overlay => 2,
            Access::Hide => 3,
        });
    policy.secrets.sort_by(|a, b| a.name.cmp(&b.name));
    policy
}

proptest! {
    #[test]
    fn text_round_trips(policy in policy()) {
        let toml = policy.to_toml().expect("writable");
        let json = policy.to_json().expect("writable");
        let policy = sorted(policy);
        prop_assert_eq!(Policy::from_toml(&toml), Ok(policy.clone()), "{}", toml);
        prop_assert_eq!(Policy::from_json(&json), Ok(policy.clone()), "{}", json);
    }

    #[test]
    fn no_text_makes_the_readers_panic(cut in 0..EVERYTHING.len(), insert in "\\PC{0,4}") {
        let mut text = String::from(EVERYTHING);
        text.insert_str(cut, &insert);
        for text in [&text, &text[..cut], &text[cut..]] {
            if let Ok(policy) = Policy::from_toml(text) {
                let _ = policy.validate();
                let _ = policy.normalize();
            }
            let _ = Policy::from_json(text);
        }
    }
}
