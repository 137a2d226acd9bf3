//! Standard input, output and error of a command.

use cofferdam_sys::process::SignalMask;
use cofferdam_sys::{Errno, fd};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::thread::JoinHandle;

/// Where a standard stream comes from or goes to, as `std::process::Stdio`.
///
/// A regular file is never handed in itself: a program could open it anew through
/// `/proc/self/fd` with other rights than it was given, change its mode or cut it. A pipe goes in,
/// and a thread of the host copies between the two.
#[derive(Debug)]
pub struct Stdio(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Inherit,
    Null,
    Piped,
    Descriptor(OwnedFd),
}

impl Stdio {
    /// The stream of this process.
    pub fn inherit() -> Self {
        Self(Kind::Inherit)
    }

    /// `/dev/null`.
    pub fn null() -> Self {
        Self(Kind::Null)
    }

    /// A new pipe, whose other end is in the [`Child`](crate::Child).
    pub fn piped() -> Self {
        Self(Kind::Piped)
    }
}

impl From<OwnedFd> for Stdio {
    fn from(fd: OwnedFd) -> Self {
        Self(Kind::Descriptor(fd))
    }
}

impl From<File> for Stdio {
    fn from(file: File) -> Self {
        Self(Kind::Descriptor(file.into()))
    }
}

/// A stream made ready: what goes in, and what stays.
pub(crate) struct Stream {
    /// What the program gets.
    pub inner: OwnedFd,
    /// The host's end of a pipe that was asked for.
    pub pipe: Option<OwnedFd>,
    /// The thread that copies from or to a regular file.
    pub relay: Option<JoinHandle<()>>,
}

/// Which of the three streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    In,
    Out,
    Err,
}

impl Stream {
    /// Opens a stream for a program that runs under another user id than this process, or not.
    pub(crate) fn open(kind: &Kind, which: Which, other_user: bool) -> io::Result<Self> {
        match kind {
            Kind::Null => Ok(Self::plain(
                File::options()
                    .read(true)
                    .write(true)
                    .open("/dev/null")?
                    .into(),
            )),
            Kind::Piped => {
                let (read, write) = fd::pipe()?;
                let (inner, ours) = match which {
                    Which::In => (read, write),
                    Which::Out | Which::Err => (write, read),
                };
                Ok(Self {
                    inner,
                    pipe: Some(ours),
                    relay: None,
                })
            }
            Kind::Descriptor(fd) => Self::guarded(fd.try_clone()?, which, other_user),
            Kind::Inherit => {
                let fd = match which {
                    Which::In => io::stdin().as_fd().try_clone_to_owned(),
                    Which::Out => io::stdout().as_fd().try_clone_to_owned(),
                    Which::Err => io::stderr().as_fd().try_clone_to_owned(),
                };
                match fd {
                    Ok(fd) => Self::guarded(fd, which, other_user),
                    // A host without this stream gives its programs an empty one.
                    Err(error) if error.raw_os_error() == Some(libc::EBADF) => {
                        Self::open(&Kind::Null, which, other_user)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    /// Makes a pipe that was made here the user's; what came from the host keeps its owner.
    pub(crate) fn give_to(&self, id: u32) -> io::Result<()> {
        if self.pipe.is_none() && self.relay.is_none() {
            return Ok(());
        }
        std::os::unix::fs::fchown(&self.inner, Some(id), Some(id))
    }

    fn plain(inner: OwnedFd) -> Self {
        Self {
            inner,
            pipe: None,
            relay: None,
        }
    }

    /// Passes pipes, sockets and terminals on; puts a pipe before a regular file or block device.
    ///
    /// On a root host also before a pipe to write to: it is root's, and a program under another id
    /// could not open it anew as `/dev/stderr`, as shell scripts do. Not before one to read from,
    /// where a relay would take more than the program asks for.
    fn guarded(fd: OwnedFd, which: Which, other_user: bool) -> io::Result<Self> {
        use std::os::unix::fs::FileTypeExt;
        let file = File::from(fd);
        let kind = file.metadata()?.file_type();
        let foreign = kind.is_fifo() && other_user && which != Which::In;
        if !(kind.is_file() || kind.is_dir() || kind.is_block_device() || foreign) {
            return Ok(Self::plain(file.into()));
        }
        let (read, write) = fd::pipe()?;
        let (inner, relay) = match which {
            Which::In => (read, relay(apart(file), File::from(write))?),
            Which::Out | Which::Err => (write, relay(File::from(read), file)?),
        };
        Ok(Self {
            inner,
            pipe: None,
            relay: Some(relay),
        })
    }
}

/// The same file with a position of its own, so that reading ahead of the program takes nothing from
/// whoever shares the host's: a shell's loop over the file it was given.
fn apart(mut file: File) -> File {
    let mut own = || {
        let at = file.stream_position()?;
        let mut own = File::open(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
        own.seek(io::SeekFrom::Start(at))?;
        Ok::<_, io::Error>(own)
    };
    // A file that this process may read but not open (anew) is read as it is.
    let own = own();
    own.unwrap_or(file)
}

/// Copies until either side ends. All signals are blocked in this thread, so that a program that
/// closes its input early raises no `SIGPIPE` in a host that does not expect one.
fn relay(mut from: File, mut to: File) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("cofferdam-relay".into())
        .spawn(move || {
            let _: Result<_, Errno> = SignalMask::FULL.set();
            let _ = copy(&mut from, &mut to);
        })
}

/// Reads and writes, and not `io::copy`: that takes splice(2) from a pipe to a file, which notes the
/// file's position before it waits for the pipe, and then writes over what others have put there.
fn copy(from: &mut File, to: &mut File) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&buffer[..n])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
