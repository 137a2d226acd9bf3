//! What can be shared is put up once: a user namespace and a mount namespace with the view, kept by descriptors. Each
//! program gets a copy of the mounts and what must be its own, and a network namespace that was made before.

use super::confine::Walls;
use super::{Output, STACK, Stacks, exec_inside, null, why};
use crate::kernel::{StackEnds, Task, adopt, child, join, own, sibling, unshare};
use crate::view::View;
use cofferdam_sys::process::{Exit, new_session};
use cofferdam_sys::{Errno, fd, net, uts};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// The namespaces that are kept.
pub struct Template {
    walls: Walls,
    users: OwnedFd,
    mounts: OwnedFd,
    /// Network namespaces that nobody has used; `None` without such.
    networks: Option<Mutex<Vec<OwnedFd>>>,
    null: OwnedFd,
    stacks: Stacks,
    /// That of the second child.
    stack: Mutex<StackEnds>,
}

/// A child that leaves descriptors in this process's table.
const HELPER: i32 = libc::CLONE_VFORK | libc::CLONE_FILES;

impl Template {
    pub fn new(view: &View) -> Result<Self, String> {
        let walls = Walls::new(view)?;
        let stacks = Stacks::default();
        let task = PutUp {
            walls: &walls,
            made: [const { AtomicI32::new(-1) }; 2],
            errno: AtomicI32::new(0),
        };
        let flags = HELPER | libc::CLONE_NEWUSER | libc::CLONE_NEWNS | libc::CLONE_NEWPID;
        run(&stacks, flags, &task, &task.errno)
            .map_err(|errno| format!("the template: {errno}"))?;
        let [users, mounts] = [0, 1].map(|index| own(task.made[index].load(Ordering::Acquire)));
        let template = Self {
            walls,
            users,
            mounts,
            networks: view.network.then(Mutex::default),
            null: null().map_err(|error| error.to_string())?,
            stacks,
            stack: Mutex::new(StackEnds::new(STACK).map_err(|errno| errno.to_string())?),
        };
        template.fill();
        Ok(template)
    }

    /// Sees that a network namespace stands ready.
    pub fn fill(&self) {
        let Some(networks) = &self.networks else {
            return;
        };
        let mut networks = networks.lock().expect("nobody panics with it");
        if networks.is_empty() {
            networks.extend(self.network());
        }
    }

    fn network(&self) -> Option<OwnedFd> {
        let task = MakeNetwork {
            users: &self.users,
            made: AtomicI32::new(-1),
            errno: AtomicI32::new(0),
        };
        run(&self.stacks, HELPER, &task, &task.errno).ok()?;
        Some(own(task.made.load(Ordering::Acquire)))
    }

    /// Starts the program.
    pub fn spawn(&self, output: &Output) -> Result<Duration, Errno> {
        let start = Instant::now();
        let network = match &self.networks {
            None => None,
            Some(ready) => {
                let ready = ready.lock().expect("nobody panics with it").pop();
                Some(ready.ok_or(Errno(libc::EAGAIN))?)
            }
        };
        let second = self.stack.lock().expect("nobody panics with it");
        let confined = Confined {
            of: self,
            out: output.number,
            errno: AtomicI32::new(0),
        };
        let enter = Enter {
            of: self,
            network,
            confined: &confined,
            stack: &second,
            pidfd: AtomicI32::new(-1),
            errno: AtomicI32::new(0),
        };
        run(&self.stacks, HELPER, &enter, &enter.errno)?;
        let child = adopt(enter.pidfd.load(Ordering::Acquire), &second, &confined);
        output
            .wait(child, start)
            .map_err(|errno| why(errno, &confined.errno))
    }
}

/// Runs a task to its end.
fn run<T: Task>(stacks: &Stacks, flags: i32, task: &T, errno: &AtomicI32) -> Result<(), Errno> {
    stacks.with(|stack| {
        let exit = child(flags, stack, task)?.wait()?;
        match (errno.load(Ordering::Acquire), exit) {
            (0, Exit { signal: None, .. }) => Ok(()),
            (0, _) => Err(Errno(libc::ECHILD)),
            (errno, _) => Err(Errno(errno)),
        }
    })
}

/// Opens a file of the calling task in `/proc`.
fn own_file(path: &std::ffi::CStr) -> Result<RawFd, Errno> {
    fd::openat(libc::AT_FDCWD, path, libc::O_RDONLY | libc::O_CLOEXEC, 0)
}

struct PutUp<'a> {
    walls: &'a Walls,
    /// The user and the mount namespace.
    made: [AtomicI32; 2],
    errno: AtomicI32,
}

impl Task for PutUp<'_> {
    fn run(&self) {
        let put_up = || {
            self.walls.map_ids()?;
            for (made, path) in self
                .made
                .iter()
                .zip([c"/proc/self/ns/user", c"/proc/self/ns/mnt"])
            {
                made.store(own_file(path)?, Ordering::Release);
            }
            let root = self.walls.build()?;
            // A proc of its own has to be there for the kernel to let another be mounted.
            self.walls.own_mounts(root)?;
            self.walls.pivot(root)?;
            fd::close(root)
        };
        if let Err(errno) = put_up() {
            self.errno.store(errno.raw(), Ordering::Release);
        }
    }
}

struct MakeNetwork<'a> {
    users: &'a OwnedFd,
    made: AtomicI32,
    errno: AtomicI32,
}

impl Task for MakeNetwork<'_> {
    fn run(&self) {
        let make = || {
            join(self.users.as_fd(), libc::CLONE_NEWUSER)?;
            unshare(libc::CLONE_NEWNET)?;
            net::loopback_up()?;
            own_file(c"/proc/self/ns/net")
        };
        match make() {
            Ok(made) => self.made.store(made, Ordering::Release),
            Err(errno) => self.errno.store(errno.raw(), Ordering::Release),
        }
    }
}

struct Enter<'a> {
    of: &'a Template,
    network: Option<OwnedFd>,
    confined: &'a Confined<'a>,
    stack: &'a StackEnds,
    pidfd: AtomicI32,
    errno: AtomicI32,
}

impl Task for Enter<'_> {
    fn run(&self) {
        let enter = || {
            join(self.of.users.as_fd(), libc::CLONE_NEWUSER)?;
            join(self.of.mounts.as_fd(), libc::CLONE_NEWNS)?;
            if let Some(network) = &self.network {
                join(network.as_fd(), libc::CLONE_NEWNET)?;
            }
            let flags = super::cold::NAMESPACES & !libc::CLONE_NEWUSER;
            sibling(flags, self.stack, self.confined)
        };
        match enter() {
            Ok(pidfd) => self.pidfd.store(pidfd, Ordering::Release),
            Err(errno) => self.errno.store(errno.raw(), Ordering::Release),
        }
    }
}

struct Confined<'a> {
    of: &'a Template,
    out: RawFd,
    errno: AtomicI32,
}

impl Task for Confined<'_> {
    fn run(&self) {
        let walls = &self.of.walls;
        let confine = || {
            new_session()?;
            uts::sethostname(b"bench")?;
            let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
            walls.own_mounts(fd::openat(libc::AT_FDCWD, c"/", flags, 0)?)?;
            walls.lock()
        };
        let null = self.of.null.as_raw_fd();
        let errno = exec_inside(confine(), null, self.out, &walls.program);
        self.errno.store(errno.raw(), Ordering::Release);
    }
}
