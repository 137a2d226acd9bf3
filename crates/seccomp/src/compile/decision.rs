//! Conditions on arguments as comparisons of 32-bit words.
//!
//! Branches are tried in order, but what a comparison has shown is used for all that come after it:
//! once the first argument is 2, branches that want it to be 1 are gone, and no word is loaded
//! twice in a row.

use std::collections::HashMap;

use super::MAX_INSTRUCTIONS;
use super::graph::{Graph, Node, NodeId};
use crate::interpret::{ARGS, JEQ, JGT, JSET};
use crate::{Action, Condition, Operator, Rule, Width};

/// Rules with more comparisons than this are compiled branch by branch, in linear time.
const MAX_LITERALS: usize = 64;
/// So are those whose tree would have more nodes than this.
const MAX_STATES: usize = 1024;

/// What a comparison asks of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Test {
    arg: u8,
    width: Width,
    kind: Kind,
}

/// The two comparisons all operators come down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// `argument & mask == value`; the mask is not 0 and covers the value.
    Masked { mask: u64, value: u64 },
    /// `argument > bound`; the bound is not the greatest value.
    Above(u64),
}

/// A comparison and the outcome a branch wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Literal {
    test: Test,
    wanted: bool,
}

#[derive(Clone, Debug)]
struct Branch {
    literals: Vec<Literal>,
    action: Action,
}

/// The word the accumulator holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Loaded {
    offset: u32,
    mask: u32,
}

/// Builds the node that decides a rule, `None` if no program can hold it.
pub(super) fn build(graph: &mut Graph, rule: &Rule, otherwise: Action) -> Option<NodeId> {
    if rule.branches().next().is_none() {
        return Some(graph.answer(otherwise));
    }
    let branches: Vec<Branch> = rule.branches().filter_map(branch).collect();
    let size: usize = branches
        .iter()
        .map(|branch| 1 + branch.literals.len())
        .sum();
    if size > 4 * MAX_INSTRUCTIONS {
        return None;
    }
    let otherwise = graph.answer(otherwise);
    if size <= MAX_LITERALS {
        let mut builder = Builder {
            graph,
            otherwise,
            literals: Vec::new(),
            answers: Vec::new(),
            states: HashMap::new(),
        };
        let steps = builder.steps(&branches);
        if let Some(node) = builder.decide(steps, None) {
            return Some(node);
        }
    }
    Some(one_by_one(graph, &branches, otherwise))
}

/// Branch after branch, each loading what it looks at.
fn one_by_one(graph: &mut Graph, branches: &[Branch], otherwise: NodeId) -> NodeId {
    branches.iter().rev().fold(otherwise, |next, branch| {
        let answer = graph.answer(branch.action);
        branch.literals.iter().rev().fold(answer, |met, literal| {
            let (yes, no) = literal.sides(met, next);
            literal.test.node(graph, None, yes, no)
        })
    })
}

/// Branches, one after the other: the numbers of a branch's literals, then that of its answer.
/// Literals count from 0 and answers from `MAX_LITERALS`, which there are not more of either.
type Steps = Vec<u8>;

struct Builder<'a> {
    graph: &'a mut Graph,
    otherwise: NodeId,
    /// The different literals and answers, by number.
    literals: Vec<Literal>,
    answers: Vec<NodeId>,
    states: HashMap<(Steps, Option<Loaded>), NodeId>,
}

impl Builder<'_> {
    fn steps(&mut self, branches: &[Branch]) -> Steps {
        let mut steps = Steps::new();
        for branch in branches {
            for &literal in &branch.literals {
                steps.push(number(&mut self.literals, literal) as u8);
            }
            let answer = self.graph.answer(branch.action);
            let answer = number(&mut self.answers, answer);
            steps.push((MAX_LITERALS + answer) as u8);
        }
        steps
    }

    /// The node for these branches with this word loaded; `None` if there are too many states.
    fn decide(&mut self, steps: Steps, loaded: Option<Loaded>) -> Option<NodeId> {
        let Some(&first) = steps.first() else {
            return Some(self.otherwise);
        };
        let Some(literal) = self.literal(first) else {
            return Some(self.answers[usize::from(first) - MAX_LITERALS]);
        };
        let test = literal.test;
        let state = (steps, loaded);
        if let Some(&node) = self.states.get(&state) {
            return Some(node);
        }
        if self.states.len() == MAX_STATES {
            return None;
        }
        let (after_yes, after_no) = test.loaded_after();
        let yes = self.decide(self.assume(&state.0, test, true), after_yes)?;
        let no = self.decide(self.assume(&state.0, test, false), after_no)?;
        let node = test.node(self.graph, loaded, yes, no);
        self.states.insert(state, node);
        Some(node)
    }

    /// What is left of the branches once a test has this outcome.
    fn assume(&self, steps: &[u8], test: Test, outcome: bool) -> Steps {
        let mut left = Steps::with_capacity(steps.len());
        let is_answer = |step: &u8| self.literal(*step).is_none();
        for branch in steps.split_inclusive(is_answer) {
            let start = left.len();
            let mut failed = false;
            for &step in branch {
                let implied = self.literal(step).and_then(|literal| {
                    Some(test.implies(outcome, literal.test)? == literal.wanted)
                });
                match implied {
                    None => left.push(step),
                    Some(true) => {}
                    Some(false) => failed = true,
                }
            }
            if failed {
                left.truncate(start);
            } else if left.len() == start + 1 {
                // What comes after a branch that always holds is never reached.
                break;
            }
        }
        left
    }

    /// The literal that a step is, if it is not an answer.
    fn literal(&self, step: u8) -> Option<Literal> {
        self.literals.get(usize::from(step)).copied()
    }
}

/// The number of a value in a list of different ones, where it is added if it is new.
fn number<T: PartialEq>(list: &mut Vec<T>, value: T) -> usize {
    let known = list.iter().position(|other| *other == value);
    known.unwrap_or_else(|| {
        list.push(value);
        list.len() - 1
    })
}

/// A branch in terms of tests; `None` if it never holds.
fn branch((conditions, action): (&[Condition], Action)) -> Option<Branch> {
    let mut literals = Vec::new();
    for condition in conditions {
        match literal(condition) {
            Ok(literal) if literals.contains(&literal) => {}
            Ok(literal) => literals.push(literal),
            Err(true) => {}
            Err(false) => return None,
        }
    }
    Some(Branch { literals, action })
}

/// A condition as a test, or its value if it is the same for every argument.
fn literal(condition: &Condition) -> Result<Literal, bool> {
    let all = condition.width.mask();
    let value = condition.value & all;
    let test = |kind, wanted| {
        Ok(Literal {
            test: Test {
                arg: condition.arg,
                width: condition.width,
                kind,
            },
            wanted,
        })
    };
    let masked = |mask: u64, wanted: bool| match mask & all {
        0 => Err(wanted),
        mask => test(
            Kind::Masked {
                mask,
                value: value & mask,
            },
            wanted,
        ),
    };
    let above = |bound: u64, wanted: bool| {
        if bound == all {
            Err(!wanted)
        } else {
            test(Kind::Above(bound), wanted)
        }
    };
    match condition.operator {
        Operator::Eq => masked(all, true),
        Operator::Ne => masked(all, false),
        Operator::MaskedEq(mask) => masked(mask, true),
        Operator::Gt => above(value, true),
        Operator::Le => above(value, false),
        Operator::Ge => value.checked_sub(1).map_or(Err(true), |v| above(v, true)),
        Operator::Lt => value.checked_sub(1).map_or(Err(false), |v| above(v, false)),
    }
}

impl Literal {
    /// The targets for the test's yes and no, given those for met and not met.
    fn sides(self, met: NodeId, unmet: NodeId) -> (NodeId, NodeId) {
        if self.wanted {
            (met, unmet)
        } else {
            (unmet, met)
        }
    }
}

impl Test {
    /// What this test's outcome says about another test.
    fn implies(self, outcome: bool, other: Self) -> Option<bool> {
        if self == other {
            return Some(outcome);
        }
        if (self.arg, self.width) != (other.arg, other.width) {
            return None;
        }
        match (self.kind, outcome, other.kind) {
            (Kind::Masked { mask, value }, true, Kind::Masked { mask: m, value: v }) => {
                if (value ^ v) & mask & m != 0 {
                    Some(false)
                } else {
                    (m & !mask == 0).then_some(true)
                }
            }
            (Kind::Masked { mask, value }, true, Kind::Above(bound)) => {
                (mask == self.width.mask()).then_some(value > bound)
            }
            (Kind::Above(bound), true, Kind::Above(b)) => (b <= bound).then_some(true),
            (Kind::Above(bound), false, Kind::Above(b)) => (b >= bound).then_some(false),
            (Kind::Above(bound), above, Kind::Masked { mask, value }) => {
                (mask == self.width.mask() && (value > bound) != above).then_some(false)
            }
            (Kind::Masked { .. }, false, _) => None,
        }
    }

    /// Offsets of the low and high words: both architectures are little endian.
    fn offsets(self) -> (u32, u32) {
        let low = ARGS + 8 * u32::from(self.arg);
        (low, low + 4)
    }

    /// The low and high words that must be compared, as (offset, mask, value).
    fn masked_words(
        self,
        mask: u64,
        value: u64,
    ) -> impl DoubleEndedIterator<Item = (u32, u32, u32)> {
        let (low, high) = self.offsets();
        [
            (low, mask as u32, value as u32),
            (high, (mask >> 32) as u32, (value >> 32) as u32),
        ]
        .into_iter()
        .filter(|&(_, mask, _)| mask != 0)
    }

    /// What the accumulator holds after the test, per outcome.
    fn loaded_after(self) -> (Option<Loaded>, Option<Loaded>) {
        match self.kind {
            Kind::Masked { mask, value } => {
                let mut words = self.masked_words(mask, value);
                let last = words.next().map(|(offset, mask, value)| Loaded {
                    offset,
                    mask: if mask_is_applied(mask, value) {
                        mask
                    } else {
                        u32::MAX
                    },
                });
                // With two words, "no" may come from either.
                let only = words.next().is_none();
                (last, last.filter(|_| only))
            }
            Kind::Above(_) if self.width == Width::Dword => {
                let word = Loaded {
                    offset: self.offsets().0,
                    mask: u32::MAX,
                };
                (Some(word), Some(word))
            }
            Kind::Above(_) => (None, None),
        }
    }

    /// The comparison with these targets, given what is loaded.
    fn node(self, graph: &mut Graph, loaded: Option<Loaded>, yes: NodeId, no: NodeId) -> NodeId {
        match self.kind {
            Kind::Masked { mask, value } => {
                let words: Vec<_> = self.masked_words(mask, value).collect();
                let mut node = yes;
                for (index, &(offset, mask, value)) in words.iter().enumerate() {
                    // Words are checked from the last in the list to the first.
                    let before = loaded.filter(|_| index + 1 == words.len());
                    node = compare_masked(graph, before, offset, (mask, value), node, no);
                }
                node
            }
            Kind::Above(bound) => {
                let (low, high) = self.offsets();
                let bits = bound as u32;
                if self.width == Width::Dword {
                    return compare(graph, loaded, low, JGT, bits, yes, no);
                }
                let top = (bound >> 32) as u32;
                let low = compare(graph, None, low, JGT, bits, yes, no);
                let equal = graph.branch(JEQ, top, low, no);
                let greater = if top == u32::MAX {
                    equal
                } else {
                    graph.branch(JGT, top, yes, equal)
                };
                load(graph, loaded, high, u32::MAX, greater)
            }
        }
    }
}

/// Whether a masked comparison changes the accumulator: "no bit of the mask" needs no AND.
fn mask_is_applied(mask: u32, value: u32) -> bool {
    mask != u32::MAX && value != 0
}

fn compare_masked(
    graph: &mut Graph,
    loaded: Option<Loaded>,
    offset: u32,
    (mask, value): (u32, u32),
    yes: NodeId,
    no: NodeId,
) -> NodeId {
    if mask == u32::MAX {
        compare(graph, loaded, offset, JEQ, value, yes, no)
    } else if value == 0 {
        compare(graph, loaded, offset, JSET, mask, no, yes)
    } else {
        let node = graph.branch(JEQ, value, yes, no);
        load(graph, loaded, offset, mask, node)
    }
}

fn compare(
    graph: &mut Graph,
    loaded: Option<Loaded>,
    offset: u32,
    code: u16,
    k: u32,
    yes: NodeId,
    no: NodeId,
) -> NodeId {
    let node = graph.branch(code, k, yes, no);
    load(graph, loaded, offset, u32::MAX, node)
}

/// Loads and masks a word, as far as that is not done already.
fn load(graph: &mut Graph, loaded: Option<Loaded>, offset: u32, mask: u32, next: NodeId) -> NodeId {
    if loaded == Some(Loaded { offset, mask }) {
        return next;
    }
    let next = if mask == u32::MAX {
        next
    } else {
        graph.intern(Node::And { mask, next })
    };
    let raw = Loaded {
        offset,
        mask: u32::MAX,
    };
    if loaded == Some(raw) {
        return next;
    }
    graph.intern(Node::Load { offset, next })
}
