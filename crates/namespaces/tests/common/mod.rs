//! A child as a sandbox would make it: shares this process's memory, applies what was prepared by
//! raw calls, and executes the view's /bin/sh with a script.
#![allow(dead_code)]

use cofferdam_namespaces::{
    Bind, Credentials, Detached, IdMap, MapWriter, Mounts, Namespaces, PreparedCredentials,
    PreparedIdMap, View,
};
use cofferdam_sys::process::{self, SignalMask, Stack};
use cofferdam_sys::{Errno, cred, fd};
use std::ffi::{CString, c_char};
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Where a child stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Map,
    Ids,
    Mount(u16),
    Drop,
    Check,
    Exec,
}

/// What a child found out about itself before it executed the shell.
#[derive(Clone, Copy, Debug, Default)]
pub struct Findings {
    pub securebits: u32,
    pub securebits_change: Option<Errno>,
    pub capabilities: cred::Capabilities,
    pub mount_time: Duration,
}

pub struct Child {
    pub namespaces: Namespaces,
    pub map: PreparedIdMap,
    pub credentials: PreparedCredentials,
    pub mounts: Mounts,
    pub detached: Detached,
    /// Called with `true` before and `false` after everything that must not allocate.
    pub window: fn(bool),
    /// Drive the operations one by one and fail before the one with this index.
    pub stop_after: Option<usize>,
    /// Where the child sends what it hands out.
    pub hand_out: Option<OwnedFd>,
}

#[derive(Debug)]
pub struct Finished {
    pub failure: Option<(Stage, Errno)>,
    pub findings: Findings,
    pub code: Option<i32>,
    pub output: String,
}

struct Shared<'a> {
    child: &'a Child,
    argv: [*const c_char; 4],
    envp: [*const c_char; 2],
    /// Read end: a byte comes when the maps are written.
    ready: RawFd,
    out: RawFd,
    failure: Option<(Stage, Errno)>,
    findings: Findings,
}

impl Child {
    /// The caller's own ids, a user, mount, pid and ipc namespace, no capabilities.
    pub fn new(view: View) -> Self {
        Self::with_mounts(view.prepare().unwrap_or_else(|e| panic!("{e}")))
    }

    pub fn with_mounts(mounts: Mounts) -> Self {
        Self {
            namespaces: Namespaces {
                user: true,
                mount: true,
                pid: true,
                ipc: true,
                ..Namespaces::default()
            },
            map: IdMap::current().prepare().expect("the caller's own ids"),
            credentials: Credentials::default().prepare().expect("credentials"),
            mounts,
            detached: Detached::none(),
            window: |_| {},
            stop_after: None,
            hand_out: None,
        }
    }

    /// Runs `script` inside and returns what it wrote.
    pub fn run(&self, script: &str) -> Finished {
        self.run_while(script, || {})
    }

    /// The same; `meanwhile` is called when the script runs. Its standard output is read afterwards.
    ///
    /// One child at a time: the kernel takes the dumpable flag from memory whose user id changes, and
    /// until it is put back no other child could write its own id map.
    pub fn run_while(&self, script: &str, meanwhile: impl FnOnce()) -> Finished {
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let script = CString::new(script).expect("no NUL");
        let (ready, go) = fd::pipe().expect("a pipe");
        let (mut output, out) = {
            let (read, write) = fd::pipe().expect("a pipe");
            (std::fs::File::from(read), write)
        };
        let mut shared = Shared {
            child: self,
            argv: [
                c"sh".as_ptr(),
                c"-c".as_ptr(),
                script.as_ptr(),
                std::ptr::null(),
            ],
            envp: [c"PATH=/usr/bin:/bin".as_ptr(), std::ptr::null()],
            ready: ready.as_raw_fd(),
            out: out.as_raw_fd(),
            failure: None,
            findings: Findings::default(),
        };
        let stack = Stack::new(64 << 10).expect("a stack");
        let before = SignalMask::FULL.set().expect("a mask");
        // SAFETY: the child makes raw calls and touches only `shared`, which this thread leaves alone
        // until the child has ended (`wait` below); the stack is dropped after that.
        let cloned = unsafe {
            process::clone(
                self.namespaces.clone_flags() | libc::CLONE_VM as u64,
                &stack,
                None,
                enter,
                (&raw mut shared).cast(),
            )
        };
        before.set().expect("a mask");
        let cloned = cloned.expect("a child");
        drop(out);
        match self.map.writer() {
            MapWriter::Child => {}
            MapWriter::Parent => self.map.write_from_parent(cloned.pid).expect("maps"),
            MapWriter::Helper => self.map.write_with_helper(cloned.pid).expect("maps"),
        }
        fd::write(go.as_fd(), b"x").expect("a byte");
        meanwhile();
        let mut text = String::new();
        output.read_to_string(&mut text).expect("output");
        let exit = loop {
            match process::wait(cloned.pidfd.as_fd(), true) {
                Err(Errno(libc::EINTR)) => {}
                other => break other.expect("an exit").expect("an exit"),
            }
        };
        Finished {
            failure: shared.failure,
            findings: shared.findings,
            code: exit.code,
            output: text,
        }
    }
}

extern "C" fn enter(shared: *mut u8) -> ! {
    // SAFETY: the pointer is to the `Shared` of `run_while`, which does not use it before the child
    // has ended.
    let shared = unsafe { &mut *shared.cast::<Shared<'_>>() };
    let failed = match steps(shared) {
        Ok(never) => match never {},
        Err(failed) => failed,
    };
    shared.failure = Some(failed);
    process::exit(99)
}

enum Never {}

fn steps(shared: &mut Shared<'_>) -> Result<Never, (Stage, Errno)> {
    let child = shared.child;
    let mut byte = [0];
    // SAFETY: the child has inherited the descriptor and closes it only with its table.
    let ready = unsafe { BorrowedFd::borrow_raw(shared.ready) };
    fd::read(ready, &mut byte).map_err(|errno| (Stage::Map, errno))?;
    (child.window)(true);
    if child.namespaces.user && child.map.writer() == MapWriter::Child {
        child
            .map
            .apply_in_child()
            .map_err(|errno| (Stage::Map, errno))?;
    }
    child
        .credentials
        .become_ids()
        .map_err(|errno| (Stage::Ids, errno))?;
    process::set_dumpable(true).map_err(|errno| (Stage::Ids, errno))?;
    let start = Instant::now();
    match (child.stop_after, &child.hand_out) {
        (None, None) => child
            .mounts
            .apply(&child.detached)
            .map_err(|error| (Stage::Mount(error.index), error.errno))?,
        (stop, socket) => {
            let stop = stop.unwrap_or(usize::MAX);
            let mut context = child.mounts.begin(&child.detached);
            for (index, op) in child.mounts.ops().iter().enumerate() {
                let failed = |errno| (Stage::Mount(index as u16), errno);
                if index == stop {
                    return Err(failed(Errno(libc::ECANCELED)));
                }
                op.apply(&mut context).map_err(failed)?;
            }
            if let (Some(socket), Some(store)) = (socket, context.handed_out()) {
                // SAFETY: the child's own descriptor, which it closes only with its table.
                let store = unsafe { BorrowedFd::borrow_raw(store) };
                cofferdam_sys::socket::send_with_fds(socket.as_fd(), b"x", &[store], 0)
                    .map_err(|errno| (Stage::Check, errno))?;
            }
        }
    }
    shared.findings.mount_time = start.elapsed();
    child
        .credentials
        .drop_capabilities()
        .map_err(|errno| (Stage::Drop, errno))?;
    (child.window)(false);
    let check = |errno| (Stage::Check, errno);
    shared.findings.capabilities = cred::capget().map_err(check)?;
    shared.findings.securebits = cred::securebits().map_err(check)?;
    shared.findings.securebits_change = cred::set_securebits(0).err();
    let exec = |errno| (Stage::Exec, errno);
    fd::dup_onto(shared.out, 1, 0).map_err(exec)?;
    fd::dup_onto(shared.out, 2, 0).map_err(exec)?;
    SignalMask::EMPTY.set().map_err(exec)?;
    let shell = fd::openat(
        libc::AT_FDCWD,
        c"/bin/sh",
        libc::O_PATH | libc::O_CLOEXEC,
        0,
    )
    .map_err(exec)?;
    // SAFETY: both arrays end with a null pointer and hold pointers to strings that live in
    // `run_while`.
    let errno = unsafe { process::exec_fd(shell, shared.argv.as_ptr(), shared.envp.as_ptr(), 0) };
    Err((Stage::Exec, errno))
}

impl Finished {
    /// The output of a script that got through to its end.
    pub fn expect_output(&self) -> &str {
        assert_eq!(self.failure, None, "{}", self.output);
        assert_eq!(self.code, Some(0), "{}", self.output);
        &self.output
    }
}

/// What a shell needs.
pub fn base() -> View {
    bare().dev()
}

/// What a shell needs to start.
pub fn bare() -> View {
    ["/usr", "/bin", "/lib", "/lib64"]
        .into_iter()
        .fold(View::new(), |view, path| {
            view.bind(path, path, Bind::READ_ONLY.optional())
        })
}

/// A directory that an ordinary user's child can reach, removed at the end.
pub fn scratch() -> (Scratch, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().canonicalize().expect("a path");
    (Scratch(dir), path)
}

pub struct Scratch(tempfile::TempDir);

impl Drop for Scratch {
    /// Overlayfs leaves a directory of mode 0, which only root could empty.
    fn drop(&mut self) {
        for (path, _) in listing(self.0.path()) {
            if path.ends_with("work/work") {
                let mode = std::fs::Permissions::from_mode(0o700);
                let _ = std::fs::set_permissions(path, mode);
            }
        }
    }
}

/// Whether overlays with changes in memory can do everything.
pub fn memory_is_full() -> bool {
    let Err(missing) = cofferdam_namespaces::probe().overlay_in_memory else {
        return true;
    };
    println!("missing on this host: overlays in memory: {missing}");
    assert_ne!(std::env::var("COFFERDAM_EXPECT").as_deref(), Ok("full"));
    false
}

pub fn is_root() -> bool {
    cred::geteuid() == 0
}

/// Every path below a directory, with its size, to see that nothing was left behind. What is in
/// directories of mode 0 is not looked at.
pub fn listing(dir: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_owned()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).expect("a directory") {
            let entry = entry.expect("an entry");
            let meta = entry.metadata().expect("metadata");
            if meta.is_dir() && meta.mode() & 0o777 != 0 {
                pending.push(entry.path());
            }
            found.push((entry.path(), if meta.is_dir() { 0 } else { meta.len() }));
        }
    }
    found.sort();
    found
}

/// Runs the calling test again in a user and mount namespace of its own, where it may mount; `true`
/// in that second run. The first asserts that it passed.
pub fn in_outer_namespace(test: &str) -> bool {
    const MARK: &str = "COFFERDAM_TEST_OUTER";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let exe = std::env::current_exe().expect("this program");
    let output = std::process::Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "--"])
        .arg(exe)
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .expect("util-linux's unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    assert!(text.contains("1 passed"), "{text}\n{errors}");
    false
}
