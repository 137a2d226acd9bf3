//! The child: the order of confinement, and its operations.
//!
//! Between the clone and execveat this code shares the host's memory and thread-local storage.
//! System calls only: no allocation, no lock, no panic, no libc.

use crate::network::NetworkPlan;
use crate::plan::{Layers, Operation, Plan};
use crate::protocol::{
    HANDED, OF_LISTENER, OF_NETWORK, OF_TEMPLATE, OF_UPPER, OF_VIEW, Reply, SOCKET,
};
use crate::template;
use cofferdam_cgroups::Cgroup;
use cofferdam_namespaces::{Context, Detached, MapWriter, Mounts, PreparedIdMap, PreparedRedirect};
use cofferdam_sys::process::SignalMask;
use cofferdam_sys::{Errno, fd, net, process, rlimit, socket};
use std::ffi::CStr;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

/// The order of confinement, in one place.
///
/// - The group comes first, so that all that follows is counted and limited.
/// - Ids are changed before the view is built: a tmpfs can only be filled by ids that the user
///   namespace maps. Capabilities are needed up to the end of the view, and dropped before Landlock
///   and seccomp, which need none.
/// - Routes, redirects and low ports need capabilities over the network namespace, which the child holds
///   until they are dropped; they come early, as nothing of them depends on ids or files.
/// - no_new_privs is what lets a process without capabilities put up Landlock and seccomp.
/// - Descriptors are moved and closed only after Landlock: its rules may have any number, also one
///   that is overwritten. Limits come after that, as one of open files would be in its way.
/// - seccomp comes last: from then on only what init needs is left.
pub(crate) fn order(layers: &Layers, way: Way<'_>) -> Vec<Operation> {
    let mut list = Vec::new();
    let mut when = |condition: bool, operation: Operation| {
        if condition {
            list.push(operation);
        }
    };
    let (anew, mounts) = match way {
        Way::Direct => (true, layers.mounts.as_ref()),
        Way::Joined(mounts) => (false, Some(mounts)),
    };
    when(layers.cgroup.is_some(), Operation::JoinCgroup);
    when(true, Operation::NewSession);
    if let Some(map) = layers.id_map.as_ref().filter(|_| anew) {
        when(true, map_ids(map));
    }
    when(layers.session_keyring, Operation::SessionKeyring);
    when(layers.hostname.is_some(), Operation::Hostname);
    when(layers.loopback, Operation::Loopback);
    if let Some(network) = &layers.network {
        when(network.redirect.is_some(), Operation::Routes);
        when(network.redirect.is_some(), Operation::Redirect);
        (0..network.listeners.len()).for_each(|index| when(true, Operation::Listen(index)));
    }
    when(layers.reset_clocks, Operation::ResetClocks);
    when(layers.credentials.is_some(), Operation::BecomeIds);
    let mut sockets = 0;
    for (index, mount) in mounts.map_or(&[][..], Mounts::ops).iter().enumerate() {
        when(true, Operation::Mount(index));
        when(mount.makes_socket(), Operation::HandSocket(sockets));
        sockets += usize::from(mount.makes_socket());
    }
    when(mounts.is_some_and(Mounts::hands_out), Operation::HandOut);
    when(layers.credentials.is_some(), Operation::DropCapabilities);
    when(true, Operation::NoNewPrivs);
    when(layers.landlock.is_some(), Operation::Landlock);
    when(true, Operation::CloseDescriptors);
    (0..layers.rlimits.len()).for_each(|index| when(true, Operation::Rlimit(index)));
    (0..layers.filters.len()).for_each(|index| when(true, Operation::Seccomp(index)));
    when(true, Operation::ExecInit);
    list
}

/// In which namespaces the child begins.
#[derive(Clone, Copy)]
pub(crate) enum Way<'a> {
    /// All are its own, and the view is still to be built.
    Direct,
    /// It is in a template's user namespace and in a copy of its mounts, to which these are still to be added.
    Joined(&'a Mounts),
}

/// The order of building a template: no program ever runs in it.
pub(crate) fn template_order(layers: &Layers, build: &Mounts) -> Vec<Operation> {
    let mut list = Vec::new();
    list.extend(layers.id_map.as_ref().map(map_ids));
    // Before the host's /proc is gone.
    list.push(Operation::HandNamespaces);
    list.extend(layers.credentials.as_ref().map(|_| Operation::BecomeIds));
    list.extend((0..build.ops().len()).map(Operation::Mount));
    list.push(Operation::HandRoot);
    list
}

fn map_ids(map: &PreparedIdMap) -> Operation {
    match map.writer() {
        MapWriter::Child => Operation::MapIds,
        _ => Operation::AwaitIds,
    }
}

/// What one child is given, and where it says how far it got. Owned by the host's thread, which
/// keeps it until the child has executed init or is gone.
pub(crate) struct Job<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) operations: &'a [Operation],
    /// What `Operation::Mount` counts.
    pub(crate) mounts: Option<&'a Mounts>,
    pub(crate) cgroup: Option<&'a Cgroup>,
    pub(crate) detached: &'a Detached,
    /// Text for `/proc/self/timens_offsets`.
    pub(crate) clocks: Option<&'a [u8]>,
    /// That file, in the host's proc: only its owner may write to it, who is another once ids are changed.
    pub(crate) clocks_file: &'static CStr,
    /// Read end, then write end, of the pipe over which the host says that the id maps stand.
    pub(crate) ids_ready: Option<(RawFd, RawFd)>,
    /// init's end of the socket.
    pub(crate) socket: RawFd,
    /// `/dev/null`, init's standard input, output and error.
    pub(crate) null: RawFd,
    /// init itself.
    pub(crate) memfd: RawFd,
    /// The operation under way.
    pub(crate) index: AtomicUsize,
    /// The error number that ended the child; 0 while there is none.
    pub(crate) errno: AtomicI32,
}

/// Where the child starts.
pub(crate) extern "C" fn entry(argument: *mut u8) -> ! {
    // SAFETY: `start` passes a pointer to a Job that it keeps until the child has executed or ended.
    let job = unsafe { &*argument.cast::<Job<'_>>() };
    let mut context = job.mounts.map(|mounts| mounts.begin(job.detached));
    for (index, operation) in job.operations.iter().enumerate() {
        job.index.store(index, Ordering::Relaxed);
        if let Err(errno) = run(job, *operation, context.as_mut()) {
            job.errno.store(errno.raw(), Ordering::Release);
            break;
        }
    }
    process::exit(125)
}

/// A list of the plan that is shorter than its operations say: cannot happen, and must not panic.
const MISSING: Errno = Errno(libc::EFAULT);

fn run(
    job: &Job<'_>,
    operation: Operation,
    context: Option<&mut Context<'_>>,
) -> Result<(), Errno> {
    let layers = job.plan.layers();
    match operation {
        Operation::JoinCgroup => job.cgroup.ok_or(MISSING)?.join(),
        Operation::NewSession => process::new_session(),
        Operation::MapIds => layers.id_map.as_ref().ok_or(MISSING)?.apply_in_child(),
        Operation::AwaitIds => await_ids(job.ids_ready.ok_or(MISSING)?),
        Operation::SessionKeyring => cofferdam_sys::cred::join_new_session_keyring(),
        Operation::Hostname => {
            let name = layers.hostname.as_ref().ok_or(MISSING)?;
            cofferdam_sys::uts::sethostname(name.to_bytes())
        }
        Operation::Loopback => net::loopback_up(),
        Operation::Routes => redirect(layers)?.apply_routes(),
        Operation::Redirect => redirect(layers)?.apply_rules(),
        Operation::Listen(index) => {
            let listener = network(layers)?.listeners.get(index).ok_or(MISSING)?;
            hand_over(job, OF_NETWORK, index, listener.make()?)
        }
        Operation::HandSocket(index) => {
            let socket = context.ok_or(MISSING)?.take_socket().ok_or(MISSING)?;
            hand_over(job, OF_VIEW, index, socket)
        }
        Operation::ResetClocks => process::write_file(job.clocks_file, job.clocks.ok_or(MISSING)?),
        Operation::Mount(index) => {
            let mount = job.mounts.ok_or(MISSING)?.ops().get(index).ok_or(MISSING)?;
            mount.apply(context.ok_or(MISSING)?)
        }
        Operation::HandNamespaces => {
            hand_namespace(job, template::USER, c"/proc/self/ns/user")?;
            hand_namespace(job, template::MOUNT, c"/proc/self/ns/mnt")
        }
        Operation::HandRoot => {
            let root = fd::openat(libc::AT_FDCWD, c"/", libc::O_PATH | libc::O_CLOEXEC, 0)?;
            hand(job, OF_TEMPLATE, template::ROOT, root)
        }
        Operation::HandOut => hand_out(job, context.ok_or(MISSING)?),
        Operation::CloseDescriptors => close_descriptors(job),
        Operation::Rlimit(index) => {
            let (resource, limit) = layers.rlimits.get(index).ok_or(MISSING)?;
            rlimit::set(*resource, *limit, *limit)
        }
        Operation::BecomeIds => layers.credentials.as_ref().ok_or(MISSING)?.become_ids(),
        Operation::DropCapabilities => {
            let credentials = layers.credentials.as_ref().ok_or(MISSING)?;
            credentials.drop_capabilities()
        }
        Operation::NoNewPrivs => process::set_no_new_privs(),
        Operation::Landlock => {
            let landlock = layers.landlock.as_ref().ok_or(MISSING)?;
            landlock.apply().map_err(|error| error.errno)
        }
        Operation::Seccomp(index) => {
            let filter = layers.filters.get(index).ok_or(MISSING)?;
            match filter.has_listener() {
                true => listen_to_calls(filter.apply_with_listener()?),
                false => filter.apply(),
            }
        }
        Operation::Fail(errno) => Err(Errno(errno)),
        Operation::ExecInit => Err(exec_init(layers.mark)),
    }
}

/// The redirect of the plan.
fn redirect(layers: &Layers) -> Result<&PreparedRedirect, Errno> {
    network(layers)?.redirect.as_ref().ok_or(MISSING)
}

/// The network plan, which would be carried out on the host's own network in a child without a namespace.
fn network(layers: &Layers) -> Result<&NetworkPlan, Errno> {
    match &layers.network {
        Some(_) if !layers.namespaces.net => Err(Errno(libc::EINVAL)),
        network => network.as_ref().ok_or(MISSING),
    }
}

/// Sends the host what only a descriptor reaches once this mount namespace is gone.
fn hand_out(job: &Job<'_>, context: &Context<'_>) -> Result<(), Errno> {
    hand(job, OF_UPPER, 0, context.handed_out().ok_or(MISSING)?)
}

fn hand_namespace(job: &Job<'_>, index: usize, path: &CStr) -> Result<(), Errno> {
    let namespace = fd::openat(libc::AT_FDCWD, path, libc::O_RDONLY | libc::O_CLOEXEC, 0)?;
    hand(job, OF_TEMPLATE, index, namespace)?;
    fd::close(namespace)
}

/// Sends the host a socket that nobody else is to have.
fn hand_over(job: &Job<'_>, what: u32, index: usize, socket: RawFd) -> Result<(), Errno> {
    hand(job, what, index, socket)?;
    fd::close(socket)
}

/// Sends the host the listener of a filter. Nobody hears of a waiting call before the host has it, and every call
/// from here on is under the filter, which lets these through ([`Profile::can_be_observed`]).
///
/// [`Profile::can_be_observed`]: cofferdam_seccomp::Profile::can_be_observed
fn listen_to_calls(listener: RawFd) -> Result<(), Errno> {
    // The descriptors have been moved.
    hand_on(SOCKET, OF_LISTENER, 0, listener)?;
    fd::close(listener)
}

fn hand(job: &Job<'_>, what: u32, index: usize, fd: RawFd) -> Result<(), Errno> {
    hand_on(job.socket, what, index, fd)
}

fn hand_on(socket: RawFd, what: u32, index: usize, fd: RawFd) -> Result<(), Errno> {
    let reply = Reply {
        kind: HANDED,
        value: index as i32,
        detail: what,
        ..Reply::default()
    };
    // SAFETY: both are open in this child's table for as long as this call lasts.
    let (socket, fd) = unsafe { (BorrowedFd::borrow_raw(socket), BorrowedFd::borrow_raw(fd)) };
    // The whole of a message this small goes out at once, or nothing of it. Where the buffer is full it
    // waits: the host reads from the clone on.
    socket::send_with_fds(socket, &reply.to_bytes(), &[fd], 0).map(drop)
}

/// Waits for the host's word. The child's own copy of the write end is closed first, so that the
/// death of the host is the end of the pipe.
fn await_ids((read, write): (RawFd, RawFd)) -> Result<(), Errno> {
    fd::close(write)?;
    let mut byte = [0_u8];
    loop {
        // SAFETY: the read end is open in this child's table until it executes init.
        match fd::read(unsafe { BorrowedFd::borrow_raw(read) }, &mut byte) {
            Ok(1) => return Ok(()),
            Ok(_) => return Err(Errno(libc::ECANCELED)),
            Err(Errno(libc::EINTR)) => {}
            Err(errno) => return Err(errno),
        }
    }
}

/// Where the child has init itself once the other descriptors are closed.
const MEMFD: RawFd = SOCKET + 1;

/// Leaves `/dev/null` three times, init's socket, and init itself until it is executed. All else is
/// closed, leaked descriptors of the host included.
fn close_descriptors(job: &Job<'_>) -> Result<(), Errno> {
    // Copies above everything that is overwritten next.
    let null = fd::dup_from(job.null, MEMFD + 1)?;
    let socket = fd::dup_from(job.socket, MEMFD + 1)?;
    let memfd = fd::dup_from(job.memfd, MEMFD + 1)?;
    for target in 0..SOCKET {
        fd::dup_onto(null, target, 0)?;
    }
    fd::dup_onto(socket, SOCKET, 0)?;
    fd::dup_onto(memfd, MEMFD, libc::O_CLOEXEC)?;
    fd::close_from(MEMFD + 1)
}

fn exec_init(mark: u64) -> Errno {
    if let Err(errno) = SignalMask::EMPTY.set() {
        return errno;
    }
    let argv = [c"cofferdam-init".as_ptr(), std::ptr::null()];
    let envp = [std::ptr::null()];
    // SAFETY: both arrays end in a null pointer and their strings are static.
    unsafe { process::exec_fd(MEMFD, argv.as_ptr(), envp.as_ptr(), mark) }
}
