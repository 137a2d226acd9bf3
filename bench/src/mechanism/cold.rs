//! Everything new for each program, in one child.

use super::confine::Walls;
use super::{Output, Stacks, exec_inside, null, why};
use crate::kernel::{Task, child};
use crate::view::View;
use cofferdam_sys::{Errno, net, process, uts};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// The walls, and what each child needs.
pub struct Cold {
    walls: Walls,
    network: bool,
    null: OwnedFd,
    stacks: Stacks,
}

/// All but those of the network and of time.
pub const NAMESPACES: i32 = libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP;

impl Cold {
    pub fn new(view: &View) -> Result<Self, String> {
        Ok(Self {
            walls: Walls::new(view)?,
            network: view.network,
            null: null().map_err(|error| error.to_string())?,
            stacks: Stacks::default(),
        })
    }

    /// Starts the program.
    pub fn spawn(&self, output: &Output) -> Result<Duration, Errno> {
        let start = Instant::now();
        let mut flags = NAMESPACES;
        if self.network {
            flags |= libc::CLONE_NEWNET;
        }
        self.stacks.with(|stack| {
            let task = Confined {
                of: self,
                out: output.number,
                errno: AtomicI32::new(0),
            };
            let child = child(flags, stack, &task)?;
            output
                .wait(child, start)
                .map_err(|errno| why(errno, &task.errno))
        })
    }
}

struct Confined<'a> {
    of: &'a Cold,
    out: RawFd,
    errno: AtomicI32,
}

impl Task for Confined<'_> {
    fn run(&self) {
        let walls = &self.of.walls;
        let confine = || {
            process::new_session()?;
            walls.map_ids()?;
            uts::sethostname(b"bench")?;
            if self.of.network {
                net::loopback_up()?;
            }
            let root = walls.build()?;
            walls.own_mounts(root)?;
            walls.pivot(root)?;
            walls.lock()
        };
        let null = self.of.null.as_raw_fd();
        let errno = exec_inside(confine(), null, self.out, &walls.program);
        self.errno.store(errno.raw(), Ordering::Release);
    }
}
