//! The bare mechanism, kept as a measure: the system calls that the walls are made of, one after another, with
//! nothing prepared that depends on a policy, no init, no report, no error but a number.
//!
//! What each child does here it does in memory shared with this process (see [`Task`]).

mod cold;
mod confine;
mod template;

pub use cold::Cold;
pub use template::Template;

use crate::kernel::{Child, Task, child, exec};
use crate::setting::Until;
use cofferdam_sys::process::Stack;
use cofferdam_sys::{Errno, fd};
use std::cell::Cell;
use std::ffi::CString;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// Enough for a child that calls the kernel.
const STACK: usize = 64 * 1024;

/// Where a child writes: an end of a pipe, or nowhere.
pub struct Output {
    reader: Option<OwnedFd>,
    /// Gone once the child has it.
    writer: Cell<Option<OwnedFd>>,
    number: RawFd,
}

impl Output {
    /// Times `spawn`, which starts a program and gives a function that waits for it.
    pub fn time(
        until: Until,
        spawn: impl FnOnce(&Output) -> Result<Duration, Errno>,
    ) -> Result<Duration, String> {
        let output = Self::new(until).map_err(|error| error.to_string())?;
        spawn(&output).map_err(|errno| format!("the mechanism: {errno}"))
    }

    fn new(until: Until) -> Result<Self, Errno> {
        let (reader, writer) = match until {
            Until::Exit => (None, null().map_err(|_| Errno(libc::EIO))?),
            Until::FirstByte => {
                let (reader, writer) = fd::pipe()?;
                (Some(reader), writer)
            }
        };
        Ok(Self {
            reader,
            number: writer.as_raw_fd(),
            writer: Cell::new(Some(writer)),
        })
    }

    /// Waits for the first byte where there is a pipe, and for the end of the child.
    fn wait(&self, child: Child<'_>, start: Instant) -> Result<Duration, Errno> {
        // The child has a table of descriptors of its own, and its end is the end of the pipe.
        drop(self.writer.take());
        let mut first = None;
        if let Some(reader) = &self.reader
            && fd::read(reader.as_fd(), &mut [0])? == 1
        {
            first = Some(start.elapsed());
        }
        let exit = child.wait()?;
        match exit.code {
            Some(0) => Ok(first.unwrap_or_else(|| start.elapsed())),
            _ => Err(Errno(libc::ECHILD)),
        }
    }
}

fn null() -> std::io::Result<OwnedFd> {
    let file = File::options().read(true).write(true).open("/dev/null")?;
    Ok(file.into())
}

/// Stacks that are free.
#[derive(Default)]
struct Stacks(Mutex<Vec<Stack>>);

impl Stacks {
    fn with<T>(&self, run: impl FnOnce(&mut Stack) -> Result<T, Errno>) -> Result<T, Errno> {
        let free = self.0.lock().expect("nobody panics with it").pop();
        let mut stack = free.map_or_else(|| Stack::new(STACK), Ok)?;
        let done = run(&mut stack);
        self.0.lock().expect("nobody panics with it").push(stack);
        done
    }
}

/// A program that is started as it is.
pub struct Target {
    program: OwnedFd,
    name: CString,
    null: OwnedFd,
    stacks: Stacks,
}

impl Target {
    pub fn open(path: &Path) -> std::io::Result<Self> {
        use std::os::unix::fs::OpenOptionsExt;
        let program = File::options()
            .read(true)
            .custom_flags(libc::O_PATH)
            .open(path)?;
        Ok(Self {
            program: program.into(),
            name: CString::new(path.as_os_str().as_bytes())?,
            null: null()?,
            stacks: Stacks::default(),
        })
    }

    /// vfork and exec.
    pub fn vfork(&self, output: &Output) -> Result<Duration, Errno> {
        let start = Instant::now();
        self.stacks.with(|stack| {
            let task = Exec {
                target: self,
                out: output.number,
                errno: AtomicI32::new(0),
            };
            let child = child(libc::CLONE_VFORK, stack, &task)?;
            output
                .wait(child, start)
                .map_err(|errno| why(errno, &task.errno))
        })
    }
}

/// What the child said, or what the parent saw.
fn why(seen: Errno, said: &AtomicI32) -> Errno {
    match said.load(Ordering::Acquire) {
        0 => seen,
        errno => Errno(errno),
    }
}

struct Exec<'a> {
    target: &'a Target,
    out: RawFd,
    errno: AtomicI32,
}

impl Task for Exec<'_> {
    fn run(&self) {
        let streams = set_streams(self.target.null.as_raw_fd(), self.out);
        let program = self.target.program.as_raw_fd();
        let errno = streams
            .err()
            .unwrap_or_else(|| exec(program, &self.target.name));
        self.errno.store(errno.raw(), Ordering::Release);
    }
}

/// In a child: standard input, output and error.
fn set_streams(null: RawFd, out: RawFd) -> Result<(), Errno> {
    fd::dup_onto(null, 0, 0)?;
    fd::dup_onto(out, 1, 0)?;
    fd::dup_onto(null, 2, 0)
}

/// In a child that is confined, if it is: the program at a path of the new root, with all descriptors closed but the
/// standard streams.
fn exec_inside(
    confined: Result<(), Errno>,
    null: RawFd,
    out: RawFd,
    path: &std::ffi::CStr,
) -> Errno {
    let last = || {
        confined?;
        set_streams(null, out)?;
        fd::close_from(3)?;
        // The filter knows no openat2(2).
        fd::openat(libc::AT_FDCWD, path, libc::O_PATH | libc::O_CLOEXEC, 0)
    };
    last().map_or_else(|errno| errno, |program| exec(program, path))
}
