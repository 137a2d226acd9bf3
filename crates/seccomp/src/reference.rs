//! The same profile through the `seccompiler` crate.

use std::collections::{BTreeMap, BTreeSet};

use libc::sock_filter;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::{Action, Arch, CompileError, Condition, Filter, Operator, Profile, Rule, Width};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// One filter per answer. The first gives every call its rule's answer where that is the main one
/// and the default elsewhere; the others give their answer where it applies and allow the rest.
pub(crate) fn compile(profile: &Profile, arch: Arch) -> Result<Vec<Filter>, CompileError> {
    profile.validate()?;
    let mut rules: BTreeMap<u32, &Rule> = BTreeMap::new();
    for (name, rule) in &profile.names {
        if let Some(number) = arch.number(name) {
            rules.insert(number, rule);
        }
    }
    rules.extend(profile.numbers.iter().map(|(&number, rule)| (number, rule)));

    let mut by_answer: BTreeMap<Action, Rules> = BTreeMap::new();
    for (number, rule) in rules {
        let Some((answer, alternatives)) = lower(rule, profile.default)? else {
            continue;
        };
        let chains = by_answer.entry(answer).or_default();
        chains.insert(i64::from(number), alternatives);
    }

    // An answer less strict than the default must come from the default's own filter: the kernel
    // takes the strictest of all.
    let default = profile.default;
    let laxer: BTreeSet<Action> = by_answer
        .keys()
        .copied()
        .filter(|&answer| rank(answer) > rank(default))
        .collect();
    let main = match laxer.len() {
        0 | 1 => laxer.first().copied(),
        _ => {
            return Err(CompileError::NotExpressible {
                what: "it has two answers that are less strict than the default",
            });
        }
    };
    let mut filters = Vec::new();
    let first = main.unwrap_or(if default == Action::Allow {
        Action::Log
    } else {
        Action::Allow
    });
    let mut main_rules = by_answer.remove(&first).unwrap_or_default();
    if main.is_some() {
        // Other answers must get past the first filter.
        for (&number, alternatives) in by_answer.values().flatten() {
            if !alternatives.is_empty() {
                return Err(CompileError::NotExpressible {
                    what: "an answer besides allow and the default depends on arguments",
                });
            }
            main_rules.insert(number, Vec::new());
        }
    }
    filters.push(build(main_rules, default, first, arch, profile.flags)?);
    for (answer, chains) in by_answer {
        filters.push(build(chains, Action::Allow, answer, arch, profile.flags)?);
    }
    Ok(filters)
}

/// A rule as the one answer it may give besides the default, and the alternatives for it (empty:
/// always). `None` if it is the default throughout.
fn lower(rule: &Rule, default: Action) -> Result<Option<(Action, Vec<SeccompRule>)>, CompileError> {
    let fallback = rule.fallback().unwrap_or(default);
    let mut alternatives = Vec::new();
    let mut answer = None;
    for (conditions, action) in rule.branches() {
        if *answer.get_or_insert(action) != action || action == fallback {
            return Err(CompileError::NotExpressible {
                what: "the branches of a rule have different answers",
            });
        }
        if conditions.is_empty() {
            return Ok((action != default).then_some((action, Vec::new())));
        }
        let conditions = conditions.iter().map(condition).collect();
        alternatives.push(SeccompRule::new(conditions).map_err(backend)?);
    }
    match answer {
        None => Ok((fallback != default).then_some((fallback, Vec::new()))),
        Some(_) if fallback != default => Err(CompileError::NotExpressible {
            what: "a rule's last answer is not the default",
        }),
        Some(answer) => Ok(Some((answer, alternatives))),
    }
}

fn condition(condition: &Condition) -> SeccompCondition {
    let width = match condition.width {
        Width::Dword => SeccompCmpArgLen::Dword,
        Width::Qword => SeccompCmpArgLen::Qword,
    };
    let operator = match condition.operator {
        Operator::Eq => SeccompCmpOp::Eq,
        Operator::Ne => SeccompCmpOp::Ne,
        Operator::Lt => SeccompCmpOp::Lt,
        Operator::Le => SeccompCmpOp::Le,
        Operator::Gt => SeccompCmpOp::Gt,
        Operator::Ge => SeccompCmpOp::Ge,
        Operator::MaskedEq(mask) => SeccompCmpOp::MaskedEq(mask),
    };
    SeccompCondition::new(condition.arg, width, operator, condition.value)
        .expect("argument indices were validated")
}

fn build(
    rules: Rules,
    mismatch: Action,
    matched: Action,
    arch: Arch,
    flags: u64,
) -> Result<Filter, CompileError> {
    let target = match arch {
        Arch::X86_64 => TargetArch::x86_64,
        Arch::Aarch64 => TargetArch::aarch64,
    };
    let filter = SeccompFilter::new(rules, action(mismatch)?, action(matched)?, target);
    let filter = filter.map_err(backend)?;
    let program: BpfProgram = filter
        .try_into()
        .map_err(|_| CompileError::TooLong { arch })?;
    let program = program
        .into_iter()
        .map(|op| sock_filter {
            code: op.code,
            jt: op.jt,
            jf: op.jf,
            k: op.k,
        })
        .collect();
    Ok(Filter::new(program, arch, flags))
}

fn action(action: Action) -> Result<SeccompAction, CompileError> {
    Ok(match action {
        Action::Allow => SeccompAction::Allow,
        Action::Errno(errno) => SeccompAction::Errno(u32::from(errno)),
        Action::KillProcess => SeccompAction::KillProcess,
        Action::Trap => SeccompAction::Trap,
        Action::Log => SeccompAction::Log,
        Action::Notify => {
            return Err(CompileError::NotExpressible {
                what: "the answer of a listener",
            });
        }
    })
}

fn backend(_: seccompiler::BackendError) -> CompileError {
    CompileError::NotExpressible {
        what: "a rule or pair of answers that it refuses",
    }
}

/// The kernel's order of answers, strictest first (seccomp(2), "Return value of the filter").
fn rank(action: Action) -> u8 {
    match action {
        Action::KillProcess => 0,
        Action::Trap => 1,
        Action::Errno(_) => 2,
        Action::Notify => 3,
        Action::Log => 4,
        Action::Allow => 5,
    }
}
