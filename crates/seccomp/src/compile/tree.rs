//! The search tree over ranges of call numbers.

use super::Range;
use super::graph::{Graph, NodeId};
use crate::interpret::{JEQ, JGE};

/// How many single numbers a group picks out one by one. Each makes the search longer by one step
/// and the program shorter by one instruction.
const MAX_SINGLES: usize = 3;

/// Neighbouring ranges that share an answer, but for single numbers between them.
struct Group {
    start: u32,
    base: NodeId,
    singles: Vec<(u32, NodeId)>,
}

/// Builds the tree for ranges that are in order, start at 0 and differ from their neighbours. The
/// call's number must be loaded.
pub(super) fn build(graph: &mut Graph, ranges: &[Range]) -> NodeId {
    let groups = group(ranges);
    search(graph, &groups)
}

/// A balanced search by "at least the middle's start".
fn search(graph: &mut Graph, groups: &[Group]) -> NodeId {
    match groups {
        [] => unreachable!("ranges cover all numbers"),
        [group] => group
            .singles
            .iter()
            .fold(group.base, |rest, &(number, node)| {
                graph.branch(JEQ, number, node, rest)
            }),
        _ => {
            let (low, high) = groups.split_at(groups.len() / 2);
            let start = high[0].start;
            let high = search(graph, high);
            let low = search(graph, low);
            graph.branch(JGE, start, high, low)
        }
    }
}

/// Splits the ranges into groups so that the tree takes the fewest instructions: one between two
/// groups and one for each single number.
fn group(ranges: &[Range]) -> Vec<Group> {
    // best[end]: the cost of ranges[..end] and where its last group begins.
    let mut best: Vec<(usize, usize)> = vec![(0, 0)];
    for end in 1..=ranges.len() {
        let first = end.saturating_sub(2 * MAX_SINGLES + 1);
        let choice = (first..end)
            .filter_map(|begin| {
                let (_, singles) = base(ranges, begin, end)?;
                Some((best[begin].0 + 1 + singles, begin))
            })
            .min();
        best.push(choice.expect("a range alone is a group"));
    }
    let mut groups = Vec::new();
    let mut end = ranges.len();
    while end > 0 {
        let begin = best[end].1;
        groups.extend(as_group(ranges, begin, end));
        end = begin;
    }
    groups.reverse();
    groups
}

/// `ranges[begin..end]` as a group, if all but few single numbers have one answer.
fn as_group(ranges: &[Range], begin: usize, end: usize) -> Option<Group> {
    let (base, _) = base(ranges, begin, end)?;
    let members = &ranges[begin..end];
    let others = members.iter().filter(|range| range.node != base);
    Some(Group {
        start: members[0].start,
        base,
        singles: others.map(|range| (range.start, range.node)).collect(),
    })
}

/// The answer that `ranges[begin..end]` have in common but for the fewest single numbers, and how many
/// these are.
fn base(ranges: &[Range], begin: usize, end: usize) -> Option<(NodeId, usize)> {
    let members = &ranges[begin..end];
    let is_single = |index: usize| {
        let next = ranges.get(index + 1).map(|next| next.start);
        next == Some(ranges[index].start + 1)
    };
    // More than one number can only have the group's own answer.
    let mut wide = (begin..end).filter(|&index| !is_single(index));
    let only = wide.next().map(|index| ranges[index].node);
    if wide.any(|index| Some(ranges[index].node) != only) {
        return None;
    }
    members
        .iter()
        .map(|candidate| candidate.node)
        .filter(|base| only.is_none_or(|only| only == *base))
        .map(|base| {
            let singles = members.iter().filter(|range| range.node != base).count();
            (base, singles)
        })
        .filter(|(_, singles)| *singles <= MAX_SINGLES)
        .min_by_key(|(_, singles)| *singles)
}
