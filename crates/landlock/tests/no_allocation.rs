//! `apply` runs in a child that shares memory with a multi-threaded host: it must neither
//! allocate nor write to `errno`.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::thread;

use cofferdam_landlock::{Access, ApplyError, Prepared, Ruleset, probe};
use cofferdam_sys::process::set_no_new_privs;

struct Counting;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    CALLS.set(CALLS.get() + 1);
}

// SAFETY: GlobalAlloc asks that the memory be that of the layout and stay until it is given back;
// every call is passed on to System as it is, and counting allocates nothing: the counter is
// constant-initialised and has no destructor.
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

/// Applies it on a thread of its own: the answer, and how often the allocator was called for it.
fn applied(prepared: Prepared) -> (Result<(), ApplyError>, u64) {
    let thread = thread::spawn(move || {
        set_no_new_privs().expect("no_new_privs");
        // SAFETY: __errno_location gives the calling thread's own errno, valid while it lives.
        let errno = unsafe { &mut *libc::__errno_location() };
        *errno = UNTOUCHED;
        let before = CALLS.get();
        let answer = prepared.apply();
        let calls = CALLS.get() - before;
        assert_eq!(*errno, UNTOUCHED, "errno is the host's too");
        (answer, calls)
    });
    thread.join().expect("join")
}

#[test]
fn applying_touches_neither_the_allocator_nor_errno() {
    if !common::host_has_landlock() {
        return;
    }
    let ruleset = || {
        Ruleset::new()
            .path("/usr", Access::ReadExec)
            .path("/dev/null", Access::Device)
            .connect_tcp([80, 443])
            .bind_tcp([0])
            .scope_abstract_unix()
            .scope_signals()
    };
    let prepare = |ruleset: Ruleset| ruleset.prepare(&probe()).expect("prepare");
    let shared = prepare(ruleset());
    assert_eq!(applied(shared), (Ok(()), 0));

    let long = format!("/{}", "./".repeat(2000));
    let own = prepare(
        ruleset()
            .inside("/", Access::Read)
            .inside(long, Access::Write),
    );
    assert_eq!(applied(own), (Ok(()), 0));

    let failing = prepare(ruleset().inside("/nonexistent", Access::Read));
    let (answer, calls) = applied(failing);
    assert_eq!(
        answer.expect_err("nothing to open").errno.raw(),
        libc::ENOENT
    );
    assert_eq!(calls, 0);

    // The counter counts.
    let before = CALLS.get();
    drop(fs::read("/proc/version").expect("read"));
    assert!(CALLS.get() > before);
}
