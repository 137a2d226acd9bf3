//! Values from the host itself: a variable, a file, what a program prints.

use super::{MAX_VALUE, ProvideError, Provided, Value};
use nix::sys::signal::{SigSet, SigmaskHow};
use rustix::fs::{Mode, OFlags};
use std::ffi::OsString;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Value, ProvideError>> + Send + 'a>>;

/// A variable of the host's environment, read anew each time.
pub(super) struct Variable(pub String);

/// A file.
pub(super) struct Contents(pub PathBuf);

/// What a program prints. Its environment and directory are the host's; no signal is blocked in it.
pub(super) struct Output {
    /// The program, found along `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Provided for Variable {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async {
            let value = std::env::var_os(&self.0).map(OsString::into_vec);
            let bytes = value.ok_or_else(|| ProvideError::Variable(self.0.clone()))?;
            Ok(Value {
                bytes: Zeroizing::new(bytes),
                ttl: None,
            })
        })
    }
}

impl Provided for Contents {
    fn fetch(&self) -> Fetching<'_> {
        let path = self.0.clone();
        Box::pin(async move {
            let reading = tokio::task::spawn_blocking(move || read(&path)).await;
            reading.map_err(|stopped| ProvideError::File {
                path: self.0.clone(),
                source: stopped.into(),
            })?
        })
    }
}

impl Provided for Output {
    fn fetch(&self) -> Fetching<'_> {
        Box::pin(async {
            let failed = |source| ProvideError::Command {
                program: self.program.clone(),
                source,
            };
            let mut command = Command::new(&self.program);
            // What it says on standard error may hold anything, so nobody reads it.
            command
                .args(&self.arguments)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .kill_on_drop(true);
            let starting = tokio::task::spawn_blocking(move || start(command)).await;
            let started = starting.unwrap_or_else(|stopped| Err(stopped.into()));
            let mut child = started.map_err(failed)?;
            let mut bytes = Zeroizing::new(Vec::with_capacity(READ));
            if let Some(output) = child.stdout.take() {
                let mut output = output.take(LIMIT);
                output.read_to_end(&mut bytes).await.map_err(failed)?;
            }
            if bytes.len() >= READ {
                return Err(ProvideError::Long(MAX_VALUE));
            }
            let status = child.wait().await.map_err(failed)?;
            if !status.success() {
                return Err(ProvideError::Status {
                    program: self.program.clone(),
                    status,
                });
            }
            without_line_end(&mut bytes);
            Ok(Value { bytes, ttl: None })
        })
    }
}

/// Starts a program with no signal blocked. It takes over what the thread that starts it blocks
/// (execve(2)), and the gate's threads block all: without this nothing but SIGKILL would end it.
fn start(mut command: Command) -> io::Result<Child> {
    let before = SigSet::empty().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let started = command.spawn();
    before.thread_set_mask()?;
    started
}

/// What is read at most: the longest value, its line end, and a byte that tells that it is longer.
const READ: usize = MAX_VALUE + 3;
const LIMIT: u64 = READ as u64;

fn read(path: &Path) -> Result<Value, ProvideError> {
    let failed = |source| ProvideError::File {
        path: path.to_owned(),
        source,
    };
    // Without waiting: a fifo would hold the thread for as long as nobody writes.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| failed(e.into()))?;
    let file = File::from(file);
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(ProvideError::NotRegular(path.to_owned()));
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(READ));
    file.take(LIMIT).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() >= READ {
        return Err(ProvideError::Long(MAX_VALUE));
    }
    without_line_end(&mut bytes);
    Ok(Value { bytes, ttl: None })
}

fn without_line_end(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}
