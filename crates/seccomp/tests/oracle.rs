//! The compiled filter against two oracles: the profile's own rules read off one by one
//! (`Profile::decide`), and the `seccompiler` crate's compiler.

use cofferdam_seccomp::{
    Action, Arch, CompileError, Condition, Filter, Intent, Operator, Profile, Rule, Width,
};
use proptest::prelude::*;

const EPERM: Action = Action::Errno(1);
const ENOSYS: Action = Action::Errno(38);
const IP: u64 = 0x7f00_1234_5678;

/// Numbers at the edges of what a filter tells apart.
const EDGES: [u32; 8] = [
    0x3fff_ffff,
    0x4000_0000,
    0x4000_0001,
    0x4000_01ff,
    0x7fff_ffff,
    0x8000_0000,
    0xc000_0000,
    u32::MAX,
];

/// A small generator of pseudo-random numbers (xorshift), for volume where shrinking is no use.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn pick(&mut self, from: &[u64]) -> u64 {
        from[(self.next() % from.len() as u64) as usize]
    }

    fn args(&mut self, pool: &[u64]) -> [u64; 6] {
        std::array::from_fn(|_| match self.next() % 8 {
            0 => self.next(),
            1 => self.next() & 0xffff_ffff,
            2 => self.pick(pool) | (self.next() << 32),
            _ => self.pick(pool),
        })
    }
}

/// The constants a rule compares with, and their neighbours.
fn pool(rule: Option<&Rule>) -> Vec<u64> {
    let mut pool = vec![0, 1, u64::MAX, 0xffff_ffff, 1 << 32, 1 << 31, 1 << 63];
    for (conditions, _) in rule.into_iter().flat_map(Rule::branches) {
        for text in conditions.iter().map(|condition| format!("{condition:?}")) {
            // Conditions are opaque; their Debug form shows the constants.
            for number in text.split(|c: char| !c.is_ascii_digit()) {
                if let Ok(number) = number.parse::<u64>() {
                    pool.extend([
                        number,
                        number.wrapping_add(1),
                        number.wrapping_sub(1),
                        !number,
                        number | 0x800,
                        number | 0x8_0000,
                        number.swap_bytes(),
                        number << 32 | number & 0xffff_ffff,
                    ]);
                }
            }
        }
    }
    pool
}

fn built_in() -> Vec<(String, Profile)> {
    let mut profiles = Vec::new();
    for (name, base) in [
        ("general", Profile::general()),
        ("strict", Profile::strict()),
    ] {
        profiles.push((name.to_owned(), base.clone()));
        for intent in Intent::ALL {
            profiles.push((format!("{name} {intent:?}"), base.clone().allow(intent)));
        }
    }
    profiles
}

/// The kernel's answer for several filters: the strictest, of equals the last one put on.
fn together(filters: &[Filter], arch: u32, nr: u32, args: [u64; 6]) -> Action {
    let rank = |action| match action {
        Action::KillProcess => 0,
        Action::Trap => 1,
        Action::Errno(_) => 2,
        Action::Notify => 3,
        Action::Log => 4,
        Action::Allow => 5,
    };
    filters
        .iter()
        .rev()
        .fold(Action::Allow, |strictest, filter| {
            let action = filter.evaluate(arch, nr, IP, args);
            if rank(action) < rank(strictest) {
                action
            } else {
                strictest
            }
        })
}

#[test]
fn built_in_profiles_match_their_rules() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for (name, profile) in built_in() {
        for arch in Arch::ALL {
            let filter = profile.compile(arch).unwrap();
            for nr in (0..600).chain(EDGES) {
                let rule = arch.name(nr).and_then(|name| profile.rule_of(name));
                let pool = pool(rule);
                let rounds = if pool.len() > 7 { 1000 } else { 4 };
                for _ in 0..rounds {
                    let args = random.args(&pool);
                    assert_eq!(
                        filter.evaluate(arch.audit(), nr, IP, args),
                        profile.decide(arch, nr, &args),
                        "{name} {arch} {nr} {args:x?}"
                    );
                }
            }
        }
    }
}

#[test]
fn built_in_profiles_match_seccompiler() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    for (name, profile) in built_in() {
        for arch in Arch::ALL {
            let ours = profile.compile(arch).unwrap();
            let theirs = profile.compile_with_seccompiler(arch).unwrap();
            let mut compared = 0;
            for (nr, call) in arch.calls() {
                let pool = pool(profile.rule_of(call));
                let rounds = if pool.len() > 7 { 1000 } else { 3 };
                for _ in 0..rounds {
                    let args = random.args(&pool);
                    assert_eq!(
                        ours.evaluate(arch.audit(), nr, IP, args),
                        together(&theirs, arch.audit(), nr, args),
                        "{name} {arch} {call} {args:x?}"
                    );
                    compared += 1;
                }
            }
            assert!(compared > 5_000, "{name} {arch}: {compared}");
        }
    }
}

#[test]
fn another_architecture_kills() {
    // i386, AArch32, x86_64, aarch64, riscv64, and the big-endian twin of aarch64.
    const AUDIT: [u32; 6] = [
        0x4000_0003,
        0x4000_0028,
        0xc000_003e,
        0xc000_00b7,
        0xc000_00f3,
        0x8000_00b7,
    ];
    for (name, profile) in built_in() {
        for arch in Arch::ALL {
            let filter = profile.compile(arch).unwrap();
            for audit in AUDIT.into_iter().filter(|&audit| audit != arch.audit()) {
                for nr in (0..600).chain(EDGES) {
                    let answer = filter.evaluate(audit, nr, IP, [0; 6]);
                    assert_eq!(answer, Action::KillProcess, "{name} {arch} {audit:#x} {nr}");
                }
            }
        }
    }
}

#[test]
fn filters_are_short() {
    for arch in Arch::ALL {
        let general = Profile::general();
        let (ours, theirs) = (
            general.compile(arch).unwrap(),
            general.compile_with_seccompiler(arch).unwrap(),
        );
        let theirs: usize = theirs.iter().map(Filter::len).sum();
        println!(
            "{arch}: general {} instructions, seccompiler {theirs}",
            ours.len()
        );
        assert!(ours.len() < 200, "{arch}: {}", ours.len());
        assert!(10 * ours.len() < theirs, "{arch}: {} {theirs}", ours.len());
        let strict = Profile::strict().compile(arch).unwrap();
        println!("{arch}: strict {} instructions", strict.len());
        assert!(strict.len() < 250, "{arch}: {}", strict.len());
    }
}

/// As the kernel decides whether a call goes into its allow bitmap: the filter is run knowing only
/// the number and architecture, and must come to "allow" without any other word.
fn in_allow_bitmap(filter: &Filter, nr: u32) -> bool {
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let op = filter.program()[at];
        at += 1;
        let taken = match (op.code, op.k) {
            (0x20, 0) => {
                accumulator = nr;
                continue;
            }
            (0x20, 4) => {
                accumulator = filter.arch().audit();
                continue;
            }
            (0x06, answer) => return answer == 0x7fff_0000,
            (0x05, k) => {
                at += k as usize;
                continue;
            }
            (0x15, k) => accumulator == k,
            (0x35, k) => accumulator >= k,
            (0x25, k) => accumulator > k,
            (0x45, k) => accumulator & k != 0,
            _ => return false,
        };
        at += usize::from(if taken { op.jt } else { op.jf });
    }
}

#[test]
fn unconditional_calls_are_in_the_kernels_bitmap() {
    for (name, profile) in built_in() {
        for arch in Arch::ALL {
            let filter = profile.compile(arch).unwrap();
            for (nr, call) in arch.calls() {
                let allowed = profile.rule_of(call) == Some(&Rule::allow());
                assert_eq!(
                    in_allow_bitmap(&filter, nr),
                    allowed,
                    "{name} {arch} {call}"
                );
            }
        }
    }
}

#[test]
fn long_programs_jump_right() {
    // Every call its own conditions, all different: nothing to share, and jumps past 255.
    let mut random = Random(42);
    let mut profile = Profile::new(EPERM);
    for (nr, name) in Arch::X86_64.calls() {
        let conditions = [
            Condition::new(0, Width::Qword, Operator::Gt, u64::from(nr) << 30),
            Condition::new(1, Width::Dword, Operator::MaskedEq(0xff0), u64::from(nr)),
        ];
        profile = profile.rule(name, Rule::allow_if(conditions).otherwise(ENOSYS));
    }
    let filter = profile.compile(Arch::X86_64).unwrap();
    assert!(filter.len() > 1500, "{}", filter.len());
    for nr in (0..500).chain(EDGES) {
        let pool = pool(Arch::X86_64.name(nr).and_then(|name| profile.rule_of(name)));
        for _ in 0..50 {
            let args = random.args(&pool);
            let answer = filter.evaluate(Arch::X86_64.audit(), nr, IP, args);
            assert_eq!(
                answer,
                profile.decide(Arch::X86_64, nr, &args),
                "{nr} {args:x?}"
            );
        }
    }
}

#[test]
fn many_branches_of_one_call() {
    let arch = Arch::native();
    let ioctl = arch.number("ioctl").unwrap();
    let rule = |count: u64| {
        (0..count).fold(Rule::default_action(), |rule, n| {
            let condition = Condition::new(1, Width::Qword, Operator::Eq, 3 * n);
            rule.when([condition], Action::Allow)
        })
    };
    let profile = Profile::new(EPERM).rule("ioctl", rule(600));
    let filter = profile.compile(arch).unwrap();
    for value in 0..2000 {
        let args = [0, value, 0, 0, 0, 0];
        let expected = profile.decide(arch, ioctl, &args);
        assert_eq!(
            filter.evaluate(arch.audit(), ioctl, IP, args),
            expected,
            "{value}"
        );
    }
    for count in [5_000, 100_000] {
        assert_eq!(
            Profile::new(EPERM).rule("ioctl", rule(count)).compile(arch),
            Err(CompileError::TooLong { arch }),
        );
    }
}

#[test]
fn bad_profiles_are_refused() {
    let arch = Arch::native();
    let error = |profile: Profile| profile.compile(arch).unwrap_err();
    let profile = || Profile::new(EPERM);
    assert_eq!(
        error(profile().rule("opne", Rule::allow())).to_string(),
        "no architecture has a system call named \"opne\"; check the spelling"
    );
    assert_eq!(
        error(profile().rule("read", Rule::allow_if([Condition::dword_eq(6, 0)]))),
        CompileError::ArgumentOutOfRange {
            syscall: "read".to_owned(),
            argument: 6
        }
    );
    assert_eq!(
        error(profile().rule("read", Rule::errno(4096))),
        CompileError::ErrnoOutOfRange {
            context: "read".to_owned(),
            errno: 4096
        }
    );
    assert_eq!(
        error(Profile::new(Action::Errno(5000))),
        CompileError::ErrnoOutOfRange {
            context: "the default action".to_owned(),
            errno: 5000
        }
    );
    assert_eq!(
        error(profile().rule_for_number(0x4000_0001, Rule::allow())),
        CompileError::NumberOutOfRange {
            number: 0x4000_0001
        }
    );
    // Known elsewhere only: no error, no rule.
    let open = profile().rule("open", Rule::allow());
    assert_eq!(
        open.compile(Arch::Aarch64),
        profile().compile(Arch::Aarch64)
    );
    // Two laxer answers than the default: seccompiler has one.
    let two = profile()
        .rule("read", Rule::allow())
        .rule("write", Rule::always(Action::Log));
    assert!(matches!(
        two.compile_with_seccompiler(arch),
        Err(CompileError::NotExpressible { .. })
    ));
}

#[test]
fn numbers_newer_than_the_tables_can_be_ruled() {
    let profile = Profile::new(EPERM)
        .rule_for_number(600, Rule::allow())
        .rule_for_number(0, Rule::errno(5));
    for arch in Arch::ALL {
        let filter = profile.compile(arch).unwrap();
        let answer = |nr| filter.evaluate(arch.audit(), nr, IP, [0; 6]);
        assert_eq!(answer(600), Action::Allow);
        assert_eq!(answer(599), ENOSYS);
        assert_eq!(answer(601), ENOSYS);
        assert_eq!(answer(0), Action::Errno(5));
        assert_eq!(answer(1), EPERM);
    }
}

#[test]
fn the_listing_names_every_instruction() {
    let filter = Profile::general().compile(Arch::X86_64).unwrap();
    let text = filter.to_string();
    assert_eq!(text.lines().count(), filter.len());
    assert!(
        text.starts_with(
            "   0  load arch\n   1  == 0xc000003e ? 3 : 2\n   2  return kill process\n"
        ),
        "{text}"
    );
    assert!(!text.contains("code"), "{text}");
    assert!(
        text.contains("return EPERM") && text.contains("return allow"),
        "{text}"
    );
}

// --- random profiles ---

const VALUES: [u64; 14] = [
    0,
    1,
    2,
    3,
    0x7f,
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

fn value() -> impl Strategy<Value = u64> {
    prop_oneof![4 => prop::sample::select(VALUES.as_slice()), 1 => any::<u64>()]
}

fn condition() -> impl Strategy<Value = Condition> {
    let operator = prop_oneof![
        Just(Operator::Eq),
        Just(Operator::Ne),
        Just(Operator::Lt),
        Just(Operator::Le),
        Just(Operator::Gt),
        Just(Operator::Ge),
        value().prop_map(Operator::MaskedEq),
    ];
    // Few arguments, so that conditions often meet on the same one.
    let arg = prop_oneof![4 => 0..2_u8, 1 => 2..6_u8];
    let width = prop_oneof![Just(Width::Dword), Just(Width::Qword)];
    (arg, width, operator, value())
        .prop_map(|(arg, width, operator, value)| Condition::new(arg, width, operator, value))
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        Just(Action::Allow),
        Just(Action::KillProcess),
        Just(Action::Trap),
        Just(Action::Log),
        (0..4096_u16).prop_map(Action::Errno),
    ]
}

fn conditions(least: usize) -> impl Strategy<Value = Vec<Condition>> {
    prop::collection::vec(condition(), least..5)
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let branches = prop::collection::vec((conditions(0), action()), 0..7);
    (branches, prop::option::of(action())).prop_map(|(branches, otherwise)| {
        let rule = branches
            .into_iter()
            .fold(Rule::default_action(), |rule, (conditions, action)| {
                rule.when(conditions, action)
            });
        match otherwise {
            Some(action) => rule.otherwise(action),
            None => rule,
        }
    })
}

fn any_profile() -> impl Strategy<Value = Profile> {
    let names: Vec<&str> = Arch::X86_64.calls().map(|(_, name)| name).collect();
    let named = prop::collection::vec((prop::sample::select(names), any_rule()), 0..12);
    let numbered = prop::collection::vec((0..700_u32, any_rule()), 0..4);
    (action(), prop::option::of(action()), named, numbered).prop_map(
        |(default, unassigned, named, numbered)| {
            let mut profile = Profile::new(default);
            if let Some(action) = unassigned {
                profile = profile.unassigned(action);
            }
            for (name, rule) in named {
                profile = profile.rule(name, rule);
            }
            for (number, rule) in numbered {
                profile = profile.rule_for_number(number, rule);
            }
            profile
        },
    )
}

/// What seccompiler can say: allow if any of some lists of conditions holds, ENOSYS always, or the
/// default.
fn simple_profile() -> impl Strategy<Value = Profile> {
    let names: Vec<&str> = Arch::X86_64.calls().map(|(_, name)| name).collect();
    let rule = prop_oneof![
        1 => Just(Rule::allow()),
        1 => Just(Rule::always(ENOSYS)),
        4 => prop::collection::vec(conditions(1), 1..7).prop_map(|branches| {
            branches.into_iter().fold(Rule::default_action(), |rule, conditions| {
                rule.when(conditions, Action::Allow)
            })
        }),
    ];
    prop::collection::vec((prop::sample::select(names), rule), 0..12).prop_map(|rules| {
        rules
            .into_iter()
            .fold(Profile::new(EPERM), |profile, (name, rule)| {
                profile.rule(name, rule)
            })
    })
}

fn args() -> impl Strategy<Value = [u64; 6]> {
    let near =
        (value(), 0..3_u64).prop_map(|(value, offset)| value.wrapping_add(offset).wrapping_sub(1));
    prop::array::uniform6(near)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn random_profiles_match_their_rules(
        profile in any_profile(),
        calls in prop::collection::vec(args(), 30),
    ) {
        for arch in Arch::ALL {
            let filter = profile.compile(arch).unwrap();
            for nr in (0..720).chain(EDGES) {
                let conditional = profile.decide(arch, nr, &calls[0]) != profile.decide(arch, nr, &calls[1])
                    || arch.name(nr).is_some_and(|name| profile.rule_of(name).is_some());
                for args in &calls[..if conditional { 30 } else { 2 }] {
                    prop_assert_eq!(
                        filter.evaluate(arch.audit(), nr, IP, *args),
                        profile.decide(arch, nr, args),
                        "{} {} {:x?}\n{}", arch, nr, args, &filter
                    );
                }
            }
        }
    }

    #[test]
    fn random_profiles_match_seccompiler(
        profile in simple_profile(),
        calls in prop::collection::vec(args(), 60),
    ) {
        for arch in Arch::ALL {
            let ours = profile.compile(arch).unwrap();
            let theirs = profile.compile_with_seccompiler(arch).unwrap();
            for (nr, name) in arch.calls() {
                let rounds = if profile.rule_of(name).is_some() { 60 } else { 1 };
                for args in &calls[..rounds] {
                    prop_assert_eq!(
                        ours.evaluate(arch.audit(), nr, IP, *args),
                        together(&theirs, arch.audit(), nr, *args),
                        "{} {} {:x?}\n{}", arch, name, args, &ours
                    );
                }
            }
        }
    }
}
