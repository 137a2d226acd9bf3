//! Profiles compiled to BPF against a plain reading of their rules, and against another compiler.

use crate::input::Input;
use cofferdam_seccomp::{Action, Arch, CompileError, Condition, Filter, Operator, Profile, Rule, Width};

const IP: u64 = 0x7f00_1234_5678;
const X32: u32 = 0x4000_0000;

const NAMES: [&str; 8] = [
    "read", "ioctl", "socket", "clone", "openat", "mmap", "open", "prctl",
];
const ACTIONS: [Action; 6] = [
    Action::Allow,
    Action::Errno(1),
    Action::Errno(38),
    Action::KillProcess,
    Action::Trap,
    Action::Log,
];
/// Values at the edges of what 32 and 64 bits tell apart.
const VALUES: [u64; 12] = [
    0,
    1,
    2,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x8000_0000_0000_0000,
    u64::MAX - 1,
    u64::MAX,
];

/// A comparison as this file understands it: argument, bits, operator, value, mask.
type Comparison = (usize, u32, u8, u64, u64);
type Branch = (Vec<Comparison>, Action);

/// What a profile says of one call.
struct Call {
    name: Option<&'static str>,
    number: u32,
    branches: Vec<Branch>,
    otherwise: Option<Action>,
}

/// One input: a profile, and what calls are made.
pub fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let default = input.pick(&ACTIONS);
    let unassigned = input.bool().then(|| input.pick(&ACTIONS));
    let calls: Vec<Call> = (0..input.count(1..=6)).map(|_| call(&mut input)).collect();
    let mut profile = Profile::new(default);
    if let Some(action) = unassigned {
        profile = profile.unassigned(action);
    }
    for call in &calls {
        let mut rule = Rule::default_action();
        for (comparisons, action) in &call.branches {
            rule = rule.when(comparisons.iter().map(condition), *action);
        }
        if let Some(action) = call.otherwise {
            rule = rule.otherwise(action);
        }
        profile = match call.name {
            Some(name) => profile.rule(name, rule),
            None => profile.rule_for_number(call.number, rule),
        };
    }
    let tried = tried(&calls, &mut input);
    for arch in Arch::ALL {
        let filter = match profile.compile(arch) {
            Ok(filter) => filter,
            Err(error) => {
                let is_x32 = calls.iter().any(|call| call.name.is_none() && call.number >= X32);
                assert!(is_x32, "{error}");
                return;
            }
        };
        let other = profile.compile_with_seccompiler(arch);
        assert!(matches!(
            other,
            Ok(_) | Err(CompileError::NotExpressible { .. } | CompileError::TooLong { .. })
        ));
        for (nr, args) in &tried {
            let answer = filter.evaluate(arch.audit(), *nr, IP, *args);
            let wanted = plain(&calls, default, unassigned, arch, *nr, args);
            assert_eq!(answer, wanted, "{arch} {nr} {args:x?}\n{filter}");
            assert_eq!(profile.decide(arch, *nr, args), wanted, "{arch} {nr} {args:x?}");
            // The other compiler has no answer of its own for numbers without a name.
            if let (Ok(filters), Some(_)) = (&other, arch.name(*nr)) {
                let together = together(filters, arch, *nr, args);
                assert_eq!(answer, together, "{arch} {nr} {args:x?}\n{filter}");
            }
            let elsewhere = filter.evaluate(arch.audit() ^ 1, *nr, IP, *args);
            assert_eq!(elsewhere, Action::KillProcess);
        }
    }
}

fn call(input: &mut Input<'_>) -> Call {
    let name = (!input.byte().is_multiple_of(4)).then(|| input.pick(&NAMES));
    let number = match input.byte() % 8 {
        0 => input.u32(),
        _ => input.u32() % 600,
    };
    let branches = (0..input.count(0..=4)).map(|_| {
        let comparisons = (0..input.count(0..=3)).map(|_| {
            let (argument, bits) = (input.count(0..=5), if input.bool() { 64 } else { 32 });
            (argument, bits, input.byte() % 7, value(input), value(input))
        });
        (comparisons.collect(), input.pick(&ACTIONS))
    });
    Call {
        name,
        number,
        branches: branches.collect(),
        otherwise: input.bool().then(|| input.pick(&ACTIONS)),
    }
}

fn value(input: &mut Input<'_>) -> u64 {
    match input.byte() % 4 {
        0 => input.u64(),
        _ => input.pick(&VALUES),
    }
}

fn condition((argument, bits, operator, value, mask): &Comparison) -> Condition {
    let width = if *bits == 64 { Width::Qword } else { Width::Dword };
    let operator = match operator {
        0 => Operator::Eq,
        1 => Operator::Ne,
        2 => Operator::Lt,
        3 => Operator::Le,
        4 => Operator::Gt,
        5 => Operator::Ge,
        _ => Operator::MaskedEq(*mask),
    };
    Condition::new(*argument as u8, width, operator, *value)
}

/// Calls with the arguments that rules compare with and their neighbours, and others.
fn tried(calls: &[Call], input: &mut Input<'_>) -> Vec<(u32, [u64; 6])> {
    let compared = calls.iter().flat_map(|call| &call.branches);
    let compared = compared.flat_map(|(comparisons, _)| comparisons);
    let mut pool: Vec<u64> = compared.flat_map(|one| [one.3, one.4, one.3 & one.4]).collect();
    pool.extend(VALUES);
    let mut numbers: Vec<u32> = calls.iter().map(|call| call.number).collect();
    for arch in Arch::ALL {
        numbers.extend(calls.iter().filter_map(|call| arch.number(call.name?)));
    }
    numbers.extend([0, 599, X32, X32 | 1, 0x7fff_ffff, 0x8000_0000, u32::MAX, input.u32()]);
    let mut tried = Vec::new();
    let mut state = input.u64() | 1;
    for nr in numbers {
        for _ in 0..16 {
            let args = std::array::from_fn(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let value = pool[state as usize % pool.len()];
                match state >> 60 {
                    0 => value.wrapping_add(1),
                    1 => value.wrapping_sub(1),
                    2 => value ^ 1 << 32,
                    3 => state,
                    _ => value,
                }
            });
            tried.push((nr, args));
        }
    }
    tried
}

/// The answer, read off what was put into the profile.
fn plain(
    calls: &[Call],
    default: Action,
    unassigned: Option<Action>,
    arch: Arch,
    nr: u32,
    args: &[u64; 6],
) -> Action {
    if arch == Arch::X86_64 && nr & X32 != 0 && nr < 0x8000_0000 {
        return Action::Errno(1);
    }
    let name = arch.name(nr);
    // A later rule for the same call takes the place of an earlier one, and a number comes first.
    let by_number = calls.iter().rfind(|call| call.name.is_none() && call.number == nr);
    let by_name = || calls.iter().rfind(|call| call.name.is_some() && call.name == name);
    match (by_number.or_else(by_name), name) {
        (Some(call), _) => call
            .branches
            .iter()
            .find(|(comparisons, _)| comparisons.iter().all(|one| holds(one, args)))
            .map(|(_, action)| *action)
            .or(call.otherwise)
            .unwrap_or(default),
        (None, Some(_)) => default,
        (None, None) => unassigned.unwrap_or(match default.permits() {
            true => default,
            false => Action::Errno(38),
        }),
    }
}

fn holds((argument, bits, operator, value, mask): &Comparison, args: &[u64; 6]) -> bool {
    let cut = |value: u64| if *bits == 64 { value } else { value & 0xffff_ffff };
    let (given, value) = (cut(args[*argument]), cut(*value));
    match operator {
        0 => given == value,
        1 => given != value,
        2 => given < value,
        3 => given <= value,
        4 => given > value,
        5 => given >= value,
        _ => given & mask == value & mask,
    }
}

/// The kernel's answer for several filters: the strictest, of equals the last one put on.
fn together(filters: &[Filter], arch: Arch, nr: u32, args: &[u64; 6]) -> Action {
    let rank = |action: Action| match action {
        Action::KillProcess => 0,
        Action::Trap => 1,
        Action::Errno(_) => 2,
        Action::Notify => 3,
        Action::Log => 4,
        Action::Allow => 5,
    };
    let answers = filters.iter().rev();
    let answers = answers.map(|filter| filter.evaluate(arch.audit(), nr, IP, *args));
    answers.fold(Action::Allow, |strictest, action| {
        if rank(action) < rank(strictest) { action } else { strictest }
    })
}
