//! Processes of the host, and the sandbox's own init.

use crate::support::*;
use cofferdam::SyscallIntent;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

#[test]
fn processes_of_the_host_are_not_seen() {
    let bystander = Bystander::new();
    let pid = bystander.id();
    let attack = ["processes", "list"];
    let control = one_outside(&attack);
    assert!(control.split(' ').any(|word| word == pid), "{control}");
    // init, and the attacker.
    assert_eq!(one_inside(&build(wall()), &attack), "done 1 2");
}

#[test]
fn processes_of_the_host_are_not_changed() {
    let mut bystander = Bystander::new();
    let pid = bystander.id();
    let state = |pid: &str| {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).expect("alive");
        let stat = read("stat");
        let nice = stat.split(' ').nth(18).expect("a priority").to_owned();
        let allowed = read("status");
        let allowed = allowed
            .lines()
            .find(|line| line.starts_with("Cpus_allowed:"));
        let limits = read("limits");
        let limits = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let score = read("oom_score_adj");
        format!("{nice} {allowed:?} {limits:?} {score}")
    };
    let urgent = libc::SIGURG.to_string();
    let attacks: [&[&str]; 6] = [
        &["processes", "kill", &pid, &urgent],
        &["processes", "pidfd", &pid],
        &["processes", "nice", &pid, "5"],
        &["processes", "affinity", &pid],
        &["processes", "limit", &pid],
        &["processes", "oom", &pid],
    ];
    let before = state(&pid);
    let answers = inside(&build(wall()), &attacks);
    assert_eq!(state(&pid), before);
    assert!(!bystander.was_signalled());
    let expected = ["ESRCH", "ESRCH", "ESRCH", "ESRCH", "ESRCH", "ENOENT"];
    assert_eq!(answers, expected);

    let answers = outside(&attacks);
    assert!(answers.iter().all(|answer| done(answer)), "{answers:?}");
    assert!(bystander.was_signalled());
    assert_ne!(state(&pid), before);
}

#[test]
fn the_group_of_the_launcher_gets_no_signal() {
    // The signal does nothing to those who have no handler, the test's own group among them.
    let urgent = libc::SIGURG.to_string();
    let attack = ["processes", "kill", "0", &urgent];
    let mut bystander = Bystander::new();
    let answer = one_inside(&build(wall()), &attack);
    assert!(done(&answer), "{answer}");
    assert!(!bystander.was_signalled());

    let mut bystander = Bystander::from(Command::new(ATTACKER).process_group(0));
    let group = bystander.process.id() as i32;
    let control = Command::new(ATTACKER)
        .args(attack)
        .process_group(group)
        .output();
    assert_eq!(control.expect("started").stdout, b"done\n");
    assert!(bystander.was_signalled());
}

#[test]
fn a_signal_to_all_stays_inside() {
    let mut bystander = Bystander::new();
    let sandbox = build(wall());
    let mut other = Waiting::inside(&sandbox, &["processes", "hold"]);
    assert_eq!(other.says(), "ready");
    // Alone in its namespace but for init, which no signal from inside ends.
    let answers = inside(
        &sandbox,
        &[
            &["processes", "kill", "-1", "9"],
            &["processes", "kill", "1", "9"],
            &["processes", "list"],
        ],
    );
    assert_eq!(answers[2], "done 1 2", "{answers:?}");
    assert!(other.runs());
    assert!(!bystander.was_signalled());
    // Outside it would end the test: that there is somebody to hit is what the null signal tells.
    assert!(done(&one_outside(&["processes", "kill", "-1", "0"])));
}

#[test]
fn memory_of_the_host_is_not_read() {
    let bystander = Bystander::new();
    let (pid, test) = (bystander.id(), std::process::id().to_string());
    let held = secret();
    let reversed = backwards(&held);
    // SAFETY: PR_SET_PTRACER touches no memory; where Yama restricts tracing, it lets the control in.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0) };
    let attacks: [&[&str]; 3] = [
        &[
            "memory",
            "vm-read",
            &pid,
            &bystander.address,
            &bystander.length,
        ],
        &["processes", "seize", &pid],
        &["memory", "search-in", &test, &reversed],
    ];
    let control = outside(&attacks);
    assert_eq!(control[0], format!("done {}", bystander.secret));
    assert_eq!(
        control[1..],
        ["done".to_owned(), format!("done found in {test}")]
    );
    let answers = inside(&build(wall()), &attacks);
    assert_eq!(answers, ["EPERM", "EPERM", "ENOENT"]);
    // With the filter open for tracers the namespace still hides them.
    let tracing = build(wall().syscalls(|calls| calls.allow(SyscallIntent::Ptrace)));
    assert_eq!(inside(&tracing, &attacks), ["ESRCH", "ESRCH", "ENOENT"]);
}

#[test]
fn no_process_inside_holds_a_secret_of_the_host() {
    // The host has it in its environment and on its heap.
    let held = secret();
    let reversed = backwards(&held);
    let output = Command::new(ATTACKER)
        .args(["host", "plain", "--", "memory", "search", &reversed])
        .env("COFFERDAM_TEST_TOKEN", &held)
        .output()
        .expect("started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answer = |whose: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(whose));
        line.unwrap_or_else(|| panic!("{text} {output:?}"))
            .to_owned()
    };
    assert!(answer("outside ").starts_with("done found in"), "{text}");
    let inside = answer("inside ");
    // init keeps all of itself to itself.
    assert_eq!(inside, "done nothing; read [], refused [1]");
}

/// As the host sees it: no process of the sandbox has a mapping of the host's memory.
#[test]
fn the_sandbox_holds_none_of_the_host_s_memory() {
    let held = secret();
    let reversed = backwards(&held);
    let mut waiting = Waiting::inside(&build(wall()), &["processes", "hold"]);
    assert_eq!(waiting.says(), "ready");
    let init = waiting.id().to_string();
    let children = fs::read_to_string(format!("/proc/{init}/task/{init}/children"));
    let children = children.expect("the program's number");
    let program = children.trim();
    // SAFETY: PR_SET_PTRACER touches no memory; where Yama restricts tracing, it lets the control in.
    unsafe { libc::prctl(libc::PR_SET_PTRACER, libc::PR_SET_PTRACER_ANY, 0, 0, 0) };
    let look = |pid: &str| one_outside(&["memory", "search-in", pid, &reversed]);
    let test = std::process::id().to_string();
    assert_eq!(look(&test), format!("done found in {test}"));
    // Nothing there; an ordinary user of the host cannot even look into init.
    assert_eq!(look(&init), if is_root() { "ENODATA" } else { "EACCES" });
    match look(program).as_str() {
        "EACCES" => lacks("leave to look into processes of one's own (Yama)"),
        answer => assert_eq!(answer, "ENODATA"),
    }
    drop(held);
}

#[test]
fn variables_of_the_host_stay_outside() {
    let held = secret();
    let output = Command::new(ATTACKER)
        .args(["host", "plain", "--", "memory", "environment"])
        .env("COFFERDAM_TEST_TOKEN", &held)
        .output()
        .expect("started");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (outside, inside) = text.split_once("\ninside ").expect("two answers");
    assert!(outside.contains(&held));
    assert!(!inside.contains(&held));
    let mut names: Vec<_> = inside
        .trim_start_matches("done ")
        .split(' ')
        .filter_map(|v| v.split('=').next())
        .collect();
    names.retain(|name| !cofferdam::Environment::DEFAULT_INHERIT.contains(name));
    assert_eq!(
        names,
        ["HOME", "LOGNAME", "PATH", "SHELL", "TMPDIR", "USER"],
        "{inside}"
    );
}

#[test]
fn init_tells_nothing() {
    let sandbox = build(wall().syscalls(|calls| calls.allow(SyscallIntent::Ptrace)));
    let refused: [&[&str]; 12] = [
        &["files", "read", "/proc/1/environ"],
        &["files", "read", "/proc/1/maps"],
        &["files", "read", "/proc/1/smaps"],
        &["files", "open", "r", "/proc/1/mem"],
        &["files", "open", "w", "/proc/1/mem"],
        &["files", "list", "/proc/1/fd"],
        &["files", "list", "/proc/1/fdinfo"],
        &["files", "list", "/proc/1/root/"],
        &["files", "list", "/proc/1/cwd/"],
        &["files", "read", "/proc/1/exe"],
        &["files", "list", "/proc/1/map_files"],
        &["processes", "seize", "1"],
    ];
    let answers = inside(&sandbox, &refused);
    for (attack, answer) in refused.iter().zip(&answers) {
        assert!(
            ["EACCES", "EPERM"].contains(&answer.as_str()),
            "{attack:?}: {answer}"
        );
    }
    let vm_read = ["memory", "vm-read", "1", "4198400", "8"];
    assert_eq!(one_inside(&sandbox, &vm_read), "EPERM");
    // Its arguments are a name of the wall's own, without a path of the host.
    let arguments = one_inside(&sandbox, &["files", "read", "/proc/1/cmdline"]);
    assert!(
        arguments.ends_with("init") && !arguments.contains('/'),
        "{arguments}"
    );
    // What init keeps to itself, others do not: the same against a process of one's own.
    assert_eq!(one_inside(&sandbox, &["processes", "seize-child"]), "done");
    assert_eq!(
        one_inside(&sandbox, &["processes", "read-child"]),
        "done child"
    );
    let own = std::process::id().to_string();
    assert!(done(&one_outside(&[
        "files",
        "read",
        &format!("/proc/{own}/environ")
    ])));
    assert!(done(&one_outside(&[
        "files",
        "list",
        &format!("/proc/{own}/fd")
    ])));
}

#[test]
fn processes_inside_cannot_trace_each_other() {
    let sandbox = build(wall());
    for attack in ["seize-child", "read-child"] {
        assert!(done(&one_outside(&["processes", attack])));
        assert_eq!(one_inside(&sandbox, &["processes", attack]), "EPERM");
    }
}

#[test]
fn the_program_that_started_it_is_not_overwritten() {
    let copy = |scene: &Scene| {
        let program = scene.beyond.join("program");
        copy_program(&program);
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
        program
    };
    // Without the wall: hold the link, wait for the program's end, write.
    let scene = Scene::new();
    let program = copy(&scene);
    let before = fs::read(&program).expect("the program");
    let victim = Bystander::from(&mut Command::new(&program));
    let link = format!("/proc/{}/exe", victim.id());
    let mut control =
        Waiting::outside(Command::new(ATTACKER).args(["processes", "overwrite-program", &link]));
    assert_eq!(control.says(), "ready");
    drop(victim);
    assert_eq!(control.ask(), "done");
    assert_ne!(fs::read(&program).expect("the program"), before);

    // Behind it: init's own file, the attacker's own, and that of the process that runs the tests.
    let test = std::env::current_exe().expect("a program");
    let test_before = trace(&test);
    for link in ["/proc/1/exe", "/proc/self/exe"] {
        let scene = Scene::new();
        let program = copy(&scene);
        let sandbox = build(wall().read(&program));
        let mut child = sandbox
            .command(&program)
            .args(["processes", "overwrite-program", link])
            .stdin(cofferdam::Stdio::piped())
            .stdout(cofferdam::Stdio::piped())
            .timeout(PATIENCE)
            .spawn()
            .expect("started");
        // It may run into its own file being in use; what counts is the file.
        drop(child.stdin.take());
        child.wait_with_output().expect("an end");
        assert_eq!(fs::read(&program).expect("the program"), before);
    }
    let scene = Scene::new();
    let program = copy(&scene);
    let sandbox = build(wall().read(&program));
    let answers = inside(
        &sandbox,
        &[
            &["files", "append", text(&program), "x"],
            &["files", "append", "/proc/1/exe", "x"],
            &["files", "open", "r", "/proc/1/exe"],
        ],
    );
    assert_eq!(answers[1..], ["EACCES", "EACCES"], "{answers:?}");
    assert_eq!(fs::read(&program).expect("the program"), before);
    assert_eq!(trace(&test), test_before);
}

#[test]
fn nothing_outlives_the_command() {
    let scene = Scene::new();
    let grows = |path: &std::path::Path| {
        let size = || fs::metadata(path).map_or(0, |data| data.len());
        let before = size();
        sleep(Duration::from_millis(200));
        (before > 0, size() > before)
    };
    let log = scene.workspace.join("inside");
    assert!(done(&one_inside(
        &build(scene.wall()),
        &["processes", "daemon", text(&log)]
    )));
    assert_eq!(grows(&log), (true, false));

    let log = scene.workspace.join("outside");
    assert!(done(&one_outside(&["processes", "daemon", text(&log)])));
    let outlived = grows(&log);
    let text = fs::read_to_string(&log).expect("a log");
    let pid: i32 = text.lines().next().expect("a line").parse().expect("an id");
    // SAFETY: kill(2) touches no memory; the daemon writes for ten seconds, so the number is its.
    unsafe { libc::kill(pid, libc::SIGKILL) };
    assert_eq!(outlived, (true, true));
}
