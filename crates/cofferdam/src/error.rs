//! Why a sandbox was not built, a command not started, or its end not known.

use cofferdam_policy::{IdRange, Layer, PolicyError};
use cofferdam_spawn::{Operation, Stage};
use cofferdam_sys::{Errno, cause};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why [`SandboxBuilder::build`](crate::SandboxBuilder::build) refused. Nothing on the host was
/// changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The policy contradicts itself or cannot be meant.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The current directory, from which relative paths are taken, cannot be read.
    #[error("the current directory cannot be read, so relative paths have no meaning: {0}")]
    CurrentDirectory(#[source] io::Error),
    /// A layer that the policy requires cannot be put up on this host.
    #[error("the {layer} layer cannot be put up: {feature}: {reason}. What to do: {remedy}", layer = .layer.name())]
    Unavailable {
        /// The layer.
        layer: Layer,
        /// What of it.
        feature: String,
        /// Why not: the kernel's answer, the setting, the security module.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
    /// The file system view cannot be made from this policy on this host.
    #[error("{}{}", .0, cause(.0))]
    View(#[from] cofferdam_namespaces::ViewError),
    /// The id map cannot be used.
    #[error("{}{}", .0, cause(.0))]
    IdMap(#[from] cofferdam_namespaces::IdMapError),
    /// The id-mapped mounts of a root host cannot be prepared.
    #[error("the id-mapped workspace of a root host cannot be prepared: {}{}", .0, cause(.0))]
    Mapping(#[source] cofferdam_namespaces::MappingError),
    /// The credentials cannot be prepared.
    #[error("{}{}", .0, cause(.0))]
    Credentials(#[from] cofferdam_namespaces::CredentialsError),
    /// The system call profile cannot be compiled.
    #[error("{}{}", .0, cause(.0))]
    Filter(#[from] cofferdam_seccomp::CompileError),
    /// The OCI profile cannot be imported.
    #[cfg(feature = "oci")]
    #[error("the system call profile {}: {error}", .path.display())]
    OciProfile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: cofferdam_seccomp::OciError,
    },
    /// The OCI profile cannot be read.
    #[error("the system call profile {} cannot be read: {error}", .path.display())]
    ProfileFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The policy names an OCI profile, and this build cannot read one.
    #[error("the policy names the OCI profile {}, which needs the feature `oci` of the cofferdam crate", .path.display())]
    OciFeature {
        /// The file.
        path: PathBuf,
    },
    /// The policy asks for something that this version does not know.
    #[error("{what} is unknown to this version of cofferdam: use one as new as the policy")]
    Unsupported {
        /// What.
        what: String,
    },
    /// The Landlock ruleset cannot be prepared.
    #[error("{}{}", .0, cause(.0))]
    Landlock(#[from] cofferdam_landlock::PrepareError),
    /// No random number could be read.
    #[error("/dev/urandom cannot be read: {0}")]
    Random(#[source] io::Error),
    /// Every id of the range is in use by this process.
    #[error("all {} ids from {} on are in use: give [identity] a larger range", .range.count, .range.start)]
    IdsUsedUp {
        /// The range.
        range: IdRange,
    },
    /// The directory under an overlay cannot be opened.
    #[error("{} cannot be opened, over which an overlay was to lie: {error}", .path.display())]
    OverlaySource {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        error: io::Error,
    },
    /// An overlay is to be shown behind a link of the view's own.
    #[error("the overlay at {} lies behind a symbolic link: name the place where the link leads", .path.display())]
    OverlayTarget {
        /// Its path inside.
        path: PathBuf,
    },
    /// The directory for upper layers on disk cannot be made or used.
    #[error("{} cannot hold upper layers: {error}; name another with upper = {{ disk = … }}, or keep them in memory", .path.display())]
    Store {
        /// The directory.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        error: io::Error,
    },
    /// There is no directory for what outlives a process.
    #[error("there is no place for files that stay: {0}; set HOME, or name a directory")]
    NoStateDirectory(&'static str),
    /// A snapshot has changes of a directory that this policy does not show as an overlay.
    #[error("the snapshot has changes of {}, which this sandbox shows as no overlay; use the policy it was made under", .path.display())]
    SnapshotPath {
        /// The directory, inside.
        path: PathBuf,
    },
    /// The dangerous names of the workspace cannot be found.
    #[error("the workspace's dangerous names cannot be protected: {0}; or set protect to false")]
    Protect(String),
    /// The image cannot be unpacked.
    #[cfg(feature = "image")]
    #[error(transparent)]
    Image(#[from] cofferdam_image::ImageError),
    /// The policy names an image, and this build cannot read one.
    #[error("the policy names the image {}, which needs the feature `image` of the cofferdam crate", .path.display())]
    ImageFeature {
        /// The image layout.
        path: PathBuf,
    },
    /// The policy has rules for the network, and this build has no gate.
    #[error(
        "the policy has rules for the network, which needs the feature `egress` of the cofferdam crate"
    )]
    EgressFeature,
    /// The policy has rules for the network and switches its layer off.
    #[error(
        "the policy has rules for the network and switches the network layer off, which would hold none of them; leave out one of the two"
    )]
    RulesWithoutLayer,
    /// A service of the host's is forwarded to a path in a root of the sandbox's own.
    #[error(
        "{} cannot be the socket of a forwarded service: it lies in the sandbox's own root, where no socket can listen; forward to a path below /run, such as /run/{}", .path.display(), file_name(.path)
    )]
    ForwardInRoot {
        /// The path inside.
        path: PathBuf,
    },
    /// Other rules for a network that has none.
    #[error(
        "the sandbox was built without rules for the network, so there are none to replace; build it with network mode `rules`"
    )]
    NoRulesToReplace,
    /// The certificates that programs inside are to trust cannot be read.
    #[cfg(feature = "egress")]
    #[error(transparent)]
    Roots(#[from] cofferdam_egress::RootsError),
    /// The gate cannot be started.
    #[cfg(feature = "egress")]
    #[error(transparent)]
    Gate(#[from] cofferdam_egress::StartError),
    /// A private directory for a wall without mounts could not be made.
    #[error("a private directory could not be made: {0}")]
    PrivateDirectory(#[source] io::Error),
}

impl From<crate::protect::ProtectError> for BuildError {
    fn from(error: crate::protect::ProtectError) -> Self {
        Self::Protect(error.to_string())
    }
}

/// Why a command was not started. The program did not run, and nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpawnError {
    /// A string holds a NUL byte, which execve(2) cannot pass on.
    #[error("{what} holds a NUL byte: {text:?}")]
    Nul {
        /// Which string.
        what: &'static str,
        /// The string.
        text: OsString,
    },
    /// A variable's name is empty or holds `=`.
    #[error("{name:?} cannot be the name of a variable: it must not be empty or hold `=`")]
    VariableName {
        /// The name.
        name: OsString,
    },
    /// The gate cannot serve the sandbox's sockets; what was started has ended.
    #[error("the gate cannot serve the sandbox's network: {0}")]
    Gate(#[source] io::Error),
    /// A port cannot be published.
    #[error(
        "{address} cannot be listened on to publish a port: {error}; name another address or port"
    )]
    Publish {
        /// Where the host was to listen.
        address: std::net::SocketAddr,
        /// The kernel's answer.
        #[source]
        error: io::Error,
    },
    /// A standard stream could not be opened.
    #[error("a standard stream cannot be opened: {0}")]
    Stdio(#[source] io::Error),
    /// The program does not exist inside.
    #[error(
        "{program:?} is not inside the sandbox (PATH there is {path:?}): name its directory with read(), or check the spelling"
    )]
    NotFound {
        /// The program.
        program: OsString,
        /// Where it was looked for.
        path: OsString,
    },
    /// The program exists inside but cannot be executed.
    #[error("{program:?} cannot be executed inside the sandbox: {errno}")]
    NotExecutable {
        /// The program.
        program: OsString,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// The working directory cannot be entered inside.
    #[error("the working directory {} cannot be entered inside the sandbox: {errno}; name it as workspace or with read() or write()", .directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// The kernel's answer.
        #[source]
        errno: Errno,
    },
    /// A layer could not be put up.
    #[error("the {layer} layer cannot be put up: {error}{}. What to do: {remedy}", because(.reason), layer = .layer.name())]
    Layer {
        /// The layer.
        layer: Layer,
        /// What explains it, where a trial of the namespaces does.
        reason: Option<String>,
        /// What to do about it.
        remedy: String,
        /// The step and the kernel's answer.
        #[source]
        error: Box<cofferdam_spawn::SpawnError>,
    },
    /// The upper layers on disk of one more start could not be prepared.
    #[error(transparent)]
    Prepare(Box<BuildError>),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(#[source] io::Error),
    /// A sink of the record refused what was to be done, so it was not done.
    #[error("nothing was started: {0}")]
    Record(#[source] cofferdam_audit::SinkError),
    /// A terminal was asked for, and another stream as well.
    #[error(
        "with a terminal, standard input, output and error are that terminal: set none of them"
    )]
    TerminalAndStream,
    /// A terminal was asked for where there is none of the sandbox's own.
    #[error(
        "a terminal needs a /dev of the sandbox's own: leave dev on, and the namespaces and \
         filesystem layers in force"
    )]
    NoTerminal,
    /// The session has ended: it was dropped, or its process 1 was killed.
    #[error("{0}")]
    SessionEnded(#[source] Box<cofferdam_spawn::SpawnError>),
    /// Something of the host failed: descriptors, memory, processes at their limit.
    #[error(transparent)]
    Host(Box<cofferdam_spawn::SpawnError>),
}

impl SpawnError {
    /// The program is missing or cannot be executed, as opposed to a wall that could not be put up.
    pub fn is_program(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. }
                | Self::NotExecutable { .. }
                | Self::Nul { .. }
                | Self::VariableName { .. }
        )
    }

    /// Adds the layer and what to do about it.
    pub(crate) fn explain(
        error: cofferdam_spawn::SpawnError,
        program: &OsStr,
        command: &cofferdam_spawn::Command,
    ) -> Self {
        use cofferdam_spawn::SpawnError as E;
        match &error {
            E::Program { stage, errno } => match (stage, errno.raw()) {
                (Stage::Exec, libc::ENOENT | libc::ENOTDIR) => Self::NotFound {
                    program: program.to_owned(),
                    path: crate::environment::path(&command.envp),
                },
                (Stage::Exec, _) => Self::NotExecutable {
                    program: program.to_owned(),
                    errno: *errno,
                },
                (Stage::Directory, _) => Self::Directory {
                    directory: OsStr::from_bytes(command.directory.as_bytes()).into(),
                    errno: *errno,
                },
                _ => Self::Host(Box::new(error)),
            },
            E::Ended { .. } => Self::SessionEnded(Box::new(error)),
            _ => Self::explain_start(error),
        }
    }

    pub(crate) fn prepare(error: BuildError) -> Self {
        Self::Prepare(Box::new(error))
    }

    /// The same where no program is in play.
    pub(crate) fn explain_start(error: cofferdam_spawn::SpawnError) -> Self {
        use cofferdam_spawn::SpawnError as E;
        if is_exhausted(&error) {
            return Self::Host(Box::new(error));
        }
        let layer = match &error {
            E::Cgroup(_) => Layer::Cgroup,
            E::Detach(_) | E::Mount { .. } => Layer::Filesystem,
            E::Clone { .. } | E::IdMap(_) => Layer::Namespaces,
            E::Operation { kind, .. } => match kind {
                Operation::Landlock => Layer::Landlock,
                Operation::Seccomp(_) => Layer::Seccomp,
                Operation::JoinCgroup => Layer::Cgroup,
                Operation::Loopback => Layer::Network,
                Operation::ExecInit | Operation::CloseDescriptors | Operation::Rlimit(_) => {
                    return Self::Host(Box::new(error));
                }
                _ => Layer::Namespaces,
            },
            _ => return Self::Host(Box::new(error)),
        };
        let (reason, remedy) = match layer {
            Layer::Namespaces | Layer::Filesystem | Layer::Network => {
                crate::host::explain_namespaces()
            }
            Layer::Cgroup => (
                None,
                "run `cofferdam doctor` to see which groups this host offers".into(),
            ),
            _ => (
                None,
                "run `cofferdam doctor` to see what this host offers".into(),
            ),
        };
        Self::Layer {
            layer,
            reason,
            remedy,
            error: Box::new(error),
        }
    }
}

fn file_name(path: &Path) -> std::path::Display<'_> {
    path.file_name().map_or(path, Path::new).display()
}

fn because(reason: &Option<String>) -> String {
    let reason = reason.as_ref();
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}

/// Whether the host is at a limit of descriptors, memory or processes, which says nothing about the
/// layer that met it.
fn is_exhausted(error: &cofferdam_spawn::SpawnError) -> bool {
    use cofferdam_spawn::SpawnError as E;
    let answer = match answer(error) {
        Some(Errno(answer)) => answer,
        None => return false,
    };
    match (error, answer) {
        // No process could be made for lack of RLIMIT_NPROC, pids.max or threads-max (clone(2)).
        (E::Clone { .. }, libc::EAGAIN) => true,
        // seccomp(2) answers so where the filters of this process are too long together.
        (
            E::Operation {
                kind: Operation::Seccomp(_),
                ..
            },
            libc::ENOMEM,
        ) => false,
        // What the program itself ran into: execve(2) has a meaning of its own for these.
        (E::Program { .. }, _) => false,
        (_, answer) => matches!(answer, libc::EMFILE | libc::ENFILE | libc::ENOMEM),
    }
}

/// What the kernel answered, at the end of the chain of sources.
fn answer(error: &dyn std::error::Error) -> Option<Errno> {
    std::iter::successors(error.source(), |error| error.source()).find_map(|source| {
        let from_std = || {
            let error = source.downcast_ref::<io::Error>()?;
            error.raw_os_error().map(Errno)
        };
        source.downcast_ref::<Errno>().copied().or_else(from_std)
    })
}

/// Why the changes of a session cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChangesError {
    /// A layer cannot be opened: it was removed, or the limit of open files is reached.
    #[error("the layers over {} cannot be opened: {error}", .path.display())]
    Layer {
        /// The directory that the overlay is shown at.
        path: PathBuf,
        /// The kernel's answer.
        #[source]
        error: io::Error,
    },
}

/// Why the end of a program, or what it wrote, is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The kernel refuses to wait.
    #[error(transparent)]
    Wait(#[from] cofferdam_spawn::WaitError),
    /// A pipe from the program cannot be read.
    #[error("the program's output cannot be read: {0}")]
    Read(#[source] io::Error),
}

/// Why a signal was not sent.
#[derive(Debug, thiserror::Error)]
#[error("the signal was not sent: {0}; has the program ended?")]
pub struct SignalError(#[from] Errno);

/// Why a command did not run to its end: could not be started, or not be waited for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// It was not started.
    #[error(transparent)]
    Spawn(#[from] SpawnError),
    /// Its end is not known.
    #[error(transparent)]
    Wait(#[from] WaitError),
}
