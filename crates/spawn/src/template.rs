//! What the children of a plan share: a user namespace and a mount namespace with the part of the view that none
//! of them can change, built once and held by descriptors.
//!
//! From the second child on a plan has one. The first is made without, as most plans may never have a second. A
//! child begins in it: a process that shares the host's memory joins both namespaces (only for this; it is gone
//! before the host goes on) and clones the child, which is the host's own by `CLONE_PARENT` and gets a copy of the
//! mounts, and all other namespaces new. Nothing runs in the template's own mount namespace, ever.
//!
//! It is only a shorter way to the same walls. Where it cannot be built, joined or trusted to be what it was, the
//! long way is taken.

use crate::child::{self, Job, Way};
use crate::dumpable;
use crate::plan::{Layers, Operation, Plan};
use crate::protocol::{HANDED, OF_TEMPLATE};
use crate::start::{self, Answer, IdsByHost, STACK};
use cofferdam_namespaces::{Detached, Mounts, Namespaces, Template as View};
use cofferdam_sys::process::{self, Cloned, SignalMask, Stack};
use cofferdam_sys::rlimit::Resource;
use cofferdam_sys::{Errno, fd, mount, socket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// The parts of a template, in the order in which they are handed out.
pub(crate) const USER: usize = 0;
pub(crate) const MOUNT: usize = 1;
pub(crate) const ROOT: usize = 2;

/// The template of a plan, once there is one.
#[derive(Debug, Default)]
pub(crate) struct Kept(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// No child was made.
    #[default]
    Unused,
    /// One was, without it.
    Used,
    Built(Arc<Template>),
    Never,
}

impl Kept {
    /// The template for a child that is made now.
    pub(crate) fn of(&self, plan: &Plan) -> Option<Arc<Template>> {
        if !may_share(plan.layers()) {
            return None;
        }
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Unused => {
                *state = State::Used;
                None
            }
            State::Used => {
                let built = Template::build(plan).map(Arc::new);
                *state = built.clone().map_or(State::Never, State::Built);
                built
            }
            State::Built(template) => {
                let template = Arc::clone(template);
                drop(state);
                // What has changed on the host is refused in words on the long way.
                template.view.is_current().then_some(template)
            }
            State::Never => None,
        }
    }

    /// There is none from here on.
    pub(crate) fn give_up(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Never;
    }
}

/// Whether the layers leave anything to share. A limit of processes is counted in the user namespace, so it would
/// hold for all children together (getrlimit(2), `RLIMIT_NPROC`).
fn may_share(layers: &Layers) -> bool {
    let Namespaces {
        user, mount, pid, ..
    } = layers.namespaces;
    let counts = |(resource, _): &(Resource, u64)| *resource == Resource::Nproc;
    user && mount && pid && layers.mounts.is_some() && !layers.rlimits.iter().any(counts)
}

/// A template that stands.
#[derive(Debug)]
pub(crate) struct Template {
    view: View,
    operations: Vec<Operation>,
    user: OwnedFd,
    mount: OwnedFd,
    /// Device and inode of the view's root.
    root: ((u32, u32), u64),
    /// The namespaces that each child gets anew.
    flags: u64,
}

impl Template {
    /// What a child in it still has to do.
    pub(crate) fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub(crate) fn fresh(&self) -> &Mounts {
        self.view.fresh()
    }

    /// `None` where that cannot be done here; nothing is left behind then.
    fn build(plan: &Plan) -> Option<Self> {
        let layers = plan.layers();
        let view = layers.mounts.as_ref()?.template()?;
        let [user, mount, root] = handed_out(plan, view.build()).ok()??;
        let root = mount::identify(root.as_raw_fd()).ok()?;
        let anew = Namespaces {
            user: false,
            ..layers.namespaces
        };
        Some(Self {
            operations: child::order(layers, Way::Joined(view.fresh())),
            view,
            user,
            mount,
            root: (root.dev, root.ino),
            flags: anew.clone_flags(),
        })
    }

    /// Makes a child in the template that carries out the job on this stack.
    ///
    /// # Errors
    /// Of setns(2) and clone3(2); `ESTALE` where joining does not lead to the view's root, `ECHILD` when the
    /// process that joins was killed.
    pub(crate) fn clone_child(
        &self,
        job: &Job<'_>,
        stack: &Stack,
        cgroup: Option<BorrowedFd<'_>>,
    ) -> Result<Cloned, Errno> {
        let join = Join {
            template: self,
            job,
            stack,
            cgroup,
            pid: AtomicI32::new(0),
            pidfd: AtomicI32::new(-1),
            errno: AtomicI32::new(libc::ECHILD),
        };
        let own = Stack::new(STACK)?;
        // With the host's own table of descriptors, for the child's pidfd.
        let flags = (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_FILES) as u64;
        let mask = SignalMask::FULL.set()?;
        // SAFETY: the stack is that process's alone, and what it is given stays: by CLONE_VFORK it has ended
        // when this returns. `enter` keeps the rules of the child. The child's own stack and job are kept by
        // the caller as if it had cloned it itself.
        let joining = unsafe {
            process::clone(
                flags | process::CLONE_CLEAR_SIGHAND,
                &own,
                None,
                enter,
                std::ptr::from_ref(&join).cast_mut().cast(),
            )
        };
        mask.set()?;
        let joining = joining?;
        while process::wait(joining.pidfd.as_fd(), true) == Err(Errno(libc::EINTR)) {}
        match join.pid.into_inner() {
            0 => Err(Errno(join.errno.into_inner())),
            pid => Ok(Cloned {
                pid,
                // SAFETY: the kernel has put it in the table of descriptors for this, and nobody else knows it.
                pidfd: unsafe { OwnedFd::from_raw_fd(join.pidfd.into_inner()) },
            }),
        }
    }
}

/// What the process that joins is given, and what it leaves.
struct Join<'a> {
    template: &'a Template,
    job: &'a Job<'a>,
    stack: &'a Stack,
    cgroup: Option<BorrowedFd<'a>>,
    pid: AtomicI32,
    pidfd: AtomicI32,
    errno: AtomicI32,
}

/// Where the process that joins starts: system calls only, in the host's memory.
extern "C" fn enter(argument: *mut u8) -> ! {
    // SAFETY: `clone_child` passes a pointer to a Join that it keeps until this process has ended.
    let join = unsafe { &*argument.cast::<Join<'_>>() };
    match joined(join) {
        Ok(cloned) => {
            join.pidfd
                .store(cloned.pidfd.into_raw_fd(), Ordering::Relaxed);
            join.pid.store(cloned.pid, Ordering::Release);
        }
        Err(errno) => join.errno.store(errno.raw(), Ordering::Release),
    }
    process::exit(0)
}

fn joined(join: &Join<'_>) -> Result<Cloned, Errno> {
    let template = join.template;
    process::setns(template.user.as_fd(), libc::CLONE_NEWUSER)?;
    process::setns(template.mount.as_fd(), libc::CLONE_NEWNS)?;
    // setns(2) leads to the root of the namespace, which need not be that of the view: where the host itself
    // was in a chroot, it is not.
    let root = fd::openat(libc::AT_FDCWD, c"/", libc::O_PATH | libc::O_CLOEXEC, 0)?;
    let id = mount::identify(root);
    fd::close(root)?;
    let id = id?;
    if (id.dev, id.ino) != template.root {
        return Err(Errno(libc::ESTALE));
    }
    let flags = (libc::CLONE_VM | libc::CLONE_PARENT) as u64
        | process::CLONE_CLEAR_SIGHAND
        | template.flags;
    let job = std::ptr::from_ref(join.job).cast_mut().cast();
    // SAFETY: as in `start::clone`.
    unsafe { process::clone(flags, join.stack, join.cgroup, child::entry, job) }
}

/// Builds the template and takes what its builder hands out before it ends.
fn handed_out(plan: &Plan, build: &Mounts) -> Result<Option<[OwnedFd; 3]>, crate::SpawnError> {
    let layers = plan.layers();
    let (ours, theirs) = start::host("a socket", socket::stream_pair())?;
    let stack = start::host("the child's stack", Stack::new(STACK))?;
    let detached = match &layers.mounts {
        Some(mounts) if mounts.needs_detach() => mounts.detach(&layers.mappings)?,
        _ => Detached::none(),
    };
    let ids = IdsByHost::of(layers)?;
    let operations = child::template_order(layers, build);
    let job = Job {
        plan,
        operations: &operations,
        mounts: Some(build),
        cgroup: None,
        detached: &detached,
        clocks: None,
        clocks_file: c"",
        ids_ready: ids.as_ref().map(IdsByHost::pipe),
        socket: theirs.as_raw_fd(),
        null: -1,
        memfd: -1,
        index: AtomicUsize::new(0),
        errno: AtomicI32::new(0),
    };
    let own = Namespaces {
        user: true,
        mount: true,
        ..Namespaces::default()
    };
    let _dumpable = dumpable::guard_of(layers);
    let newborn = start::clone(&job, &stack, own.clone_flags(), None)?;
    drop(theirs);
    if let Some(ids) = ids {
        ids.write(newborn.pid())?;
    }
    let mut found = Vec::new();
    while let Ok(Some(Answer { reply, fd })) = start::receive(ours.as_fd(), None) {
        if (reply.kind, reply.detail) == (HANDED, OF_TEMPLATE) {
            found.extend(fd);
        }
    }
    // Until it is gone, it may still be at work.
    drop(newborn);
    match job.errno.load(Ordering::Acquire) {
        0 => Ok(found.try_into().ok()),
        _ => Ok(None),
    }
}
