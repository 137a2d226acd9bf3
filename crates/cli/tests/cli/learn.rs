//! Learning: the policy is narrow, the run succeeds under it, and nothing dangerous is in it.

use crate::common::{Ended, call, cofferdam, directory, end, lacking, run, text, walls};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The id of an ordinary user.
const NOBODY: u32 = 65534;

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A user with a home, a project in it, and files elsewhere.
struct Person {
    base: TempDir,
    user: Option<u32>,
    /// The command, where this user can execute it.
    program: PathBuf,
}

impl Person {
    /// The current user, and an ordinary one where that is root.
    fn all() -> Vec<Self> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|data| {
            use std::os::unix::fs::MetadataExt;
            data.uid() == 0
        });
        let users: &[Option<u32>] = if is_root {
            &[None, Some(NOBODY)]
        } else {
            &[None]
        };
        users.iter().map(|user| Self::new(*user)).collect()
    }

    fn new(user: Option<u32>) -> Self {
        let base = directory();
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(base.path(), mode).expect("a mode");
        let program = base.path().join("cofferdam");
        // By another process: a child of this one that has the copy open for writing for a moment would keep it
        // from being executed (ETXTBSY).
        end(Command::new("cp").args([env!("CARGO_BIN_EXE_cofferdam"), text(&program)])).expect(0);
        for name in ["home/project", "home/.ssh", "conf", "data/old", "data/new"] {
            fs::create_dir_all(base.path().join(name)).expect("a directory");
        }
        let person = Self {
            base,
            user,
            program,
        };
        person.put("home/.ssh/id_ed25519", "KEY");
        person.put("home/.bashrc", "");
        person.put("conf/app.toml", "value = 41\n");
        person.put("conf/other.toml", "value = 42\n");
        for name in ["home", "data", "conf"] {
            let chown =
                ["-R", &user.unwrap_or(0).to_string(), text(&person.at(name))].map(String::from);
            if user.is_some() {
                assert!(
                    Command::new("chown")
                        .args(chown)
                        .status()
                        .expect("chown")
                        .success()
                );
            }
        }
        person
    }

    fn at(&self, name: &str) -> PathBuf {
        self.base.path().join(name)
    }

    fn put(&self, name: &str, contents: &str) {
        fs::write(self.at(name), contents).expect("a file");
    }

    /// A command of this user in the project.
    fn command(&self, program: &str, arguments: &[&str]) -> Ended {
        let mut command = match self.user {
            None => Command::new(program),
            Some(id) => {
                let mut command = Command::new("setpriv");
                let id = id.to_string();
                command.args(["--reuid", &id, "--regid", &id, "--clear-groups", program]);
                command
            }
        };
        command.args(arguments).current_dir(self.at("home/project"));
        command.env("HOME", self.at("home")).env("PATH", PATH);
        end(&mut command)
    }

    fn run(&self, options: &[&str], command: &[&str]) -> Ended {
        let words = [&["run"], options, &["--"], command].concat();
        self.command(text(&self.program), &words)
    }

    /// Learns from a command, and returns its end and the lines that are given.
    fn learn(&self, command: &[&str]) -> (Ended, Vec<String>, String) {
        let file = self.at("home/learned.toml");
        let ended = self.run(&["--force", "--learn", text(&file)], command);
        let told = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}: {ended:#?}"));
        let checked = call(&["policy", "check", text(&file)]);
        assert_eq!(checked.code, Some(0), "{checked:#?}\n{told}");
        let lines = told.lines().map(str::trim);
        let given = lines.filter(|line| !line.starts_with('#') && !line.is_empty());
        let given = given.map(|line| line.split(" # ").next().unwrap_or(line).to_owned());
        (ended, given.collect(), told)
    }

    /// Runs it under what was learned.
    fn again(&self, command: &[&str]) -> Ended {
        self.run(&["--policy", text(&self.at("home/learned.toml"))], command)
    }
}

/// Whether programs are here; says it where they are not.
fn has(programs: &[&str]) -> bool {
    let found = |name: &&&str| {
        PATH.split(':')
            .any(|place| Path::new(place).join(name).exists())
    };
    let missing: Vec<&&str> = programs.iter().filter(|name| !found(name)).collect();
    if !missing.is_empty() {
        lacking(&format!("{missing:?}"));
    }
    missing.is_empty()
}

const SCRIPT: &str = r#"
import os, socket, subprocess, sys
base = sys.argv[1]
print(open(base + "/conf/app.toml").read().strip())
open("out", "a").write("x")
print(subprocess.run(["git", "status", "--short"], capture_output=True, text=True).stdout)
for name in [base + "/home/.ssh/id_ed25519"] + sys.argv[2:]:
    try:
        print(open(name).read())
    except OSError as error:
        print("no", name)
try:
    open(base + "/home/.bashrc", "a").write(chr(10))
except OSError as error:
    print("no .bashrc")
try:
    # The gate takes every connection, and resets it.
    if socket.create_connection(("example.com", 443), 5).recv(1):
        print("connected")
except OSError:
    print("no network")
sys.exit(7)
"#;

#[test]
fn a_script_runs_again_under_the_policy_learned_from_it() {
    if !walls() || !has(&["python3", "git"]) {
        return;
    }
    for person in Person::all() {
        person.put("home/project/script.py", SCRIPT);
        person.command("git", &["init", "-q"]).expect(0);
        let base = text(person.base.path()).to_owned();
        let command = ["python3", "script.py", base.as_str()];
        let (ended, given, told) = person.learn(&command);
        assert!(
            ended
                .stderr
                .contains("changes your files as one without a sandbox"),
            "{ended:#?}"
        );
        assert!(
            ended.stderr.contains("not given, as it is dangerous"),
            "{ended:#?}"
        );
        let ended = ended.expect(7);
        // It really ran.
        for part in ["value = 41", "KEY", "no network"] {
            assert!(ended.stdout.contains(part), "{part}: {ended:#?}\n{told}");
        }
        assert_eq!(
            fs::read_to_string(person.at("home/project/out")).expect("made"),
            "x"
        );
        let mut expected = vec![
            "[filesystem]".to_owned(),
            format!("workspace = \"{base}/home/project\""),
            "read = [".to_owned(),
        ];
        expected.push(format!("\"{base}/conf/app.toml\","));
        for line in [
            "]",
            "write = [",
            "]",
            "[network]",
            "mode = \"rules\"",
            "allow = [",
            "\"example.com:443\",",
            "]",
        ] {
            expected.push(line.to_owned());
        }
        // Which of these git reads depends on how it was built.
        let given: Vec<String> = given
            .into_iter()
            .filter(|line| line != "\"/etc/gitconfig\",")
            .collect();
        assert_eq!(given, expected, "{told}");
        for name in [".ssh/id_ed25519", ".bashrc"] {
            assert!(
                told.contains(&format!("    # \"{base}/home/{name}\",")),
                "{told}"
            );
        }

        let other = text(&person.at("conf/other.toml")).to_owned();
        let again = person.again(&[&command[..], &[&other]].concat()).expect(7);
        assert!(again.stdout.contains("value = 41"), "{again:#?}");
        assert!(!again.stdout.contains("KEY"), "{again:#?}");
        // The control: what was not learned is not there.
        assert!(again.stdout.contains(&format!("no {other}")), "{again:#?}");
        assert_eq!(
            fs::read_to_string(person.at("home/project/out")).expect("made"),
            "xx"
        );
        assert_eq!(
            fs::read_to_string(person.at("home/.bashrc")).expect("there"),
            "\n"
        );
    }
}

#[test]
fn what_is_replaced_removed_and_led_to_works_again() {
    if !walls() {
        return;
    }
    let script = "cat $0/link/table; rm $0/data/old/x; echo 1 > $0/data/new/f.tmp; \
                  mv $0/data/new/f.tmp $0/data/new/f; mkdir -p $0/data $0/home/.config; echo 2 > $0/home/.config/new; \
                  cat $0/data/new/f; t=$(mktemp); echo 3 > $t; cat $t; rm $t";
    for person in Person::all() {
        let base = text(person.base.path()).to_owned();
        fs::create_dir(person.at("table")).expect("made");
        person.put("table/table", "0\n");
        std::os::unix::fs::symlink("table", person.at("link")).expect("a link");
        person.put("data/old/x", "");
        let command = ["sh", "-e", "-c", script, base.as_str()];
        let (ended, given, told) = person.learn(&command);
        assert_eq!(ended.expect(0).stdout, "0\n1\n3\n", "{told}");
        let paths: Vec<&str> = given
            .iter()
            .map(String::as_str)
            .filter(|line| line.starts_with('"'))
            .collect();
        let expected =
            ["link/table", "data/new", "data/old"].map(|name| format!("\"{base}/{name}\","));
        assert_eq!(paths, expected, "{told}");
        person.put("data/old/x", "");
        assert_eq!(
            person.again(&command).expect(0).stdout,
            "0\n1\n3\n",
            "{told}"
        );
        assert!(!person.at("data/old/x").exists());
    }
}

#[test]
fn nothing_leaves_the_machine_and_refused_calls_are_told() {
    if !walls() || !has(&["python3", "unshare"]) {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    listener.set_nonblocking(true).expect("set");
    let script = "import socket, sys\nsocket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)";
    let connect = ["python3", "-c", script, port.as_str()];
    for person in Person::all() {
        // A service of the host in /tmp, such as a terminal's or an agent's, is not reached either.
        let socket = UnixListener::bind(person.at("agent.sock")).expect("a socket");
        fs::set_permissions(person.at("agent.sock"), fs::Permissions::from_mode(0o777))
            .expect("a mode");
        socket.set_nonblocking(true).expect("set");
        let path = text(&person.at("agent.sock")).to_owned();
        let script = "import socket, sys\nsocket.socket(socket.AF_UNIX).connect(sys.argv[1])";
        let agent = ["python3", "-c", script, path.as_str()];
        let (ended, given, told) = person.learn(&agent);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert!(socket.accept().is_err(), "{told}");
        assert!(told.contains(&format!("    # \"{path}\",")), "{told}");
        assert!(!given.contains(&format!("\"{path}\",")), "{told}");
        person.command("python3", &agent[1..]).expect(0);
        assert!(socket.accept().is_ok());
        let (ended, given, told) = person.learn(&connect);
        assert_eq!(ended.code, Some(1), "{ended:#?}");
        assert!(listener.accept().is_err(), "{told}");
        assert_eq!(
            given.iter().filter(|line| line.starts_with('"')).count(),
            0,
            "{told}"
        );
        let (_, given, told) = person.learn(&["unshare", "--user", "true"]);
        assert!(told.contains("# allow = [\"nested-namespaces\"]"), "{told}");
        assert!(
            !given.iter().any(|line| line.starts_with("allow")),
            "{told}"
        );
        // The control.
        person.command("python3", &connect[1..]).expect(0);
        assert!(listener.accept().is_ok());
    }
}

#[test]
fn names_that_lie_are_left_out() {
    if !walls() {
        return;
    }
    for person in Person::all() {
        let base = text(person.base.path()).to_owned();
        let script = "cat \"$0/conf/a\nwrite = [\\\"\"; cat $0/conf/$(printf 'b\\033x') $0/conf/$(printf 'c\\377') $0/conf/app.toml";
        person.put("conf/a\nwrite = [\"", "1\n");
        person.put("conf/b\u{1b}x", "2\n");
        let latin = std::os::unix::ffi::OsStrExt::from_bytes(b"c\xff");
        let latin: &std::ffi::OsStr = latin;
        fs::write(person.at("conf").join(latin), "3\n").expect("a file");
        let (ended, given, told) = person.learn(&["sh", "-c", script, base.as_str()]);
        assert_eq!(ended.expect(0).stdout, "1\n2\n3\nvalue = 41\n");
        let paths: Vec<&String> = given.iter().filter(|line| line.starts_with('"')).collect();
        assert_eq!(paths, [&format!("\"{base}/conf/app.toml\",")], "{told}");
        assert!(told.contains("a\\nwrite = ["), "{told}");
        assert!(!told.contains('\u{1b}'), "{told}");
    }
}

#[test]
fn a_build_runs_again_offline() {
    let cargo = end(Command::new("cargo").arg("--version"));
    if !walls() {
        return;
    }
    if cargo.code != Some(0) {
        return lacking("cargo");
    }
    let here = directory();
    let project = here.path().join("tiny");
    let file = here.path().join("learned.toml");
    let made = end(Command::new("cargo").args(["init", "-q", "--vcs", "none", text(&project)]));
    made.expect(0);
    let build = ["cargo", "build", "-q", "--offline"];
    let run = |options: &[&str]| {
        end(cofferdam()
            .arg("run")
            .args(options)
            .arg("--")
            .args(build)
            .current_dir(&project))
    };
    run(&["--learn", text(&file)]).expect(0);
    let built = project.join("target/debug/tiny");
    assert!(built.exists());
    fs::remove_dir_all(project.join("target")).expect("removed");
    run(&["--policy", text(&file)]).expect(0);
    assert!(built.exists());
    let told = fs::read_to_string(&file).expect("written");
    for wide in [
        ".cargo\"",
        "credentials",
        "\"/etc\"",
        "\"/home\"",
        "\"/root\"",
    ] {
        let given = told
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'));
        assert!(!given.clone().any(|line| line.contains(wide)), "{told}");
    }
}

#[test]
fn what_cannot_be_learned_is_said_before_anything_runs() {
    if !walls() {
        return;
    }
    let person = Person::new(None);
    person.put("there.toml", "kept");
    let file = person.at("there.toml");
    let touch = ["touch", "ran"];
    let refused = |options: &[&str], says: &str| {
        let ended = person.run(options, &touch);
        assert!(ended.stderr.contains(says), "{says}: {ended:#?}");
        assert!(!person.at("home/project/ran").exists());
        ended.code
    };
    assert_eq!(
        refused(&["--learn", text(&file)], "is there already"),
        Some(125)
    );
    assert_eq!(fs::read_to_string(&file).expect("there"), "kept");
    let new = text(&person.at("new.toml")).to_owned();
    let home = text(&person.at("home")).to_owned();
    assert_eq!(
        refused(&["--learn", &new, "-w", &home], "too much for a workspace"),
        Some(125)
    );
    assert_eq!(
        refused(&["--learn", &new, "-w", "/"], "too much for a workspace"),
        Some(125)
    );
    let nowhere = text(&person.at("no/new.toml")).to_owned();
    assert_eq!(
        refused(&["--learn", &nowhere], "cannot be written"),
        Some(125)
    );
    refused(
        &["--learn", &new, "--network", "host"],
        "cannot be used with",
    );
    refused(&["--force"], "--learn");
    assert!(!person.at("new.toml").exists());
    // The control: with --force it is replaced.
    person
        .run(&["--force", "--learn", text(&file)], &touch)
        .expect(0);
    assert!(
        fs::read_to_string(&file)
            .expect("there")
            .contains("workspace = ")
    );
    assert!(person.at("home/project/ran").exists());
    let _ = run(&[], &["true"]).expect(0);
}
