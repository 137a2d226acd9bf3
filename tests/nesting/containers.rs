//! In containers of podman: a rootless one, and unprivileged ones with the default filters of podman and of Docker.
//!
//! No image is needed: the root is a directory with the visitor and its libraries. Everything that podman keeps lies
//! in directories that are removed.

use crate::places::command;
use crate::visit::{Ground, Report, commands, ends, set_mode, visit};
use cofferdam_tests::evidence::{is_root, lacks, within};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Docker's default filter, in its own words: what "Significant syscalls blocked by the default profile" of its
/// documentation lists is refused, the flags of `clone` are looked at, and `clone3`, which cannot be, is hidden.
const DOCKER: &str = include_str!("docker.json");

struct Podman {
    ground: Ground,
    /// What podman keeps.
    own: PathBuf,
}

impl Podman {
    fn new() -> Option<Self> {
        for program in ["podman", "runc"] {
            let found = Command::new(program).arg("--version").output();
            if !found.is_ok_and(|output| output.status.success()) {
                lacks(program);
                return None;
            }
        }
        let ground = Ground::root();
        let own = ground.path().with_extension("podman");
        for name in ["xdg", "config"] {
            fs::create_dir_all(own.join(name)).expect("a directory");
        }
        fs::write(own.join("docker.json"), DOCKER).expect("written");
        // podman does not always say where runc is to keep what it knows.
        let (runc, state) = (own.join("runc"), own.join("state"));
        let script = format!("#!/bin/sh\nexec runc --root {} \"$@\"\n", state.display());
        fs::write(&runc, script).expect("written");
        set_mode(&runc, 0o755);
        // Locks lie in shared memory otherwise, and stay.
        let settings = format!(
            "[engine]\nlock_type = \"file\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\n\
             runtime = \"runc\"\n[engine.runtimes]\nrunc = [{runc:?}]\n"
        );
        fs::write(own.join("containers.conf"), settings).expect("written");
        Some(Self { ground, own })
    }

    fn podman(&self) -> Command {
        let mut command = Command::new("podman");
        let place = |name: &str| self.own.join(name).display().to_string();
        command
            .args(["--root", &place("store"), "--runroot", &place("run")])
            .args(["--tmpdir", &place("tmp"), "--storage-driver", "vfs"])
            .env("CONTAINERS_CONF", place("containers.conf"))
            .env("XDG_RUNTIME_DIR", place("xdg"))
            .env("XDG_CONFIG_HOME", place("config"))
            .env("HOME", &self.own);
        command
    }

    /// The control group that podman makes its own below, as root.
    fn group(&self) -> String {
        let name = self.own.file_name().expect("a name");
        name.to_string_lossy().into_owned()
    }

    /// Runs a program in a container of its own.
    fn run(&self, options: &[&str], program: &str, arguments: &[&str]) -> Command {
        let mut command = self.podman();
        command.args(["run", "--rm", "--network", "none"]);
        if is_root() {
            command.arg(format!("--cgroup-parent=/{}", self.group()));
        }
        command
            // A host's own limits can be below podman's default, which it cannot raise.
            .args([
                "--ulimit",
                "nofile=1024:1024",
                "--ulimit",
                "nproc=4096:4096",
            ])
            .args(["--env", "TMPDIR=/visit/tmp", "--env", "HOME=/visit/tmp"])
            .args(options)
            .arg("--rootfs")
            .arg(self.ground.path())
            .arg(program)
            .args(arguments);
        command
    }

    fn visit(&self, options: &[&str]) -> Report {
        let arguments: Vec<String> = command("", Path::new("/visit"))
            .get_args()
            .map(|argument| argument.to_string_lossy().into_owned())
            .collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        visit(&mut self.run(options, "/bin/visitor", &arguments))
    }

    /// What the command says of the place.
    fn doctor(&self, options: &[&str]) -> Option<String> {
        if commands().is_none() {
            lacks("the command, which `cargo build -p cofferdam-cli` builds beside these tests");
            return None;
        }
        let text = ends(&mut self.run(options, "/bin/cofferdam", &["doctor"]));
        // Without its lines' ends, which depend on their length.
        let words: Vec<&str> = text.split_whitespace().collect();
        Some(words.join(" "))
    }

    /// The command says of itself what holds in the place.
    fn command_says(&self, options: &[&str], words: &[&str]) {
        let Some(text) = self.doctor(options) else {
            return;
        };
        for word in words {
            assert!(text.contains(word), "{word:?}: {text}");
        }
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // Its own process that keeps the user namespace of a rootless user.
        let pause = fs::read_to_string(self.own.join("tmp/pause.pid"));
        let pause = pause.ok().and_then(|text| text.trim().parse::<i32>().ok());
        if !is_root() {
            // Files of other ids are its user namespace's to remove.
            let mut command = self.podman();
            let _ = command
                .args(["unshare", "rm", "-rf"])
                .arg(&self.own)
                .output();
        }
        if let Some(pid) = pause {
            // SAFETY: kill(2) touches no memory; the process is podman's, started here.
            unsafe { libc::kill(pid, libc::SIGKILL) };
            let there = || fs::metadata(format!("/proc/{pid}")).is_ok();
            within(Duration::from_secs(30), || !there());
        }
        let _ = fs::remove_dir_all(&self.own);
        let groups = fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten();
        let mut groups: Vec<PathBuf> = groups.map(|one| one.path().join(self.group())).collect();
        groups.push(Path::new("/sys/fs/cgroup").join(self.group()));
        within(Duration::from_secs(30), || {
            groups.iter().all(|group| remove_group(group))
        });
        if !std::thread::panicking() {
            assert!(!self.own.exists(), "podman's files stay");
            let left: Vec<_> = groups.iter().filter(|group| group.exists()).collect();
            assert!(left.is_empty(), "podman's groups stay: {left:?}");
        }
    }
}

/// Removes a control group with those below it; whether it is gone. One that holds processes stays.
fn remove_group(group: &Path) -> bool {
    for below in fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_group(&below.path());
        }
    }
    let _ = fs::remove_dir(group);
    !group.exists()
}

/// An ordinary user of the container, without a right.
const USER: [&str; 2] = ["--user", "1000"];

#[test]
fn in_a_container_its_root_is_told_what_it_lacks() {
    let Some(podman) = Podman::new() else { return };
    let words = [
        "this process is root",
        "it lacks CAP_SYS_ADMIN",
        "as an ordinary user",
    ];
    let report = podman.visit(&[]);
    report
        .refuses("required", "namespaces", &words)
        .refuses("require seccomp", "namespaces", &words)
        .refuses("preferred", "namespaces", &words)
        .leaves_nothing(&podman.ground);
    assert!(report.of("available").contains("namespaces no\n"));
    podman.command_says(&[], &words);
}

#[test]
fn in_a_container_with_podmans_filter_both_causes_are_named() {
    let Some(podman) = Podman::new() else { return };
    let words = [
        "the kernel refuses a new proc because the one here is partly covered",
        "setting the host name in the new namespace was refused (EPERM",
        "--security-opt systempaths=unconfined",
        "--security-opt seccomp=unconfined",
    ];
    podman
        .visit(&USER)
        .unshare("done")
        .refuses("required", "namespaces", &words)
        .refuses("require namespaces", "namespaces", &words)
        .preferred(
            ["partial", "absent", "full", "partial", "full", "full"],
            &words,
        )
        .doctor(&words)
        .leaves_nothing(&podman.ground);
    podman.command_says(&USER, &words);
}

#[test]
fn in_a_container_with_dockers_filter_the_filter_is_named() {
    let Some(podman) = Podman::new() else { return };
    let filter = format!("seccomp={}", podman.own.join("docker.json").display());
    let options = [&USER[..], &["--security-opt", &filter]].concat();
    let words = [
        "clone3 is hidden by a seccomp filter around this process",
        "--security-opt seccomp=unconfined",
    ];
    podman
        .visit(&options)
        .unshare("EPERM")
        .lacks_namespaces(&words)
        .runs("require seccomp")
        .leaves_nothing(&podman.ground);
    podman.command_says(&options, &words);
}

/// The remedies that the errors above name are what helps.
#[test]
fn in_a_container_as_the_remedies_say_all_is_put_up() {
    let Some(podman) = Podman::new() else { return };
    let named = [
        "seccomp=unconfined",
        "apparmor=unconfined",
        "systempaths=unconfined",
    ];
    let named = named.into_iter().flat_map(|one| ["--security-opt", one]);
    let options: Vec<&str> = USER.into_iter().chain(named).collect();
    podman
        .visit(&options)
        .unshare("done")
        .runs("required")
        .runs("require namespaces")
        .preferred(["full"; 6], &[])
        .doctor(&[])
        .leaves_nothing(&podman.ground);
    podman.command_says(
        &options,
        &["namespaces yes", "network yes", "filesystem yes"],
    );
}
