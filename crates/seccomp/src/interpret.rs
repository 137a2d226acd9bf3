//! A small interpreter of classic BPF over `struct seccomp_data`.
//!
//! It knows the instructions the compilers here emit, which are also those the kernel's own
//! emulation for its allow bitmap knows. On anything else it answers as the kernel does with a
//! broken filter: the process is killed.

use libc::sock_filter;

/// `struct seccomp_data` of `linux/seccomp.h`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    pub(crate) nr: u32,
    pub(crate) arch: u32,
    pub(crate) ip: u64,
    pub(crate) args: [u64; 6],
}

/// Offset of the call number in `seccomp_data`.
pub(crate) const NR: u32 = 0;
/// Offset of the architecture.
pub(crate) const ARCH: u32 = 4;
/// Offset of the arguments, 8 bytes each.
pub(crate) const ARGS: u32 = 16;

/// Load a 32-bit word of `seccomp_data`.
pub(crate) const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
/// And the accumulator with a constant.
pub(crate) const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
/// Jump always.
pub(crate) const JA: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
/// Jump if equal.
pub(crate) const JEQ: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
/// Jump if greater, unsigned.
pub(crate) const JGT: u16 = (libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K) as u16;
/// Jump if greater or equal, unsigned.
pub(crate) const JGE: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
/// Jump if any bit of the constant is set.
pub(crate) const JSET: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
/// Return a constant.
pub(crate) const RET: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

/// Runs the program; the answer is its return value.
pub(crate) fn run(program: &[sock_filter], data: &Data) -> u32 {
    let mut accumulator = 0;
    let mut at = 0_usize;
    // Jumps only go forward, so the loop ends with the program.
    while let Some(instruction) = program.get(at) {
        at += 1;
        let k = instruction.k;
        let taken = match instruction.code {
            LOAD => match data.word(k) {
                Some(word) => {
                    accumulator = word;
                    continue;
                }
                None => break,
            },
            AND => {
                accumulator &= k;
                continue;
            }
            RET => return k,
            JA => {
                at = at.saturating_add(k as usize);
                continue;
            }
            JEQ => accumulator == k,
            JGT => accumulator > k,
            JGE => accumulator >= k,
            JSET => accumulator & k != 0,
            _ => break,
        };
        at += usize::from(if taken {
            instruction.jt
        } else {
            instruction.jf
        });
    }
    libc::SECCOMP_RET_KILL_PROCESS
}

impl Data {
    /// The aligned 32-bit word at an offset, little endian as on both architectures.
    fn word(&self, offset: u32) -> Option<u32> {
        if !offset.is_multiple_of(4) {
            return None;
        }
        let half = |value: u64| (value >> (8 * (offset % 8))) as u32;
        match offset {
            NR => Some(self.nr),
            ARCH => Some(self.arch),
            8 | 12 => Some(half(self.ip)),
            _ => {
                let index = offset.checked_sub(ARGS)? / 8;
                self.args.get(index as usize).map(|&value| half(value))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: Data = Data {
        nr: 7,
        arch: 0xc000_003e,
        ip: 0x1111_2222_3333_4444,
        args: [0xaaaa_bbbb_cccc_dddd, 1, 2, 3, 4, 0x5555_6666_7777_8888],
    };

    fn op(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
        sock_filter { code, jt, jf, k }
    }

    #[test]
    fn words_are_those_of_seccomp_data() {
        let words = [
            (0, 7),
            (4, 0xc000_003e),
            (8, 0x3333_4444),
            (12, 0x1111_2222),
            (16, 0xcccc_dddd),
            (20, 0xaaaa_bbbb),
            (24, 1),
            (28, 0),
            (56, 0x7777_8888),
            (60, 0x5555_6666),
        ];
        for (offset, word) in words {
            assert_eq!(DATA.word(offset), Some(word), "{offset}");
        }
        assert_eq!(DATA.word(64), None);
        assert_eq!(DATA.word(18), None);
    }

    #[test]
    fn jumps_go_where_they_say() {
        for (code, k, taken) in [
            (JEQ, 7, true),
            (JEQ, 6, false),
            (JGT, 6, true),
            (JGT, 7, false),
            (JGE, 7, true),
            (JGE, 8, false),
            (JSET, 4, true),
            (JSET, 8, false),
        ] {
            let program = [
                op(LOAD, 0, 0, NR),
                op(code, 1, 0, k),
                op(RET, 0, 0, 100),
                op(RET, 0, 0, 200),
            ];
            let expected = if taken { 200 } else { 100 };
            assert_eq!(run(&program, &DATA), expected, "{code:#x} {k}");
        }
    }

    #[test]
    fn a_broken_program_kills() {
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        assert_eq!(run(&[], &DATA), kill);
        assert_eq!(run(&[op(JA, 0, 0, u32::MAX)], &DATA), kill);
        assert_eq!(run(&[op(LOAD, 0, 0, 64)], &DATA), kill);
        assert_eq!(run(&[op(0xffff, 0, 0, 0)], &DATA), kill);
    }
}
