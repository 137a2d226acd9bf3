//! From a profile to classic BPF.
//!
//! The program is a graph whose equal parts exist once ([`graph`]): the architecture is checked, then
//! a balanced search tree over ranges of call numbers ([`tree`]) leads to the answer or to the
//! conditions on arguments ([`decision`]). A call that is allowed whatever its arguments is decided by
//! its number alone, so the kernel (5.11 and newer) notes it in its bitmap and never runs the
//! filter for it.

use std::collections::BTreeMap;

use crate::profile::X32_BIT;
use crate::{Action, Arch, CompileError, Filter, Profile, Rule, interpret};

mod decision;
mod graph;
mod tree;

use graph::{Graph, Node, NodeId};

/// The first number above those of x32.
const ABOVE_X32: u32 = 0x8000_0000;

/// `BPF_MAXINSNS` of `linux/bpf_common.h`.
pub(crate) const MAX_INSTRUCTIONS: usize = 4096;

/// Compiles a profile for an architecture.
pub(crate) fn compile(profile: &Profile, arch: Arch) -> Result<Filter, CompileError> {
    profile.validate()?;
    let too_long = || CompileError::TooLong { arch };
    let mut graph = Graph::default();

    // Every number with an answer of its own, named or not.
    let default = graph.answer(profile.default);
    let mut answers: BTreeMap<u32, NodeId> =
        arch.calls().map(|(number, _)| (number, default)).collect();
    for (name, rule) in &profile.names {
        // A name that only another architecture has is ignored.
        if let Some(number) = arch.number(name) {
            let node = rule_node(&mut graph, rule, profile.default).ok_or_else(too_long)?;
            answers.insert(number, node);
        }
    }
    for (&number, rule) in &profile.numbers {
        let node = rule_node(&mut graph, rule, profile.default).ok_or_else(too_long)?;
        answers.insert(number, node);
    }

    let ranges = ranges(&mut graph, &answers, profile.unassigned, arch);
    let tree = tree::build(&mut graph, &ranges);
    let kill = graph.answer(Action::KillProcess);
    let number = graph.intern(Node::Load {
        offset: interpret::NR,
        next: tree,
    });
    let checked = graph.branch(interpret::JEQ, arch.audit(), number, kill);
    let root = graph.intern(Node::Load {
        offset: interpret::ARCH,
        next: checked,
    });
    let program = graph.emit(root, MAX_INSTRUCTIONS).ok_or_else(too_long)?;
    Ok(Filter::new(program, arch, profile.flags).with_traced(profile.traced))
}

/// The node that decides a rule; `None` if it is too long for any program.
fn rule_node(graph: &mut Graph, rule: &Rule, default: Action) -> Option<NodeId> {
    decision::build(graph, rule, rule.fallback().unwrap_or(default))
}

/// A range of numbers with the same answer, up to the start of the next.
#[derive(Clone, Copy)]
struct Range {
    start: u32,
    node: NodeId,
}

/// Covers all 32-bit numbers: the known ones, those between and above, and x32.
fn ranges(
    graph: &mut Graph,
    answers: &BTreeMap<u32, NodeId>,
    unassigned: Action,
    arch: Arch,
) -> Vec<Range> {
    let unassigned = graph.answer(unassigned);
    let mut ranges: Vec<Range> = Vec::new();
    let mut push = |start: u32, node: NodeId| {
        if ranges.last().is_none_or(|last| last.node != node) {
            ranges.push(Range { start, node });
        }
    };
    let mut next = 0;
    for (&number, &node) in answers {
        if number > next {
            push(next, unassigned);
        }
        push(number, node);
        next = number + 1;
    }
    push(next, unassigned);
    if arch == Arch::X86_64 {
        push(X32_BIT, graph.answer(Action::EPERM));
        push(ABOVE_X32, unassigned);
    }
    ranges
}
