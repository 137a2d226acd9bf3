//! The host's side of a spawn.

use crate::child::{self, Job};
use crate::command::{self, Command};
use crate::dumpable;
use crate::error::{SpawnError, Stage};
use crate::observe::{Observer, Unheard};
use crate::plan::{Layers, Plan};
use crate::process::Process;
use crate::protocol::{self, Reply};
use crate::supervisor::Supervisor;
use crate::template::Template;
use crate::{Listeners, Operation, init, watch};
use cofferdam_cgroups::Cgroup;
use cofferdam_namespaces::{Detached, MapWriter, PreparedIdMap, StepError};
use cofferdam_seccomp::Filter;
use cofferdam_sys::process::{Cloned, SignalMask, Stack};
use cofferdam_sys::{Errno, fd, process, socket};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Room for the deepest operation of a build without optimisation, several times over.
pub(crate) const STACK: usize = 256 * 1024;

/// Starts a program; see [`Plan::spawn`].
pub(crate) fn start(
    plan: &Plan,
    command: &Command,
    stdio: [BorrowedFd<'_>; 3],
    observer: Option<Arc<dyn Observer>>,
) -> Result<Process, SpawnError> {
    let request = command.encode(command::flags(plan.layers()), false);
    let fds: &[BorrowedFd<'_>] = match command.terminal {
        Some(_) => &[],
        None => &stdio,
    };
    let launched = launch(plan, &request, fds, observer)?;
    Ok(Process::own(
        launched.supervisor,
        launched.started,
        launched.fd,
        launched.listeners,
    ))
}

/// An init that has answered.
pub(crate) struct Launched {
    pub supervisor: Supervisor,
    /// What the walls made inside and handed out.
    pub handed_out: Option<OwnedFd>,
    pub listeners: Listeners,
    /// What came with the answer.
    pub fd: Option<OwnedFd>,
    pub started: Instant,
}

/// Puts the plan's walls up around an init, sends it a request and waits for its answer.
pub(crate) fn launch(
    plan: &Plan,
    request: &[u8],
    stdio: &[BorrowedFd<'_>],
    observer: Option<Arc<dyn Observer>>,
) -> Result<Launched, SpawnError> {
    if let Some(template) = plan.template().of(plan) {
        match launch_from(plan, Some(&template), request, stdio, observer.clone()) {
            // It is only a shorter way to the same walls.
            Err(Failed::Template) => plan.template().give_up(),
            Err(Failed::Spawn(error)) => return Err(error),
            Ok(launched) => return Ok(launched),
        }
    }
    match launch_from(plan, None, request, stdio, observer) {
        Err(Failed::Spawn(error)) => Err(error),
        // It says so of a template alone.
        Err(Failed::Template) => host("a template", Err(Errno(libc::ESTALE))),
        Ok(launched) => Ok(launched),
    }
}

/// Why there is no init.
enum Failed {
    Spawn(SpawnError),
    /// The template could not be joined, or is no longer what it was.
    Template,
}

impl<E: Into<SpawnError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Spawn(error.into())
    }
}

fn launch_from(
    plan: &Plan,
    template: Option<&Template>,
    request: &[u8],
    stdio: &[BorrowedFd<'_>],
    observer: Option<Arc<dyn Observer>>,
) -> Result<Launched, Failed> {
    let layers = plan.layers();
    if layers.filters.iter().any(Filter::has_listener) {
        plan.observation().ensure()?;
    }
    if let Some(group) = &layers.cgroup {
        watch::remove_groups_after_this_process(group.parent.directories())?;
    }
    let memfd = host("the memfd of init", init::memfd())?;
    let (ours, theirs) = host("the socket to init", socket::stream_pair())?;
    let stack = host("the child's stack", Stack::new(STACK))?;
    let cgroup = match &layers.cgroup {
        Some(group) => Some(group.parent.create(&group.limits)?),
        None => None,
    };
    let detached = match &layers.mounts {
        Some(mounts) if template.is_none() && mounts.needs_detach() => {
            mounts.detach(&layers.mappings)?
        }
        _ => Detached::none(),
    };
    let ids = match template {
        None => IdsByHost::of(layers)?,
        Some(_) => None,
    };
    let clocks = layers.reset_clocks.then(clock_offsets).transpose();
    let clocks = host("the clock offsets", clocks)?;

    // The request waits in the socket before init exists, as far as it fits.
    let sent = socket::send_with_fds(ours.as_fd(), request, stdio, libc::MSG_DONTWAIT);
    let sent = host("the request to init", sent)?;

    let (operations, mounts) = match template {
        Some(template) => (template.operations(), Some(template.fresh())),
        None => (plan.operations(), layers.mounts.as_ref()),
    };
    let job = Job {
        plan,
        operations,
        mounts,
        cgroup: cgroup.as_ref(),
        detached: &detached,
        clocks: clocks.as_deref(),
        clocks_file: match template {
            Some(_) => cofferdam_namespaces::TEMPLATE_CLOCKS,
            None => c"/proc/self/timens_offsets",
        },
        ids_ready: ids.as_ref().map(IdsByHost::pipe),
        socket: theirs.as_raw_fd(),
        null: host("a descriptor of /dev/null", null())?.as_raw_fd(),
        memfd,
        index: AtomicUsize::new(0),
        errno: AtomicI32::new(0),
    };
    let _dumpable = dumpable::guard_of(layers);
    let started = Instant::now();
    let newborn = match template {
        Some(template) => {
            let group = cgroup.as_ref().and_then(Cgroup::v2_dir);
            let cloned = template.clone_child(&job, &stack, group);
            Newborn::of(cloned.map_err(|_| Failed::Template)?)
        }
        None => {
            let flags = layers.namespaces.clone_flags();
            clone(&job, &stack, flags, cgroup.as_ref())?
        }
    };
    // Only the child holds its end now, so its death is the end of the socket.
    drop(theirs);
    if let Some(ids) = ids {
        ids.write(newborn.pid())?;
    }
    send_rest(&ours, &request[sent..]);

    let mut handed_out = None;
    let mut listeners = Listeners::default();
    loop {
        match receive(ours.as_fd(), None) {
            // Those of a kind come in their order, and none is left out: the child stops at a failure.
            Ok(Some(Answer { reply, fd })) if reply.kind == protocol::HANDED => {
                match reply.detail {
                    protocol::OF_NETWORK => listeners.network.extend(fd),
                    protocol::OF_VIEW => listeners.view.extend(fd),
                    protocol::OF_LISTENER => {
                        let observer = observer.clone().unwrap_or_else(|| Arc::new(Unheard));
                        if let Some(fd) = fd {
                            let traced = layers.filters.iter().any(Filter::is_traced);
                            let attached = plan.observation().attach(fd, observer, traced);
                            host("the word to the thread that observes", attached)?;
                        }
                    }
                    _ => handed_out = fd,
                }
            }
            Ok(Some(Answer { reply, fd })) if reply.kind == protocol::STARTED => {
                return Ok(Launched {
                    supervisor: Supervisor::new(newborn.keep(), ours, cgroup),
                    handed_out,
                    listeners,
                    fd,
                    started,
                });
            }
            Ok(Some(Answer { reply, .. })) if reply.kind == protocol::FAILED => {
                return Err(not_started(&reply).into());
            }
            // A limit of this process: what the child sent is lost, and the child goes with it.
            Err(Errno(libc::EMSGSIZE)) => {
                let lost = Err(Errno(libc::EMFILE));
                return Ok(host("a descriptor for what the child sends", lost)?);
            }
            Err(errno) => return Ok(host("the answer of the child", Err(errno))?),
            Ok(_) if template.is_some() && is_stale(&job) => return Err(Failed::Template),
            Ok(_) => return Err(post_mortem(&job, newborn).into()),
        }
    }
}

/// Something of the template has come off.
fn is_stale(job: &Job<'_>) -> bool {
    let index = job.index.load(Ordering::Relaxed);
    let mount = matches!(job.operations.get(index), Some(Operation::Mount(_)));
    mount && job.errno.load(Ordering::Acquire) == libc::ESTALE
}

/// The id maps that the host writes for a child that waits for them.
pub(crate) struct IdsByHost<'a> {
    map: &'a PreparedIdMap,
    ready: (OwnedFd, OwnedFd),
}

impl<'a> IdsByHost<'a> {
    /// `None` where the child writes them itself, or has none.
    pub(crate) fn of(layers: &'a Layers) -> Result<Option<Self>, SpawnError> {
        let map = layers.id_map.as_ref();
        let Some(map) = map.filter(|map| map.writer() != MapWriter::Child) else {
            return Ok(None);
        };
        Ok(Some(Self {
            map,
            ready: host("a pipe", fd::pipe())?,
        }))
    }

    /// Read end, then write end, for the child.
    pub(crate) fn pipe(&self) -> (RawFd, RawFd) {
        (self.ready.0.as_raw_fd(), self.ready.1.as_raw_fd())
    }

    pub(crate) fn write(&self, pid: i32) -> Result<(), SpawnError> {
        match self.map.writer() {
            MapWriter::Helper => self.map.write_with_helper(pid)?,
            _ => self.map.write_from_parent(pid)?,
        }
        host(
            "the word to the child",
            fd::write(self.ready.1.as_fd(), b"1"),
        )
        .map(drop)
    }
}

/// What init's refusal means.
pub(crate) fn not_started(reply: &Reply) -> SpawnError {
    SpawnError::Program {
        stage: match reply.detail {
            protocol::AT_CLONE => Stage::Clone,
            protocol::AT_DIRECTORY => Stage::Directory,
            protocol::AT_STDIO => Stage::Stdio,
            protocol::AT_REQUEST => Stage::Request,
            protocol::AT_TERMINAL => Stage::Terminal,
            protocol::AT_CAPACITY => Stage::Capacity,
            protocol::AT_STOPPED => Stage::Stopped,
            protocol::AT_READY => Stage::Ready,
            _ => Stage::Exec,
        },
        errno: Errno(reply.value),
    }
}

/// Names what could not be made.
pub(crate) fn host<T>(what: &'static str, result: Result<T, Errno>) -> Result<T, SpawnError> {
    result.map_err(|errno| SpawnError::Host { what, errno })
}

/// Clones the child with all signals blocked: a handler of the host that ran in the child would run
/// on the host's memory. `CLONE_CLEAR_SIGHAND` takes the handlers away, the mask covers the moment
/// before.
pub(crate) fn clone(
    job: &Job<'_>,
    stack: &Stack,
    namespaces: u64,
    cgroup: Option<&Cgroup>,
) -> Result<Newborn, SpawnError> {
    let flags = libc::CLONE_VM as u64 | process::CLONE_CLEAR_SIGHAND | namespaces;
    let mask = host("a signal mask", SignalMask::FULL.set())?;
    // SAFETY: the stack is the child's alone; `entry` keeps the rules of the child (module `child`),
    // and `start` keeps the job and all it borrows until the child has executed or ended: on every
    // way out it has either heard from init or gone through `Newborn::drop`.
    let cloned = unsafe {
        process::clone(
            flags,
            stack,
            cgroup.and_then(Cgroup::v2_dir),
            child::entry,
            std::ptr::from_ref(job).cast_mut().cast(),
        )
    };
    // A guard before anything else can fail.
    let newborn = cloned.map(Newborn::of);
    host("the signal mask", mask.set())?;
    newborn.map_err(|errno| SpawnError::Clone {
        flags: job.plan.clone_line(),
        errno,
    })
}

/// A child that has not answered yet: killed and reaped if it is dropped, so that nothing it
/// borrows is freed under it.
pub(crate) struct Newborn {
    cloned: Option<Cloned>,
}

impl Newborn {
    fn of(cloned: Cloned) -> Self {
        Self {
            cloned: Some(cloned),
        }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.cloned.as_ref().map_or(0, |cloned| cloned.pid)
    }

    fn keep(mut self) -> Cloned {
        self.cloned.take().expect("taken only here")
    }

    fn end(&mut self) -> Option<process::Exit> {
        let cloned = self.cloned.take()?;
        let _ = process::send_signal(cloned.pidfd.as_fd(), libc::SIGKILL);
        loop {
            match process::wait(cloned.pidfd.as_fd(), true) {
                Err(Errno(libc::EINTR)) => {}
                // A host that reaps every child (or ignores SIGCHLD) was faster; the pidfd still
                // says when the child is gone.
                Err(_) => {
                    while fd::wait_readable(cloned.pidfd.as_fd(), None) == Err(Errno(libc::EINTR)) {
                    }
                    return None;
                }
                Ok(exit) => return exit,
            }
        }
    }
}

impl Drop for Newborn {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends what did not fit the socket at once. A child that is gone is found out by the read that
/// follows.
fn send_rest(ours: &OwnedFd, mut rest: &[u8]) {
    while !rest.is_empty() {
        match socket::send_with_fds(ours.as_fd(), rest, &[], 0) {
            Ok(n) => rest = &rest[n..],
            Err(Errno(libc::EINTR)) => {}
            Err(_) => return,
        }
    }
}

/// A reply, and the descriptor that came with it.
pub(crate) struct Answer {
    pub reply: Reply,
    pub fd: Option<OwnedFd>,
}

/// Reads one reply of init; `None` at the end of the socket.
pub(crate) fn receive(
    ours: BorrowedFd<'_>,
    deadline: Option<Instant>,
) -> Result<Option<Answer>, Errno> {
    let mut fds = [const { None }; socket::MAX_FDS];
    let mut bytes = [0_u8; size_of::<Reply>()];
    let mut done = 0;
    while done < bytes.len() {
        if let Some(deadline) = deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            match fd::wait_readable(ours, Some(left)) {
                Ok(true) => {}
                // Not on to the read, which would wait without a limit.
                Err(Errno(libc::EINTR)) => continue,
                Ok(false) => return Err(Errno(libc::ETIMEDOUT)),
                Err(errno) => return Err(errno),
            }
        }
        match socket::receive_with_fds(ours, &mut bytes[done..], &mut fds) {
            Ok(0) => return Ok(None),
            Ok(n) => done += n,
            Err(Errno(libc::EINTR)) => {}
            // The peer went with something unread: as good as its end.
            Err(Errno(libc::ECONNRESET)) => return Ok(None),
            Err(errno) => return Err(errno),
        }
    }
    let [fd, ..] = fds;
    let reply = Reply::from_bytes(&bytes);
    Ok(Some(Answer { reply, fd }))
}

/// Why a child went without a word.
fn post_mortem(job: &Job<'_>, mut newborn: Newborn) -> SpawnError {
    let exit = newborn.end();
    let index = job.index.load(Ordering::Relaxed);
    let kind = job.operations.get(index).copied();
    let kind = kind.unwrap_or(Operation::ExecInit);
    let mounts = job.mounts;
    let operation = job.plan.describe_with(kind, mounts);
    match (job.errno.load(Ordering::Acquire), exit) {
        (0, Some(exit)) if kind != Operation::ExecInit => SpawnError::Killed {
            index,
            operation,
            signal: exit.signal.unwrap_or(0),
        },
        (0, exit) => SpawnError::Init {
            how: match exit {
                Some(exit) => match exit.signal {
                    Some(signal) => format!("signal {signal}"),
                    None => format!("code {}", exit.code.unwrap_or(-1)),
                },
                None => "reaped elsewhere".into(),
            },
        },
        (errno, _) => match (kind, mounts) {
            (Operation::Mount(step), Some(mounts)) => SpawnError::Mount {
                index,
                error: mounts.explain(StepError {
                    index: step as u16,
                    errno: Errno(errno),
                }),
            },
            _ => SpawnError::Operation {
                index,
                kind,
                operation,
                errno: Errno(errno),
            },
        },
    }
}

/// `/dev/null` of the host, opened once and never closed.
pub(crate) fn null() -> Result<BorrowedFd<'static>, Errno> {
    static NULL: OnceLock<File> = OnceLock::new();
    if let Some(file) = NULL.get() {
        return Ok(file.as_fd());
    }
    let file = File::options().read(true).write(true).open("/dev/null");
    let file = file.map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO)))?;
    Ok(NULL.get_or_init(|| file).as_fd())
}

/// The offsets that make the clocks of a time namespace start at zero (time_namespaces(7)).
fn clock_offsets() -> Result<Vec<u8>, Errno> {
    let mut text = String::new();
    for (name, clock) in [
        ("monotonic", libc::CLOCK_MONOTONIC),
        ("boottime", libc::CLOCK_BOOTTIME),
    ] {
        let seconds = cofferdam_sys::process::clock_seconds(clock)?;
        text.push_str(&format!("{name} -{seconds} 0\n"));
    }
    Ok(text.into_bytes())
}
