//! System calls by name, each with arguments that do no harm where it is allowed.

use crate::{Outcome, call, check, unknown};
use std::arch::asm;
use std::io;

/// An address at which nothing is mapped.
const NOWHERE: usize = 1;

pub fn run(command: &[&str]) -> Outcome {
    let none = usize::MAX;
    let text = c"cofferdam-no-such-thing".as_ptr() as usize;
    let (number, arguments) = match command {
        ["io_uring_setup"] => (libc::SYS_io_uring_setup, [1, NOWHERE, 0, 0, 0, 0]),
        ["io_uring_enter"] => (libc::SYS_io_uring_enter, [none, 0, 0, 0, 0, 0]),
        ["io_uring_register"] => (libc::SYS_io_uring_register, [none, 0, 0, 0, 0, 0]),
        ["io_uring"] => return io_uring(),
        // UFFD_USER_MODE_ONLY, which ordinary users may have.
        ["userfaultfd"] => (libc::SYS_userfaultfd, [1, 0, 0, 0, 0, 0]),
        ["bpf"] => (libc::SYS_bpf, [none, NOWHERE, 0, 0, 0, 0]),
        ["perf_event_open"] => (libc::SYS_perf_event_open, [NOWHERE, 0, none, none, 0, 0]),
        ["kcmp"] => {
            let own = std::process::id() as usize;
            (libc::SYS_kcmp, [own, own, 0, 0, 1, 0])
        }
        ["pidfd_getfd"] => (libc::SYS_pidfd_getfd, [none, 0, 0, 0, 0, 0]),
        ["add_key"] => (libc::SYS_add_key, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
        // KEYCTL_GET_KEYRING_ID of the session keyring.
        ["keyctl"] => (libc::SYS_keyctl, [0, -3_isize as usize, 0, 0, 0, 0]),
        ["request_key"] => (libc::SYS_request_key, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
        ["name_to_handle_at"] => (
            libc::SYS_name_to_handle_at,
            [none, text, NOWHERE, NOWHERE, 0, 0],
        ),
        ["open_by_handle_at"] => (libc::SYS_open_by_handle_at, [none, NOWHERE, 0, 0, 0, 0]),
        // FAN_REPORT_FID, which ordinary users may have.
        ["fanotify_init"] => (libc::SYS_fanotify_init, [0x200, 0, 0, 0, 0, 0]),
        ["kexec_load"] => (libc::SYS_kexec_load, [0, 0, NOWHERE, none, 0, 0]),
        // Not the magic numbers that it wants.
        ["reboot"] => (libc::SYS_reboot, [0, 0, 0, 0, 0, 0]),
        ["init_module"] => (libc::SYS_init_module, [NOWHERE, 0, NOWHERE, 0, 0, 0]),
        ["finit_module"] => (libc::SYS_finit_module, [none, NOWHERE, 0, 0, 0, 0]),
        ["delete_module"] => (libc::SYS_delete_module, [text, 0, 0, 0, 0, 0]),
        ["swapon"] => (libc::SYS_swapon, [text, 0, 0, 0, 0, 0]),
        ["swapoff"] => (libc::SYS_swapoff, [text, 0, 0, 0, 0, 0]),
        ["quotactl"] => (libc::SYS_quotactl, [none, text, 0, 0, 0, 0]),
        ["acct"] => (libc::SYS_acct, [text, 0, 0, 0, 0, 0]),
        ["settimeofday"] => (libc::SYS_settimeofday, [0, 0, 0, 0, 0, 0]),
        ["clock_settime"] => (libc::SYS_clock_settime, [9999, NOWHERE, 0, 0, 0, 0]),
        ["adjtimex"] => return adjtimex(),
        // SYSLOG_ACTION_SIZE_BUFFER.
        ["syslog"] => (libc::SYS_syslog, [10, 0, 0, 0, 0, 0]),
        // READ_IMPLIES_EXEC.
        ["personality"] => (libc::SYS_personality, [0x0040_0000, 0, 0, 0, 0, 0]),
        ["mount"] => (libc::SYS_mount, [NOWHERE, NOWHERE, NOWHERE, 0, 0, 0]),
        ["umount2"] => (libc::SYS_umount2, [text, 0, 0, 0, 0, 0]),
        ["pivot_root"] => (libc::SYS_pivot_root, [text, text, 0, 0, 0, 0]),
        ["chroot"] => (libc::SYS_chroot, [text, 0, 0, 0, 0, 0]),
        ["setns"] => (libc::SYS_setns, [none, 0, 0, 0, 0, 0]),
        ["fsopen"] => (libc::SYS_fsopen, [NOWHERE, 0, 0, 0, 0, 0]),
        ["fsconfig"] => (libc::SYS_fsconfig, [none, 6, 0, 0, 0, 0]),
        ["fsmount"] => (libc::SYS_fsmount, [none, 0, 0, 0, 0, 0]),
        ["fspick"] => (libc::SYS_fspick, [none, text, 0, 0, 0, 0]),
        ["open_tree"] => (libc::SYS_open_tree, [none, text, 0, 0, 0, 0]),
        ["move_mount"] => (libc::SYS_move_mount, [none, text, none, text, 0, 0]),
        ["mount_setattr"] => (libc::SYS_mount_setattr, [none, text, 0, NOWHERE, 32, 0]),
        ["process_madvise"] => (libc::SYS_process_madvise, [none, NOWHERE, 0, 0, 0, 0]),
        ["process_vm_writev"] => {
            let own = std::process::id() as usize;
            (
                libc::SYS_process_vm_writev,
                [own, NOWHERE, 1, NOWHERE, 1, 0],
            )
        }
        ["migrate_pages"] => (libc::SYS_migrate_pages, [0, 0, NOWHERE, NOWHERE, 0, 0]),
        ["sethostname"] => (libc::SYS_sethostname, [NOWHERE, 5, 0, 0, 0, 0]),
        // A listener of this filter would answer the calls in the supervisor's place.
        ["seccomp_listener"] => (libc::SYS_seccomp, [1, 8, NOWHERE, 0, 0, 0]),
        ["clone3"] => (libc::SYS_clone3, [NOWHERE, 64, 0, 0, 0, 0]),
        ["lsm_list_modules"] => (461, [NOWHERE, NOWHERE, 0, 0, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        ["iopl"] => (libc::SYS_iopl, [0, 0, 0, 0, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        ["ioperm"] => (libc::SYS_ioperm, [0x80, 1, 0, 0, 0, 0]),
        #[cfg(target_arch = "x86_64")]
        ["modify_ldt"] => (libc::SYS_modify_ldt, [0, NOWHERE, 0, 0, 0, 0]),
        // getpid(2) by its number for x32.
        #[cfg(target_arch = "x86_64")]
        ["x32"] => (0x4000_0000 | libc::SYS_getpid, [0; 6]),
        #[cfg(target_arch = "x86_64")]
        ["int80"] => return int80(),
        // A number that no kernel has assigned yet.
        ["unassigned"] => (9999, [0; 6]),
        other => return unknown(other),
    };
    call(number, arguments).map(|_| String::new())
}

/// A working ring: what would open files and sockets past a filter.
fn io_uring() -> Outcome {
    let parameters = [0_u64; 15];
    call(
        libc::SYS_io_uring_setup,
        [1, parameters.as_ptr() as usize, 0, 0, 0, 0],
    )
    .map(|_| String::new())
}

/// Reads the clock's state, as everybody may.
fn adjtimex() -> Outcome {
    // SAFETY: all zeros is a timex that sets nothing, plain numbers.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: adjtimex(2) reads and writes one timex.
    check(unsafe { libc::adjtimex(&mut state) }).map(|_| String::new())
}

/// getpid(2) through the 32-bit entry (number 20 there), which a 64-bit program can use too.
#[cfg(target_arch = "x86_64")]
fn int80() -> Outcome {
    let answer: i64;
    // SAFETY: the call touches no memory; the kernel keeps all registers but rax, and older ones
    // clear r8 to r11.
    unsafe {
        asm!("int 0x80", inlateout("rax") 20_i64 => answer, out("r8") _, out("r9") _, out("r10") _, out("r11") _);
    }
    match answer as i32 {
        pid if pid > 0 => Ok(String::new()),
        error => Err(io::Error::from_raw_os_error(-error)),
    }
}
