//! Hosts that lack a layer: nothing runs where it is required; where it is preferred, the rest is
//! put up, and said.

use crate::filter::{deny, without_user_namespaces};
use crate::report::{lacks, marker, processes_with, within};
use crate::scenario;
use cofferdam::{
    BuildError, Enforcement, Layer, Sandbox, SandboxBuilder, SpawnError, State, Stdio,
};
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

const NO_LANDLOCK: &[(libc::c_long, i32)] = &[(libc::SYS_landlock_create_ruleset, libc::ENOSYS)];

fn state(enforcement: &Enforcement, layer: Layer) -> State {
    enforcement
        .layer(layer)
        .expect("a report of each layer")
        .state()
}

/// Asserts that neither building nor spawning ran the program, for want of this layer.
fn refused(builder: SandboxBuilder, wanted: Layer) {
    let directory = tempfile::tempdir().expect("a directory");
    let ran = directory.path().join("ran");
    let result = builder.workspace(directory.path()).build();
    let text = match result {
        Err(error) => {
            let BuildError::Unavailable {
                layer,
                feature,
                reason,
                remedy,
            } = &error
            else {
                panic!("{error:?}");
            };
            assert_eq!(*layer, wanted, "{error}");
            assert!(
                !feature.is_empty() && !reason.is_empty() && !remedy.is_empty(),
                "{error:?}"
            );
            error.to_string()
        }
        Ok(sandbox) => {
            let error = sandbox
                .command("touch")
                .arg(&ran)
                .spawn()
                .expect_err("it is required");
            let SpawnError::Layer {
                layer,
                reason,
                remedy,
                ..
            } = &error
            else {
                panic!("{error:?}");
            };
            assert_eq!(*layer, wanted, "{error}");
            assert!(!remedy.is_empty(), "{error:?}");
            if wanted == Layer::Namespaces {
                // Found by trying them out, and told apart from what to do.
                let reason = reason.as_ref().expect("a reason");
                assert!(!reason.is_empty() && !reason.contains(remedy), "{error:?}");
                assert!(error.to_string().contains(reason), "{error}");
            }
            assert!(!error.is_program());
            error.to_string()
        }
    };
    println!("{text}");
    assert!(text.contains(wanted.name()), "{text}");
    assert!(!ran.exists(), "the program ran");
    assert!(crate::report::children().is_empty());
}

pub fn no_landlock_required() {
    for errno in [libc::ENOSYS, libc::EOPNOTSUPP] {
        deny(&[(libc::SYS_landlock_create_ruleset, errno)]);
        refused(Sandbox::builder(), Layer::Landlock);
    }
}

pub fn no_landlock_preferred() {
    deny(NO_LANDLOCK);
    let builder = Sandbox::builder().layers(|layers| layers.prefer(Layer::Landlock));
    let sandbox = builder.build().expect("preferred");
    let output = sandbox
        .command("cat")
        .arg("/proc/self/status")
        .output()
        .expect("cat");
    assert!(String::from_utf8_lossy(&output.stdout).contains("Seccomp:\t2"));
    assert!(!output.enforcement.is_full());
    for layer in Layer::ALL {
        let expected = if layer == Layer::Landlock {
            State::Absent
        } else {
            State::Full
        };
        assert_eq!(
            state(&output.enforcement, layer),
            expected,
            "{}",
            output.enforcement
        );
    }
    let report = output.enforcement.layer(Layer::Landlock).expect("a report");
    let weakness = &report.weaker[0];
    assert!(
        !weakness.reason.is_empty() && !weakness.remedy.is_empty(),
        "{weakness:?}"
    );
    println!("{weakness}");

    // What needs it names it, whatever the kernel's age.
    let builder = Sandbox::builder()
        .network(|network| network.host().connect([80]))
        .layers(|layers| layers.prefer(Layer::Landlock));
    match builder.build() {
        Err(BuildError::Unavailable {
            layer: Layer::Network,
            reason,
            remedy,
            ..
        }) => {
            assert_eq!(reason, "Landlock is not in force");
            assert!(remedy.starts_with("put up the landlock layer"), "{remedy}");
        }
        other => panic!("{other:?}"),
    }
}

pub fn no_seccomp_required() {
    deny(&[(libc::SYS_seccomp, libc::ENOSYS)]);
    refused(Sandbox::builder(), Layer::Seccomp);
    let builder = Sandbox::builder().layers(|layers| layers.prefer(Layer::Seccomp));
    let output = builder
        .build()
        .expect("preferred")
        .command("true")
        .output()
        .expect("true");
    assert_eq!(state(&output.enforcement, Layer::Seccomp), State::Absent);
    assert!(!output.enforcement.is_full());
}

pub fn no_clone() {
    for errno in [libc::ENOSYS, libc::EPERM] {
        deny(&[(libc::SYS_clone3, errno)]);
        refused(Sandbox::builder(), Layer::Namespaces);
    }
}

/// Runs a part where there are no user namespaces.
fn part(name: &str) {
    let mut command = scenario(name);
    let output = match without_user_namespaces(&mut command).output() {
        Ok(output) => output,
        Err(error) => {
            return lacks(&format!(
                "user namespaces whose number can be limited: {error}"
            ));
        }
    };
    print!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

pub fn no_namespaces_required() {
    part("part_no_namespaces_required");
}

pub fn no_namespaces_preferred() {
    part("part_no_namespaces_preferred");
}

pub fn no_namespaces_tree() {
    part("part_no_namespaces_tree");
}

pub fn no_namespaces_init() {
    part("part_no_namespaces_init");
}

pub fn part_no_namespaces_required() {
    // SAFETY: unshare(2) touches no memory.
    let answer = unsafe { libc::unshare(libc::CLONE_NEWUSER) };
    assert_eq!(
        answer, -1,
        "the control: there are user namespaces after all"
    );
    refused(Sandbox::builder(), Layer::Namespaces);
}

/// What a host without namespaces can have.
fn bare() -> SandboxBuilder {
    Sandbox::builder().layers(|layers| {
        let layers = layers.prefer(Layer::Namespaces);
        // Landlock, too: the newest rights may be younger than the kernel.
        layers
            .prefer(Layer::Filesystem)
            .prefer(Layer::Network)
            .prefer(Layer::Landlock)
    })
}

pub fn part_no_namespaces_preferred() {
    let (workspace, outside) = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let secret = outside.path().join("secret");
    fs::write(&secret, "the secret").expect("write");
    let sandbox = bare()
        .workspace(workspace.path())
        .build()
        .expect("preferred");
    let run = |script: &str| {
        let output = sandbox
            .command("bash")
            .args(["-c", script])
            .output()
            .expect("bash");
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    };
    let output = sandbox.command("true").output().expect("true");
    println!("{}", output.enforcement);
    assert!(!output.enforcement.is_full());
    assert_eq!(state(&output.enforcement, Layer::Namespaces), State::Absent);
    assert_eq!(state(&output.enforcement, Layer::Filesystem), State::Absent);
    assert_eq!(state(&output.enforcement, Layer::Network), State::Partial);
    assert_eq!(state(&output.enforcement, Layer::Seccomp), State::Full);
    for report in output.enforcement.layers() {
        for weakness in &report.weaker {
            assert!(
                !weakness.what.is_empty() && !weakness.reason.is_empty(),
                "{weakness:?}"
            );
        }
    }

    // The private places and the workspace work.
    assert_eq!(
        run("echo x > file && echo x > ~/file && echo x > $TMPDIR/file && cat file"),
        "x\n"
    );
    assert_eq!(
        fs::read(workspace.path().join("file")).expect("file"),
        b"x\n"
    );

    // Files outside are refused, whichever way.
    let script = format!(
        "cat {0}; cp {0} .; ln {0} hard; ln -s {0} soft; cat soft; mv {0} .",
        secret.display()
    );
    let text = run(&script);
    assert!(!text.contains("the secret"), "{text}");
    let text = run(&format!(
        "echo x > {0}/new; echo x >> {0}/secret; rm {0}/secret; mkdir {0}/d",
        outside.path().display()
    ));
    assert_eq!(
        fs::read(&secret).expect("it is still there"),
        b"the secret",
        "{text}"
    );
    assert_eq!(
        fs::read_dir(outside.path()).expect("list").count(),
        1,
        "{text}"
    );

    // The network is refused.
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bind");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
    tcp.set_nonblocking(true).expect("nonblocking");
    udp.set_nonblocking(true).expect("nonblocking");
    let (tcp_port, udp_port) = (
        tcp.local_addr().expect("address").port(),
        udp.local_addr().expect("address").port(),
    );
    let attack =
        format!("echo x > /dev/tcp/127.0.0.1/{tcp_port}; echo x > /dev/udp/127.0.0.1/{udp_port}");
    let text = run(&attack);
    assert!(
        tcp.accept().is_err() && udp.recv(&mut [0]).is_err(),
        "{text}"
    );
    let control = std::process::Command::new("bash")
        .args(["-c", &attack])
        .status()
        .expect("bash");
    assert!(control.success());
    assert!(
        within(Duration::from_secs(2), || tcp.accept().is_ok()),
        "the control shows nothing"
    );
    assert!(
        within(Duration::from_secs(2), || udp.recv(&mut [0; 8]).is_ok()),
        "the control shows nothing"
    );

    // Another process of this very user cannot be ended, stopped or looked into.
    let mut other = std::process::Command::new("sleep")
        .arg(marker())
        .env("KEY", "of-the-host")
        .spawn()
        .expect("sleep");
    let pid = other.id();
    let text = run(&format!(
        "kill -9 {pid}; kill -STOP {pid}; tr '\\0' '\\n' < /proc/{pid}/environ; head -c 1 /proc/{pid}/mem; prlimit --pid {pid} --cpu=1:1"
    ));
    assert!(!text.contains("of-the-host"), "{text}");
    std::thread::sleep(Duration::from_millis(50));
    assert!(
        other.try_wait().expect("wait").is_none(),
        "it was ended: {text}"
    );
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    assert!(!status.contains("State:\tT"), "it was stopped");
    let limits = fs::read_to_string(format!("/proc/{pid}/limits")).expect("limits");
    let cpu = limits
        .lines()
        .find(|line| line.starts_with("Max cpu time"))
        .expect("a line");
    assert!(cpu.contains("unlimited"), "its limits were changed: {cpu}");
    other.kill().expect("kill");
    other.wait().expect("wait");

    let private: Vec<String> = run("echo $HOME; echo $TMPDIR")
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(
        private.iter().all(|path| Path::new(path).exists()),
        "{private:?}"
    );
    drop(sandbox);
    assert!(
        !private.iter().any(|path| Path::new(path).exists()),
        "left: {private:?}"
    );
}

pub fn part_no_namespaces_tree() {
    let sandbox = bare().build().expect("preferred");
    let marker = marker();
    let script = format!(
        "trap '' HUP INT TERM; for n in 1 2 3; do (setsid sh -c 'trap \"\" TERM; sleep {marker} & wait' &) ; done
         setsid setsid sleep {marker} </dev/null >/dev/null 2>&1 & sleep {marker}"
    );
    let tree = |limit: Option<Duration>| {
        let mut command = sandbox.command("sh");
        command
            .args(["-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some(limit) = limit {
            command.timeout(limit);
        }
        let child = command.spawn().expect("the shell");
        assert!(within(Duration::from_secs(5), || processes_with(&marker)
            .len()
            >= 8));
        child
    };
    let none = |how: &str| assert_eq!(processes_with(&marker), [] as [i32; 0], "{how}");
    let mut child = tree(None);
    child.kill().expect("kill");
    assert_eq!(child.wait().expect("wait").signal(), Some(9));
    none("kill");
    drop(tree(None));
    none("drop");
    let start = Instant::now();
    let status = tree(Some(Duration::from_millis(700))).wait().expect("wait");
    assert!(status.timed_out(), "{status}");
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    none("timeout");
    let status = sandbox
        .command("sh")
        .args(["-c", &format!("(setsid sleep {marker} &) ; exit 3")])
        .status();
    assert_eq!(status.expect("the shell").code(), Some(3));
    none("the end of the program");
}

pub fn part_no_namespaces_init() {
    let sandbox = bare().build().expect("preferred");
    let marker = marker();
    for signal in ["STOP", "KILL", "TERM"] {
        let script = format!("kill -{signal} $PPID; (setsid sleep {marker} &) ; sleep {marker}");
        let start = Instant::now();
        let mut command = sandbox.command("sh");
        let mut child = command
            .args(["-c", &script])
            .timeout(Duration::from_millis(400))
            .spawn()
            .expect("the shell");
        let status = child.wait_timeout(Duration::from_secs(3)).expect("wait");
        let left = processes_with(&marker);
        drop(child);
        for pid in &left {
            // SAFETY: kill(2) touches no memory; these are this test's own processes.
            unsafe { libc::kill(*pid, libc::SIGKILL) };
        }
        assert!(left.is_empty(), "SIG{signal} to init: {left:?} outlived it");
        let status = status.expect("the time limit still holds");
        assert!(status.timed_out(), "SIG{signal} to init: {status}");
        println!(
            "SIG{signal} to init changes nothing ({:?})",
            start.elapsed()
        );
    }
}
