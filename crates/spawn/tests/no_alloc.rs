//! The child of a spawn shares the host's memory: it must not touch the allocator. There is no test
//! harness here, so that this process has one thread, which sleeps while its child runs.

mod common;

use cofferdam_spawn::Plan;
use cofferdam_sys::process::{self, SignalMask, Stack};
use cofferdam_sys::{fd, syscall};
use std::alloc::{GlobalAlloc, Layout, System};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};

/// The process whose calls are its own business.
static HOST: AtomicI32 = AtomicI32::new(0);
/// Calls by any other process that shares this memory.
static FOREIGN: AtomicU64 = AtomicU64::new(0);
/// Calls by the host.
static OWN: AtomicU64 = AtomicU64::new(0);

struct Counting;

fn count() {
    // Thread-local storage is shared with the child, so libc could not tell the two apart. In a
    // process namespace of its own the child is number 1.
    // SAFETY: getpid(2) touches no memory.
    let pid = unsafe { syscall!(libc::SYS_getpid) } as i32;
    let host = HOST.load(Ordering::Relaxed);
    let counter = if host == 0 || pid == host {
        &OWN
    } else {
        &FOREIGN
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

// SAFETY: GlobalAlloc asks that the memory be that of the layout and stay until it is given back;
// every call is passed on to System as it is, and counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's contract is System's, which also made the memory.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is System's, which also made the memory.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// No error number of the kernel's.
const UNTOUCHED: i32 = 54321;

fn main() {
    if std::env::args().any(|argument| argument == "--list") {
        return println!("the_child_touches_no_allocator: test");
    }
    HOST.store(std::process::id() as i32, Ordering::Relaxed);
    control();
    let workspace = common::workspace();
    let null = common::null();
    let plan = Plan::new(common::observed(workspace.path()));
    let command = common::sh("exit 0");
    for round in 0..5 {
        let (foreign, own) = (FOREIGN.load(Ordering::Relaxed), OWN.load(Ordering::Relaxed));
        let mut process = plan
            .spawn(&command, [null.as_fd(); 3])
            .expect("the plan works");
        let calls = FOREIGN.load(Ordering::Relaxed) - foreign;
        assert_eq!(calls, 0, "round {round}: the child called the allocator");
        assert!(
            OWN.load(Ordering::Relaxed) > own,
            "the host's own part does allocate"
        );
        let ended = process.wait(None).expect("wait").expect("an end");
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    // Failing is part of the child's path too, and errno is the host's.
    let mut plan = Plan::new(common::observed(workspace.path()));
    for index in (0..plan.operations().len()).rev() {
        plan.danger_fail_at(index, cofferdam_sys::Errno(libc::EIO));
        let foreign = FOREIGN.load(Ordering::Relaxed);
        plan.spawn(&command, [null.as_fd(); 3])
            .expect_err("the fault");
        assert_eq!(
            FOREIGN.load(Ordering::Relaxed),
            foreign,
            "a failure at {index} allocates"
        );
    }
    println!(
        "no call of the allocator by the child over {} operations",
        plan.operations().len() / 2
    );
    println!("test result: ok");
}

/// The counter sees a child that allocates, and errno that it touches.
fn control() {
    extern "C" fn allocates(_: *mut u8) -> ! {
        drop(std::hint::black_box(vec![1_u8; 100]));
        // SAFETY: __errno_location gives the errno of the thread whose storage this child shares.
        unsafe { *libc::__errno_location() = UNTOUCHED };
        process::exit(0)
    }
    let stack = Stack::new(64 << 10).expect("a stack");
    let mask = SignalMask::FULL.set().expect("a mask");
    // SAFETY: the stack stays until the child has ended, which is waited for below; the entry uses
    // nothing of the argument, and the allocator is used by nobody else meanwhile: there is one
    // thread, and it sleeps.
    let child = unsafe {
        process::clone(
            libc::CLONE_VM as u64,
            &stack,
            None,
            allocates,
            std::ptr::null_mut(),
        )
    };
    let child = child.expect("a child");
    fd::wait_readable(child.pidfd.as_fd(), None).expect("poll");
    process::wait(child.pidfd.as_fd(), true).expect("wait");
    mask.set().expect("the mask");
    // SAFETY: __errno_location gives the calling thread's own errno.
    let errno = unsafe { *libc::__errno_location() };
    assert_eq!(errno, UNTOUCHED, "errno is not shared after all");
    assert!(
        FOREIGN.load(Ordering::Relaxed) >= 2,
        "the control shows nothing"
    );
}
