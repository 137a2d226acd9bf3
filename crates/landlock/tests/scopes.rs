//! TCP ports and scopes, tried from inside; whom a ruleset binds.

mod common;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use cofferdam_landlock::{Access, ApplyStep, Feature, Ruleset, probe};
use cofferdam_sys::process::set_no_new_privs;
use common::{check, confine, errno, host_has_landlock, host_offers, parent, run, var};
use libc::{EACCES, EPERM};

#[test]
fn tcp_ports_are_denied_but_for_those_allowed() {
    if let Some(mut command) = parent("tcp_ports_are_denied_but_for_those_allowed") {
        if !host_offers(Feature::ConnectTcp) {
            return;
        }
        let listen = || TcpListener::bind("127.0.0.1:0").expect("listen");
        let port = |listener: &TcpListener| listener.local_addr().expect("address").port();
        let (open, closed, free) = (listen(), listen(), listen());
        command.env("OPEN", port(&open).to_string());
        command.env("CLOSED", port(&closed).to_string());
        command.env("FREE", port(&free).to_string());
        drop(free);
        run(&mut command);
        return;
    }
    let port = |name: &str| var(name).parse::<u16>().expect("port");
    let connect = |port| TcpStream::connect(("127.0.0.1", port)).map(drop);
    let bind = |port| TcpListener::bind(("127.0.0.1", port)).map(drop);
    connect(port("OPEN")).expect("control: connecting");
    connect(port("CLOSED")).expect("control: connecting");
    bind(0).expect("control: listening");

    confine(
        &Ruleset::new()
            .connect_tcp([port("OPEN")])
            .bind_tcp([port("FREE")]),
    );
    connect(port("OPEN")).expect("an allowed port");
    assert_eq!(errno(connect(port("CLOSED"))), EACCES);
    bind(port("FREE")).expect("an allowed port");
    assert_eq!(errno(bind(0)), EACCES);
    fs::read("/etc/passwd").expect("files are left alone");

    // A ruleset on top, with no port at all.
    confine(&Ruleset::new().connect_tcp([]));
    assert_eq!(errno(connect(port("OPEN"))), EACCES);
    bind(port("FREE")).expect("binding is not in the second ruleset");
}

#[test]
fn abstract_unix_sockets_outside_are_out_of_reach() {
    let connect = |name: &str| {
        let address = SocketAddr::from_abstract_name(name).expect("address");
        UnixStream::connect_addr(&address).map(drop)
    };
    let listen = |name: &str| {
        let address = SocketAddr::from_abstract_name(name).expect("address");
        UnixListener::bind_addr(&address).expect("listen")
    };
    if let Some(mut command) = parent("abstract_unix_sockets_outside_are_out_of_reach") {
        if host_offers(Feature::ScopeAbstractUnix) {
            let name = format!("cofferdam-landlock-test-{}", std::process::id());
            let _host = listen(&name);
            run(command.env("NAME", name));
        }
        return;
    }
    let name = var("NAME");
    connect(&name).expect("control: connecting");
    confine(&Ruleset::new().scope_abstract_unix());
    assert_eq!(errno(connect(&name)), EPERM);
    let own = format!("{name}-own");
    let _own = listen(&own);
    connect(&own).expect("a socket of its own");
}

/// A process that is ended whatever comes of the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut command = Command::new("sleep");
        let child = command.arg("60").stdin(Stdio::null()).spawn();
        Self(child.expect("sleep starts"))
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn processes_outside_cannot_be_signalled() {
    if let Some(mut command) = parent("processes_outside_cannot_be_signalled") {
        if host_offers(Feature::ScopeSignals) {
            let mut host = Sleeper::start();
            run(command.env("PID", host.0.id().to_string()));
            assert_eq!(host.0.try_wait().expect("wait"), None, "it lives");
        }
        return;
    }
    let pid = var("PID").parse::<i32>().expect("pid");
    // SAFETY: kill(2) touches no memory; the processes are those that this test started.
    let kill = |pid, signal| check(unsafe { libc::kill(pid, signal) });
    kill(pid, 0).expect("control: signalling");
    confine(&Ruleset::new().scope_signals());
    assert_eq!(errno(kill(pid, 0)), EPERM);
    assert_eq!(errno(kill(pid, libc::SIGKILL)), EPERM);
    let mut own = Sleeper::start();
    kill(own.0.id() as i32, libc::SIGKILL).expect("a process of its own");
    own.0.wait().expect("wait");
}

#[test]
fn only_the_calling_thread_is_restricted() {
    if !host_has_landlock() {
        return;
    }
    let read = || fs::read("/etc/passwd").map(drop);
    let prepared = Ruleset::new().path("/usr", Access::Read).prepare(&probe());
    let prepared = prepared.expect("prepare");
    assert_eq!(prepared.descriptors().count(), 1);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                read().expect("control: reading");
                set_no_new_privs().expect("no_new_privs");
                prepared.apply().expect("apply");
                assert_eq!(errno(read()), EACCES);
                let inherited = thread::spawn(move || errno(read())).join().expect("join");
                assert_eq!(inherited, EACCES, "what it starts is under it too");
            });
        }
    });
    read().expect("the thread that prepared it");
    thread::spawn(move || read().expect("a thread started later"))
        .join()
        .expect("join");
}

#[test]
fn without_no_new_privs_only_the_privileged_may_apply() {
    if let Some(mut command) = parent("without_no_new_privs_only_the_privileged_may_apply") {
        if host_has_landlock() {
            run(&mut command);
        }
        return;
    }
    let status = fs::read_to_string("/proc/self/status").expect("status");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(line.expect(name).trim(), 16).expect("number")
    };
    const CAP_SYS_ADMIN: u64 = 1 << 21;
    let may = field("CapEff:") & CAP_SYS_ADMIN != 0 || field("NoNewPrivs:") == 1;

    let prepared = Ruleset::new().scope_signals().files().prepare(&probe());
    match prepared.expect("prepare").apply() {
        Ok(()) => assert!(may),
        Err(error) => {
            assert!(!may, "{error}");
            assert_eq!(error.step, ApplyStep::Restrict);
            assert_eq!(error.errno.raw(), EPERM);
            assert!(error.to_string().contains("no_new_privs"), "{error}");
        }
    }
}

#[test]
fn sixteen_rulesets_are_the_limit_and_the_error_says_so() {
    if !host_has_landlock() {
        return;
    }
    let prepared = Ruleset::new().path("/", Access::ReadExec).prepare(&probe());
    let prepared = prepared.expect("prepare");
    let answer = thread::spawn(move || {
        set_no_new_privs().expect("no_new_privs");
        for _ in 0..16 {
            prepared.apply().expect("apply");
        }
        prepared.apply()
    });
    let error = answer.join().expect("join").expect_err("the 17th");
    assert_eq!(error.step, ApplyStep::Restrict);
    assert_eq!(error.errno.raw(), libc::E2BIG);
    assert!(error.to_string().contains("16"), "{error}");
}
