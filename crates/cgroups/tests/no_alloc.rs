//! The apply phase allocates nothing: counted in a forked child.

use cofferdam_cgroups::{Limits, Parent, PrepareError};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static CALLS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: each method passes its arguments on to the system allocator, whose contract is the same.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the caller's layout has a size above zero, as System.alloc wants it.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        CALLS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the pointer came from System.alloc with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn joining_allocates_nothing() {
    let limits = Limits {
        memory: Some(64 << 20),
        processes: Some(16),
        ..Limits::default()
    };
    let parent = match Parent::prepare(&limits) {
        Ok(parent) => parent,
        Err(PrepareError::Unavailable(refusal)) => {
            println!("not available on this host: {refusal}");
            let full = std::env::var("COFFERDAM_EXPECT").as_deref() == Ok("full");
            let uid =
                std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
            assert!(!(full && uid == 0), "not available to root: {refusal}");
            assert_eq!(
                cofferdam_cgroups::probe().controllers[0].1.as_ref().err(),
                Some(&*refusal)
            );
            return;
        }
        Err(other) => panic!("{other}"),
    };
    let group = Arc::new(parent.create(&limits).unwrap());
    let run = |spoil: bool| {
        let joined = Arc::clone(&group);
        let mut command = Command::new("true");
        // SAFETY: after fork only async-signal-safe calls may be made; join_all makes write(2) only.
        // The control allocates, in a child of a process whose other threads sleep.
        unsafe {
            command.pre_exec(move || {
                let before = CALLS.load(Ordering::SeqCst);
                joined.join_all().map_err(io::Error::from)?;
                if spoil {
                    drop(std::hint::black_box(Box::new(1_u8)));
                }
                match CALLS.load(Ordering::SeqCst) - before {
                    0 => Ok(()),
                    _ => Err(io::Error::from_raw_os_error(libc::ENOTRECOVERABLE)),
                }
            });
        }
        command.status()
    };
    assert!(run(false).unwrap().success());
    let counted = run(true).unwrap_err();
    assert_eq!(counted.raw_os_error(), Some(libc::ENOTRECOVERABLE));
    Arc::try_unwrap(group).unwrap().remove().unwrap();
}
