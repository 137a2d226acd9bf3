//! What was refused so far.

use super::lock;
use cofferdam_audit::Denial;
use std::sync::Mutex;

/// Denials that are told apart. A program can make up as many as it likes.
const KEPT: usize = 256;

/// The longest part of one, in bytes; a program chooses names and paths.
const LONGEST: usize = 1024;

/// What was refused so far in one environment, each thing once.
#[derive(Debug, Default)]
pub(crate) struct Denials {
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    kept: Vec<Kept>,
    /// Counts what was added, so that it can be said what came since.
    added: u64,
    /// What came when the list was full, the same counted each time.
    left_out: u64,
}

#[derive(Debug)]
struct Kept {
    denial: Denial,
    /// The command's number, where it is known whose it is.
    command: Option<u64>,
    /// The last time that it came.
    last: u64,
}

/// A view of the list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub denials: Vec<Denial>,
    /// How many more were refused that are not listed.
    pub left_out: u64,
}

/// A place in the list: of a command's beginning, which is also its number in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    added: u64,
    left_out: u64,
}

impl Denials {
    /// Adds one, of this command if it is known to be its.
    pub(crate) fn add(&self, command: Option<Mark>, mut denial: Denial) {
        for part in [
            &mut denial.what,
            &mut denial.rule,
            &mut denial.reason,
            &mut denial.remedy,
        ] {
            cut(part);
        }
        let command = command.map(|mark| mark.added);
        let mut list = lock(&self.list);
        list.added += 1;
        let last = list.added;
        let same = |kept: &&mut Kept| kept.command == command && kept.denial == denial;
        if let Some(kept) = list.kept.iter_mut().find(same) {
            kept.last = last;
        } else if list.kept.len() < KEPT {
            list.kept.push(Kept {
                denial,
                command,
                last,
            });
        } else {
            list.left_out += 1;
        }
    }

    /// Counts denials that nobody has told of one by one.
    #[cfg_attr(
        not(feature = "egress"),
        allow(dead_code, reason = "only a gate does so")
    )]
    pub(crate) fn leave_out(&self, count: u64) {
        lock(&self.list).left_out += count;
    }

    /// The beginning of a command.
    pub(crate) fn begin(&self) -> Mark {
        let mut list = lock(&self.list);
        // No two commands are to have the same number.
        list.added += 1;
        Mark {
            added: list.added,
            left_out: list.left_out,
        }
    }

    /// All of them.
    pub(crate) fn all(&self) -> Told {
        let list = lock(&self.list);
        let mut denials: Vec<Denial> = Vec::new();
        for kept in &list.kept {
            // Two commands may have been refused the same.
            if !denials.contains(&kept.denial) {
                denials.push(kept.denial.clone());
            }
        }
        Told {
            denials,
            left_out: list.left_out,
        }
    }

    /// Those of a command, and those since its beginning of which it is not known whose they are.
    pub(crate) fn of(&self, command: Mark) -> Told {
        let list = lock(&self.list);
        let of = |kept: &&Kept| match kept.command {
            Some(number) => number == command.added,
            None => kept.last > command.added,
        };
        Told {
            denials: list
                .kept
                .iter()
                .filter(of)
                .map(|kept| kept.denial.clone())
                .collect(),
            left_out: list.left_out - command.left_out,
        }
    }
}

/// Cuts a text at a character.
fn cut(text: &mut String) {
    if text.len() > LONGEST {
        let end = (0..=LONGEST).rfind(|end| text.is_char_boundary(*end));
        text.truncate(end.unwrap_or(0));
        text.push('\u{2026}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(what: &str) -> Denial {
        Denial::certain("network", what, "no rule allows it")
    }

    #[test]
    fn the_same_is_kept_once_and_a_flood_is_counted() {
        let denials = Denials::default();
        for number in 0..2 * KEPT {
            for _ in 0..3 {
                denials.add(None, denial(&number.to_string()));
            }
        }
        let told = denials.all();
        assert_eq!(told.denials.len(), KEPT);
        assert_eq!(told.left_out, 3 * KEPT as u64);
    }

    #[test]
    fn a_command_has_its_own_and_what_came_meanwhile() {
        let denials = Denials::default();
        denials.add(None, denial("before"));
        denials.add(None, denial("again"));
        let first = denials.begin();
        let second = denials.begin();
        denials.add(Some(first), denial("of the first"));
        denials.add(None, denial("again"));
        let names = |told: Told| {
            let names = told.denials.into_iter().map(|denial| denial.what);
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(denials.of(first)), ["again", "of the first"]);
        assert_eq!(names(denials.of(second)), ["again"]);
        assert_eq!(names(denials.all()), ["before", "again", "of the first"]);
    }

    #[test]
    fn what_a_program_chose_is_cut() {
        let denials = Denials::default();
        denials.add(None, denial(&"\u{fc}".repeat(LONGEST)));
        let told = denials.all();
        assert!(told.denials[0].what.len() <= LONGEST + 3);
    }
}
