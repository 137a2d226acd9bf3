//! A program as a graph in which equal nodes exist once, and its layout as instructions.

use std::collections::BTreeMap;

use libc::sock_filter;

use crate::Action;
use crate::interpret::{AND, JA, LOAD, RET};

/// A node's place in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NodeId(usize);

/// An instruction and what comes after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// The program's answer.
    Return(u32),
    /// Loads a word of `seccomp_data`.
    Load { offset: u32, next: NodeId },
    /// Masks the loaded word.
    And { mask: u32, next: NodeId },
    /// Compares the loaded word with a constant by a jump code.
    Branch {
        code: u16,
        k: u32,
        yes: NodeId,
        no: NodeId,
    },
}

/// The nodes, equal ones shared.
#[derive(Default)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    ids: BTreeMap<Node, NodeId>,
    /// Of the answers: there are few, and they are asked for with each call.
    answers: Vec<(Action, NodeId)>,
}

/// A conditional jump skips at most 255 instructions. Up to two may yet come between a branch and
/// its target: a stand-in for each of its targets.
const NEAR: usize = 253;

impl Graph {
    /// The node that answers with an action.
    pub(super) fn answer(&mut self, action: Action) -> NodeId {
        if let Some((_, id)) = self.answers.iter().find(|(known, _)| *known == action) {
            return *id;
        }
        let id = self.intern(Node::Return(action.encode()));
        self.answers.push((action, id));
        id
    }

    /// A branch, or its target where both are the same.
    pub(super) fn branch(&mut self, code: u16, k: u32, yes: NodeId, no: NodeId) -> NodeId {
        if yes == no {
            return yes;
        }
        self.intern(Node::Branch { code, k, yes, no })
    }

    /// The id of a node equal to this one. What is loaded for an answer is not needed.
    pub(super) fn intern(&mut self, node: Node) -> NodeId {
        if let Node::Load { next, .. } | Node::And { next, .. } = node
            && matches!(self.nodes[next.0], Node::Return(_))
        {
            return next;
        }
        *self.ids.entry(node).or_insert_with(|| {
            self.nodes.push(node);
            NodeId(self.nodes.len() - 1)
        })
    }

    /// Lays out what the root reaches; `None` if it takes more than `limit` instructions.
    ///
    /// Jumps only go forward, so instructions are placed from the program's end to its start: every
    /// target is in place when a jump to it is.
    pub(super) fn emit(&self, root: NodeId, limit: usize) -> Option<Vec<sock_filter>> {
        let mut layout = Layout {
            nodes: &self.nodes,
            reversed: Vec::new(),
            places: vec![None; self.nodes.len()],
        };
        // Depth first without recursion: a node is placed when it comes up the second time.
        let mut pending = vec![(root, false)];
        while let Some((id, ready)) = pending.pop() {
            if layout.reversed.len() > limit {
                return None;
            }
            if layout.places[id.0].is_some() {
                continue;
            }
            if ready {
                layout.place(id);
                continue;
            }
            pending.push((id, true));
            match self.nodes[id.0] {
                // An answer is placed near each branch that needs it.
                Node::Return(_) => {}
                Node::Load { next, .. } | Node::And { next, .. } => pending.push((next, false)),
                Node::Branch { yes, no, .. } => {
                    for target in [yes, no] {
                        if !matches!(self.nodes[target.0], Node::Return(_)) {
                            pending.push((target, false));
                        }
                    }
                }
            }
        }
        let mut program = layout.reversed;
        program.reverse();
        (program.len() <= limit).then_some(program)
    }
}

/// A program under construction, last instruction first.
struct Layout<'a> {
    nodes: &'a [Node],
    reversed: Vec<sock_filter>,
    /// Where in `reversed` a jump to the node can go.
    places: Vec<Option<usize>>,
}

impl Layout<'_> {
    fn place(&mut self, id: NodeId) {
        match self.nodes[id.0] {
            Node::Return(value) => self.push(RET, value),
            Node::Load { offset, next } => {
                self.stand_in(next, 0);
                self.push(LOAD, offset);
            }
            Node::And { mask, next } => {
                self.stand_in(next, 0);
                self.push(AND, mask);
            }
            Node::Branch { code, k, yes, no } => {
                self.stand_in(yes, NEAR);
                self.stand_in(no, NEAR);
                let (jt, jf) = (self.skipped_to(yes), self.skipped_to(no));
                self.reversed.push(sock_filter {
                    code,
                    // Both are at most 255: see NEAR.
                    jt: jt as u8,
                    jf: jf as u8,
                    k,
                });
            }
        }
        self.places[id.0] = Some(self.reversed.len() - 1);
    }

    /// Sees to it that the node can be reached by skipping at most `reach` instructions: where it
    /// is farther, a jump to it (or, as short, another copy of the answer) is placed here.
    fn stand_in(&mut self, id: NodeId, reach: usize) {
        if self.places[id.0].is_some() && self.skipped_to(id) <= reach {
            return;
        }
        match self.nodes[id.0] {
            Node::Return(value) => self.push(RET, value),
            _ => self.push(JA, self.skipped_to(id) as u32),
        }
        self.places[id.0] = Some(self.reversed.len() - 1);
    }

    /// How many instructions a jump placed next skips to get to the node.
    fn skipped_to(&self, id: NodeId) -> usize {
        let place = self.places[id.0].expect("targets are placed before what jumps to them");
        self.reversed.len() - 1 - place
    }

    fn push(&mut self, code: u16, k: u32) {
        self.reversed.push(sock_filter {
            code,
            jt: 0,
            jf: 0,
            k,
        });
    }
}
