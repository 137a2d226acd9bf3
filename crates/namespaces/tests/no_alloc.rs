//! The child's part allocates nothing. Alone in its program, so that no other test allocates
//! meanwhile.

mod common;

use cofferdam_namespaces::{Bind, Credentials, Overlay, Upper, View};
use common::{Child, base, scratch};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

struct Counting;

static WATCHED: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is handed to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's contract is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's contract is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn count() {
    if WATCHED.load(Ordering::SeqCst) {
        CALLS.fetch_add(1, Ordering::SeqCst);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn apply_allocates_nothing() {
    let (_keep, dir) = scratch();
    std::fs::create_dir(dir.join("secret")).expect("made");
    let (_keep_disk, disk) = scratch();
    let upper = Upper::Directory(disk);
    let layered = |view: View| {
        view.upper_memory(1 << 20, None)
            .overlay("/over", Overlay::new(&dir, Upper::Memory))
            .overlay("/disk", Overlay::new(&dir, upper.clone()))
            .hide("/over/secret")
    };
    let rooted = |view| layered(view).root(Overlay::new(&dir, Upper::Memory));
    for layers in [&(|view| view) as &dyn Fn(View) -> View, &layered, &rooted] {
        applied(&dir, layers);
    }
    // The control: the counter counts.
    WATCHED.store(true, Ordering::SeqCst);
    drop(std::hint::black_box(vec![1_u8; 100]));
    WATCHED.store(false, Ordering::SeqCst);
    assert!(CALLS.load(Ordering::SeqCst) >= 2);
}

fn applied(dir: &std::path::Path, layers: &dyn Fn(View) -> View) {
    let (uid, gid) = (
        cofferdam_sys::cred::geteuid(),
        cofferdam_sys::cred::getegid(),
    );
    let long = "long/".repeat(300);
    let view = base()
        .proc()
        .sys_read_only()
        .bind(dir, "/work", Bind::WRITABLE)
        .hide("/work/secret")
        .tmpfs("/tmp", 1 << 20, 0o1777, false)
        .socket("/tmp/deep/agent", 0o600)
        .file("/etc/greeting", "hello\n", 0o444)
        .dir(format!("/{long}"), 0o755);
    let mut child = Child::new(layers(view));
    child.credentials = Credentials {
        uid: Some(uid),
        gid: Some(gid),
        clear_groups: false,
    }
    .prepare()
    .expect("credentials");
    child.window = |open| WATCHED.store(open, Ordering::SeqCst);
    let done = child.run("cat /etc/greeting");
    assert_eq!(done.expect_output(), "hello\n");
    assert_eq!(CALLS.load(Ordering::SeqCst), 0);
}
