//! Tests of what is proposed, against whole texts that are kept beside them. With `COFFERDAM_GOLDEN` set they are
//! written anew, to be looked at.

mod links;

use super::used::{Before, Observations, Used};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

fn observations() -> Observations {
    Observations {
        workspace: "/home/u/project".into(),
        home: "/home/u".into(),
        system: ["/usr", "/bin", "/etc/ssl/certs"].map(PathBuf::from).into(),
        toolchains: vec!["/home/u/.cargo/bin".into()],
        ..Observations::default()
    }
}

fn used(by: &str) -> Used {
    Used {
        by: [by.to_owned()].into(),
        ..Used::default()
    }
}

fn read(all: &mut Observations, path: &str) {
    all.files
        .entry(path.into())
        .or_insert_with(|| used("tool"))
        .read = true;
}

fn write(all: &mut Observations, path: &str) {
    all.files
        .entry(path.into())
        .or_insert_with(|| used("tool"))
        .written = true;
}

fn make(all: &mut Observations, path: &str, above: &str) {
    let used = Used {
        written: true,
        before: Before::Nothing(above.into()),
        ..used("tool")
    };
    all.files.insert(path.into(), used);
}

fn learn(all: &Observations) -> String {
    let learned = all.learn(&["tool", "--all"]);
    #[cfg(feature = "serde")]
    {
        let policy = crate::Policy::from_toml(&learned.text);
        let policy = policy.unwrap_or_else(|error| panic!("{error}\n{}", learned.text));
        policy
            .validate()
            .unwrap_or_else(|error| panic!("{error}\n{}", learned.text));
    }
    learned.text
}

/// The lines that are no comments.
fn lines(all: &Observations) -> Vec<String> {
    let text = learn(all);
    let lines = text.lines().map(str::trim);
    let given = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
    let given = given.map(|line| line.split(" # ").next().unwrap_or(line).to_owned());
    given
        .filter(|line| !matches!(line.as_str(), "]" | "[filesystem]"))
        .collect()
}

const WORKSPACE: &str = "workspace = \"/home/u/project\"";

#[track_caller]
fn golden(name: &str, all: &Observations) {
    let text = learn(all);
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/learn/golden")
        .join(name);
    if std::env::var_os("COFFERDAM_GOLDEN").is_some() {
        std::fs::write(&path, &text).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, kept, "{}", path.display());
}

#[test]
fn a_run_that_used_nothing_gets_the_workspace() {
    golden("nothing.toml", &observations());
}

#[test]
fn an_ordinary_run() {
    let mut all = observations();
    for path in [
        "/home/u/project/src/a",
        "/usr/lib/libc.so",
        "/etc/ssl/certs/a.pem",
    ] {
        read(&mut all, path);
    }
    write(&mut all, "/home/u/project/out");
    read(&mut all, "/home/u/.config/tool/tool.toml");
    read(&mut all, "/etc/tool.conf");
    read(&mut all, "/data/table");
    read(&mut all, "/home/u/.cargo/bin/cargo");
    all.files.insert(
        "/home/u/tools/run".into(),
        Used {
            executed: true,
            ..used("sh")
        },
    );
    make(&mut all, "/tmp/x", "/tmp");
    make(&mut all, "/home/u/.toolrc", "/home/u");
    make(&mut all, "/home/u/.cache/tool/a", "/home/u/.cache/tool");
    make(&mut all, "/home/u/.cache/new/a", "/home/u/.cache");
    all.names = ["example.com", "example.org"].map(String::from).into();
    all.connections = [("example.com".into(), 443), ("192.0.2.7".into(), 80)].into();
    all.variables = ["MY_OPTION".into(), "API_TOKEN".into()].into();
    all.values = ["MODE".into()].into();
    all.files.insert("/data/asked".into(), used("make"));
    all.refused = [("ptrace".into(), 2), ("userfaultfd".into(), 1)].into();
    golden("ordinary.toml", &all);
}

#[test]
fn dangerous_things_are_comments() {
    let mut all = observations();
    let secrets = [
        "/home/u/.ssh/id_ed25519",
        "/home/u/.aws/credentials",
        "/home/u/.netrc",
        "/home/u/.docker/config.json",
        "/home/u/.config/gh/hosts.yml",
        "/home/u/.kube/config",
        "/home/u/.mozilla/firefox/key4.db",
        "/home/u/.npmrc",
        "/home/u/.cargo/credentials.toml",
        "/home/other/.bashrc",
        "/root/x",
        "/etc/shadow",
        "/dev/kvm",
    ];
    secrets.iter().for_each(|path| read(&mut all, path));
    for path in [
        "/home/u/.bashrc",
        "/home/u/.config/Code/settings.json",
        "/home/u/other/.git/hooks/post-commit",
        "/home/u/.local/bin/tool",
        "/home/u/.cargo/bin/cargo",
        "/etc/profile.d/x.sh",
        "/usr/bin/tool",
    ] {
        write(&mut all, path);
    }
    for name in [
        ".git/hooks/pre-commit",
        "sub/.git/hooks/post-commit",
        ".vscode/tasks.json",
        "sub/.vscode/launch.json",
        ".bashrc",
        "sub/.bashrc",
        "src/main.rs",
    ] {
        write(&mut all, &format!("/home/u/project/{name}"));
    }
    for path in [
        "/var/run/docker.sock",
        "/run/user/1000/bus",
        "/tmp/ssh-x/agent.1",
    ] {
        let socket = Used {
            connected: true,
            before: Before::Socket,
            ..used("tool")
        };
        all.files.insert(path.into(), socket);
    }
    let program = Used {
        executed: true,
        before: Before::SetUserId,
        ..used("sh")
    };
    all.files.insert("/srv/sudo".into(), program);
    all.connections = [
        ("169.254.169.254".into(), 80),
        ("10.1.2.3".into(), 5432),
        ("::1".into(), 80),
        ("metadata.google.internal".into(), 80),
        ("localhost".into(), 80),
    ]
    .into();
    assert_eq!(
        lines(&all),
        [WORKSPACE, "read = [", "write = [", "[network]"]
    );
    golden("dangerous.toml", &all);
}

#[test]
fn no_name_ends_a_comment_or_a_string() {
    let mut all = observations();
    for path in [
        "/data/a\nwrite = [\"/\"]",
        "/data/b\u{1b}[2J",
        "/data/c\u{202e}txt",
        "/data/d\u{2028}e",
    ] {
        read(&mut all, path);
        write(&mut all, &path.replace("data", "home/u/project/.vscode"));
    }
    read(&mut all, "/data/q\"uo\\te#");
    let latin = std::ffi::OsString::from_vec(b"/data/\xff\xfe".to_vec());
    all.files.insert(
        latin.into(),
        Used {
            read: true,
            ..used("a\nb")
        },
    );
    all.files.insert(
        "/data/by".into(),
        Used {
            read: true,
            ..used("x\nhide = [\"/\"]\u{202e}")
        },
    );
    all.names = ["a\nb".into()].into();
    all.connections = [("x\"]\ny".into(), 1)].into();
    all.variables = ["A\"\n=".into(), String::new()].into();
    all.refused = [("ptrace\n".into(), 1)].into();
    let words = all.learn(&["tool\nmode = \"host\"", "\u{1b}"]);
    let hidden = |c: char| c != '\n' && super::write::is_hidden(c);
    assert!(!words.text.contains(hidden), "{}", words.text);
    let given = lines(&all);
    assert_eq!(given[0], WORKSPACE);
    assert_eq!(
        given[1..4],
        ["read = [", "\"/data/by\",", "\"/data/q\\\"uo\\\\te#\","]
    );
    assert_eq!(given[4], "[network]");
    assert!(
        given
            .iter()
            .all(|line| !line.starts_with("hide") && !line.starts_with("mode"))
    );
}

#[test]
fn many_paths_become_their_directory_where_that_is_narrow() {
    let mut all = observations();
    for number in 0..5 {
        read(&mut all, &format!("/data/set/part{number}"));
        read(&mut all, &format!("/data{number}"));
        read(&mut all, &format!("/home/u/.rc{number}"));
        read(&mut all, &format!("/home/u/.config/f{number}"));
        read(&mut all, &format!("/home/u/.npm/_cacache/{number}/x"));
    }
    let given = lines(&all);
    assert!(given.contains(&"\"/data/set\",".to_owned()), "{given:?}");
    assert!(given.contains(&"\"/home/u/.npm\",".to_owned()), "{given:?}");
    assert!(given.contains(&"\"/data3\",".to_owned()), "{given:?}");
    assert!(given.contains(&"\"/home/u/.rc3\",".to_owned()), "{given:?}");
    assert!(
        given.contains(&"\"/home/u/.config/f3\",".to_owned()),
        "{given:?}"
    );
    assert_eq!(given.len(), 2 + 1 + 1 + 15, "{given:?}");
}

#[test]
fn nothing_wide_is_ever_given() {
    let mut all = observations();
    let wide = [
        "/",
        "/etc",
        "/home",
        "/home/u",
        "/var",
        "/var/lib",
        "/run",
        "/sys",
        "/home/u/.config",
        "/tmp",
    ];
    for directory in wide {
        let listed = Used {
            read: true,
            before: Before::Directory,
            ..used("ls")
        };
        all.files.insert(directory.into(), listed);
        for number in 0..9 {
            make(&mut all, &format!("{directory}/new{number}"), directory);
        }
    }
    let given = lines(&all);
    for directory in wide {
        assert!(!given.contains(&format!("\"{directory}\",")), "{given:?}");
    }
}

#[test]
fn what_the_workspace_is_in_is_not_given() {
    let mut all = observations();
    all.workspace = "/data/sub/project".into();
    for number in 0..9 {
        make(&mut all, &format!("/data/sub/new{number}"), "/data/sub");
        write(&mut all, &format!("/data/sub/old{number}"));
        read(&mut all, &format!("/data/set{number}"));
    }
    let given = lines(&all);
    assert!(
        given.contains(&"\"/data/sub/old8\",".to_owned()),
        "{given:?}"
    );
    assert!(given.contains(&"\"/data/set8\",".to_owned()), "{given:?}");
    for directory in ["/data", "/data/sub"] {
        assert!(!given.contains(&format!("\"{directory}\",")), "{given:?}");
    }
    assert!(learn(&all).contains("#   \"/data/sub\"\n"));
}

#[test]
fn what_is_removed_or_replaced_needs_its_directory() {
    let mut all = observations();
    all.files.insert(
        "/data/old/x".into(),
        Used {
            removed: true,
            ..used("rm")
        },
    );
    write(&mut all, "/data/kept");
    make(&mut all, "/data/new/a/b", "/data/new");
    let expected = [
        WORKSPACE,
        "write = [",
        "\"/data/kept\",",
        "\"/data/new\",",
        "\"/data/old\",",
    ];
    assert_eq!(lines(&all), expected);
}

#[test]
fn links_keep_their_names_and_what_they_lead_to_is_judged() {
    let mut all = observations();
    let link = |to: &str, link: &str| Used {
        read: true,
        leads_to: Some(to.into()),
        link: Some(link.into()),
        ..used("tool")
    };
    all.files
        .insert("/opt2/a".into(), link("/data/a", "/opt2/a"));
    all.files
        .insert("/opt2/b".into(), link("/home/u/.ssh/id_rsa", "/opt2/b"));
    all.files.insert(
        "/home/u/project/l".into(),
        link("/data/c", "/home/u/project/l"),
    );
    all.files
        .insert("/opt2/p".into(), link("/proc/1/mem", "/opt2/p"));
    let expected = [WORKSPACE, "read = [", "\"/data/c\",", "\"/opt2/a\","];
    assert_eq!(lines(&all), expected);
}

#[test]
fn as_many_files_as_are_kept_take_no_time_to_speak_of() {
    let mut all = observations();
    for number in 0..50_000 {
        let (one, two) = (number / 500, number / 5);
        read(&mut all, &format!("/data/{one}/{two}/{number}"));
    }
    let begin = std::time::Instant::now();
    let given = lines(&all);
    let took = begin.elapsed();
    // Five files in each of 10,000 directories, of which 100 are in each of 100; these stay, as what is above them is a
    // directory of the root.
    assert_eq!(given.len(), 2 + 100);
    assert!(given.contains(&"\"/data/99\",".to_owned()), "{given:?}");
    assert!(took.as_secs() < 20, "{took:?}");
}

#[test]
fn a_home_is_not_given_as_if_it_were_a_file() {
    let mut all = observations();
    write(&mut all, "/home/u");
    write(&mut all, "/home");
    write(&mut all, "/tmp");
    read(&mut all, "/");
    assert_eq!(lines(&all), [WORKSPACE]);
}

#[test]
fn no_address_is_given_that_is_none_of_the_public_internet() {
    let given = |address: &str| {
        let mut all = observations();
        all.connections = [(address.to_owned(), 443)].into();
        lines(&all).iter().any(|line| line.contains(address))
    };
    for address in [
        "10.0.0.1",
        "0.0.0.0",
        "168.63.129.16",
        "198.18.0.1",
        "240.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "2001::a00:1",
        "fec0::1",
    ] {
        assert!(!given(address), "{address}");
    }
    // The control.
    assert!(given("192.0.2.7") && given("2001:db8::1"));
}
