//! What the host hears of programs that are executed inside and of calls that are refused.

mod common;

use cofferdam_seccomp::Arch;
use cofferdam_spawn::{Access, Command, Ended, Exec, Intent, Observer, Plan, Refused};
use cofferdam_sys::Errno;
use std::ffi::CString;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

/// Remembers what it hears of, and refuses to execute what is named.
#[derive(Default)]
struct Ears {
    execs: Mutex<Vec<Exec>>,
    refused: Mutex<Vec<Refused>>,
    files: Mutex<Vec<(String, Intent)>>,
    forbidden: Option<(&'static [u8], Errno)>,
}

impl Observer for Ears {
    fn exec(&self, exec: &Exec) -> Result<(), Errno> {
        self.execs.lock().unwrap().push(exec.clone());
        match self.forbidden {
            Some((path, errno)) if exec.path.as_deref() == Some(path) => Err(errno),
            _ => Ok(()),
        }
    }

    fn refused(&self, call: &Refused) {
        self.refused.lock().unwrap().push(*call);
    }

    fn access(&self, access: &Access) {
        let path = access.path.to_string_lossy().into_owned();
        self.files.lock().unwrap().push((path, access.intent));
    }
}

impl Ears {
    fn argvs(&self) -> Vec<String> {
        let execs = self.execs.lock().unwrap();
        let line = |exec: &Exec| String::from_utf8_lossy(&exec.argv.join(&b' ')).into_owned();
        execs.iter().map(line).collect()
    }
}

fn run(plan: &Plan, command: &Command, ears: &Arc<Ears>) -> Ended {
    let null = common::null();
    let observer = Arc::clone(ears) as Arc<dyn Observer>;
    let process = plan.spawn_observed(command, [null.as_fd(); 3], observer);
    let mut process = process.expect("the plan works");
    process.wait(None).expect("wait").expect("an end")
}

#[test]
fn every_program_is_heard_of_with_its_parent() {
    let workspace = common::workspace();
    let plan = Plan::new(common::observed(workspace.path()));
    let ears = Arc::new(Ears::default());
    let command = common::sh("/bin/echo one 'two  three'; sh -c '/bin/true; exit 4'");
    assert_eq!(run(&plan, &command, &ears).code, Some(4));
    let execs = ears.execs.lock().unwrap();
    let paths: Vec<_> = execs
        .iter()
        .map(|exec| String::from_utf8_lossy(exec.path.as_ref().expect("a path")).into_owned())
        .collect();
    assert_eq!(paths, ["/bin/sh", "/bin/echo", "/usr/bin/sh", "/bin/true"]);
    assert_eq!(execs[1].argv, [&b"/bin/echo"[..], b"one", b"two  three"]);
    assert!(execs.iter().all(|exec| !exec.truncated && exec.pid > 1));
    let [outer, echo, inner, last] = &execs[..] else {
        panic!("{execs:?}");
    };
    assert_eq!(echo.parent, outer.pid);
    // A shell can become its last program itself.
    assert!(inner.parent == outer.pid || inner.pid == outer.pid);
    assert!(last.parent == inner.pid);
    assert!(ears.refused.lock().unwrap().is_empty());
}

#[test]
fn a_session_is_heard_of_for_as_long_as_it_lives() {
    let workspace = common::workspace();
    let plan = Plan::new(common::observed(workspace.path()));
    let (one, two) = (Arc::new(Ears::default()), Arc::new(Ears::default()));
    let observed = |ears: &Arc<Ears>| {
        let observer = Arc::clone(ears) as Arc<dyn Observer>;
        plan.start_observed(observer).expect("a session")
    };
    let (first, second) = (observed(&one), observed(&two));
    let null = common::null();
    for (session, text) in [(&first, "a"), (&second, "b"), (&first, "c")] {
        let command = common::sh(&format!("/bin/echo {text}"));
        let mut process = session
            .spawn(&command, [null.as_fd(); 3])
            .expect("a program");
        assert_eq!(
            process.wait(None).expect("wait").expect("an end").code,
            Some(0)
        );
    }
    let echoes = |ears: &Ears| {
        let mut argvs = ears.argvs();
        argvs.retain(|argv| argv.starts_with("/bin/echo"));
        argvs
    };
    assert_eq!(echoes(&one), ["/bin/echo a", "/bin/echo c"]);
    assert_eq!(echoes(&two), ["/bin/echo b"]);
    // The thread lets go of a session that is gone.
    let gone: Weak<Ears> = Arc::downgrade(&two);
    drop((second, two));
    let until = Instant::now() + Duration::from_secs(5);
    while gone.upgrade().is_some() {
        assert!(Instant::now() < until, "the observer of a session stays");
        std::thread::sleep(Duration::from_millis(5));
    }
    drop((first, plan));
    assert_eq!(Arc::strong_count(&one), 1);
}

#[test]
fn a_program_that_may_not_be_recorded_is_not_executed() {
    let workspace = common::workspace();
    let plan = Plan::new(common::observed(workspace.path()));
    let ears = Arc::new(Ears {
        forbidden: Some((b"/bin/cat", Errno(libc::EPERM))),
        ..Ears::default()
    });
    let command = common::sh("/bin/cat /etc/passwd && exit 1; /bin/true && exit 3");
    assert_eq!(run(&plan, &command, &ears).code, Some(3));
    // The first program of all, which init executes.
    let ears = Arc::new(Ears {
        forbidden: Some((b"/bin/sh", Errno(libc::EPERM))),
        ..Ears::default()
    });
    let null = common::null();
    let spawned = plan.spawn_observed(&command, [null.as_fd(); 3], ears);
    assert!(spawned.is_err());
}

#[test]
fn files_are_heard_of_where_they_are_traced_and_what_is_refused_stays_refused() {
    let workspace = common::workspace();
    let script = "
import ctypes, errno, os, socket
os.chdir('/')
open('usr/../usr/bin/env').close()
os.close(os.open('first', os.O_CREAT | os.O_WRONLY, dir_fd=os.open('/tmp', os.O_PATH)))
os.rename('/tmp/first', '/tmp/second')
try:
    os.chmod('/tmp/second', 0o4755)
    os._exit(1)
except PermissionError:
    pass
assert os.stat('/tmp/second').st_mode & 0o4000 == 0
try:
    socket.socket(socket.AF_UNIX).connect('/tmp/no.sock')
except OSError:
    pass
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mount(0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM
assert libc.open(ctypes.c_void_p(8), 0) == -1 and ctypes.get_errno() == errno.EFAULT
os._exit(7)
";
    let command = common::python(script);
    let ears = Arc::new(Ears::default());
    let plan = Plan::new(common::traced(workspace.path()));
    assert_eq!(run(&plan, &command, &ears).code, Some(7));
    let files = ears.files.lock().unwrap();
    for (path, intent) in [
        ("/usr/bin/env", Intent::Read),
        ("/tmp/first", Intent::Create),
        ("/tmp/first", Intent::Remove),
        ("/tmp/second", Intent::Create),
        ("/tmp/second", Intent::Metadata),
        ("/tmp/no.sock", Intent::Socket),
    ] {
        let heard = files
            .iter()
            .any(|file| (file.0.as_str(), file.1) == (path, intent));
        assert!(heard, "{path} {intent:?}: {files:?}");
    }
    assert!(files.iter().any(|(_, intent)| *intent == Intent::Execute));
    // Refused by the filter itself: a listener that lets such calls go on must not hear of it.
    assert!(!files.contains(&("/tmp/second".into(), Intent::Write)));
    let mount = Arch::native().number("mount").expect("a call");
    assert!(
        ears.refused
            .lock()
            .unwrap()
            .iter()
            .any(|call| call.number == mount)
    );
    // The control: where only programs are observed, none of it is heard of.
    let ears = Arc::new(Ears::default());
    let plan = Plan::new(common::observed(workspace.path()));
    run(&plan, &command, &ears);
    assert!(ears.files.lock().unwrap().is_empty());
}

#[test]
fn refused_calls_are_heard_of_and_stay_refused() {
    let workspace = common::workspace();
    let script = "
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
for _ in range(3):
    assert libc.mount(0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM
assert libc.syscall(ctypes.c_long(-1)) == -1 and ctypes.get_errno() == errno.ENOSYS
os._exit(7)
";
    let command = common::python(script);
    let ears = Arc::new(Ears::default());
    let plan = Plan::new(common::observed(workspace.path()));
    assert_eq!(run(&plan, &command, &ears).code, Some(7));
    let mount = Arch::native().number("mount").expect("a call");
    let refused = ears.refused.lock().unwrap();
    let mounts = refused.iter().filter(|call| call.number == mount);
    assert_eq!(mounts.count(), 3, "{refused:?}");
    // The control: the same answers without anybody who hears.
    let ears = Arc::new(Ears::default());
    assert_eq!(
        run(&common::plan(workspace.path()), &command, &ears).code,
        Some(7)
    );
    assert!(ears.execs.lock().unwrap().is_empty());
}

#[test]
fn threads_and_signals_lose_no_program() {
    let workspace = common::workspace();
    let plan = Plan::new(common::observed(workspace.path()));
    let ears = Arc::new(Ears::default());
    // A timer interrupts calls that wait; each program runs exactly once all the same.
    let script = "
import os, signal, subprocess, threading
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
def work():
    for _ in range(20):
        subprocess.run(['/bin/echo', 'x'], check=True, stdout=subprocess.DEVNULL)
threads = [threading.Thread(target=work) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
os._exit(5)
";
    assert_eq!(run(&plan, &common::python(script), &ears).code, Some(5));
    let argvs = ears.argvs();
    let echoes = argvs.iter().filter(|argv| *argv == "/bin/echo x");
    assert!(echoes.count() >= 80, "{}", argvs.len());
}

#[test]
fn a_program_that_waits_ends_with_its_sandbox() {
    struct Slow;
    impl Observer for Slow {
        fn exec(&self, exec: &Exec) -> Result<(), Errno> {
            if exec.path.as_deref() == Some(b"/bin/true") {
                std::thread::sleep(Duration::from_secs(3));
            }
            Ok(())
        }
        fn refused(&self, _: &Refused) {}
    }
    let workspace = common::workspace();
    let plan = Plan::new(common::observed(workspace.path()));
    let null = common::null();
    let command = Command {
        envp: vec![CString::from(c"PATH=/bin")],
        ..common::sh("/bin/true")
    };
    let process = plan.spawn_observed(&command, [null.as_fd(); 3], Arc::new(Slow));
    let process = process.expect("the plan works");
    std::thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    drop(process);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    drop(plan);
}
