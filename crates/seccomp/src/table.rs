//! Names and numbers of the system calls, per architecture.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::Arch;

mod aarch64;
mod x86_64;

/// The calls of one architecture.
pub(crate) struct Table {
    by_name: HashMap<&'static str, u32>,
    /// In ascending order.
    by_number: Vec<(u32, &'static str)>,
}

impl Table {
    pub(crate) fn number(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, number: u32) -> Option<&'static str> {
        let place = self
            .by_number
            .binary_search_by_key(&number, |(number, _)| *number);
        place.ok().map(|index| self.by_number[index].1)
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = (u32, &'static str)> + '_ {
        self.by_number.iter().copied()
    }
}

/// Room for every call of an architecture, so that its table does not grow while it is built.
const MOST_CALLS: usize = 400;

/// The table of an architecture, built at the first use.
pub(crate) fn of(arch: Arch) -> &'static Table {
    static X86_64: OnceLock<Table> = OnceLock::new();
    static AARCH64: OnceLock<Table> = OnceLock::new();
    match arch {
        Arch::X86_64 => X86_64.get_or_init(|| build(x86_64::RUNS)),
        Arch::Aarch64 => AARCH64.get_or_init(|| build(aarch64::RUNS)),
    }
}

fn build(runs: &'static [(u32, &'static str)]) -> Table {
    let mut by_number: Vec<(u32, &'static str)> = Vec::with_capacity(MOST_CALLS);
    for &(first, names) in runs {
        by_number.extend((first..).zip(names.split_ascii_whitespace()));
    }
    let by_name = by_number
        .iter()
        .map(|&(number, name)| (name, number))
        .collect();
    Table { by_name, by_number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_one_to_one() {
        for arch in Arch::ALL {
            let table = of(arch);
            assert_eq!(table.by_name.len(), table.by_number.len(), "{arch}");
        }
        assert_eq!(of(Arch::X86_64).by_name.len(), 385);
        assert_eq!(of(Arch::Aarch64).by_name.len(), 327);
    }

    #[test]
    fn numbers_from_424_are_the_same_everywhere() {
        // Since Linux 5.1 new calls get one number for every architecture.
        for number in 424..=471 {
            assert_eq!(
                of(Arch::X86_64).name(number),
                of(Arch::Aarch64).name(number),
                "{number}"
            );
            assert!(of(Arch::X86_64).name(number).is_some(), "{number}");
        }
    }

    #[test]
    fn native_numbers_are_those_of_libc() {
        macro_rules! check {
            ($($call:ident)*) => {$(
                let name = stringify!($call).trim_start_matches("SYS_");
                assert_eq!(Arch::native().number(name), Some(libc::$call as u32), "{name}");
            )*};
        }
        check! {
            SYS_read SYS_openat SYS_mmap SYS_rt_sigreturn SYS_ioctl SYS_clone SYS_execve SYS_ptrace
            SYS_socket SYS_sendmsg SYS_prctl SYS_seccomp SYS_bpf SYS_execveat SYS_io_setup
            SYS_mknodat SYS_unshare SYS_setns SYS_kexec_file_load SYS_pkey_free SYS_statx SYS_rseq
            SYS_pidfd_send_signal SYS_io_uring_setup SYS_open_tree SYS_clone3 SYS_close_range
            SYS_mount_setattr SYS_landlock_restrict_self SYS_memfd_secret SYS_futex_waitv
            SYS_keyctl SYS_name_to_handle_at SYS_perf_event_open SYS_process_vm_writev SYS_kcmp
            SYS_finit_module SYS_userfaultfd SYS_mseal SYS_fchmodat2
        }
    }
}
