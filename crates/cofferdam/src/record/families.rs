//! Which process of a session belongs to which of its commands.

use std::collections::{HashMap, VecDeque};

/// The most processes that are remembered. Beyond them those of commands that have ended are forgotten.
const MOST: usize = 16 * 1024;

/// How many parents are asked for: shells in shells are not deep.
const DEEP: usize = 32;

/// Who belongs to whom, as programs are executed: a process belongs to the command of its parent, and the first
/// process of each command is a child of init.
#[derive(Debug, Default)]
pub(crate) struct Families {
    /// Commands whose first program has not been executed yet, with their arguments.
    expected: VecDeque<(u64, Vec<Vec<u8>>)>,
    /// The command of each process, as the host numbers it.
    known: HashMap<u32, u64>,
    /// Commands that run.
    running: Vec<u64>,
}

impl Families {
    /// A command is about to be started with these arguments.
    pub(crate) fn expect(&mut self, command: u64, argv: Vec<Vec<u8>>) {
        self.running.push(command);
        self.expected.push_back((command, argv));
    }

    /// A command runs; nothing of it is waited for any more.
    pub(crate) fn started(&mut self, command: u64) {
        self.expected.retain(|(expected, _)| *expected != command);
    }

    /// A command has ended, or was not started.
    pub(crate) fn ended(&mut self, command: u64) {
        self.started(command);
        self.running.retain(|running| *running != command);
    }

    /// The command of a process that is about to execute a program. `init` is the session's process 1, and
    /// `parent_of` asks for the parent of a process; 0 is none.
    pub(crate) fn executes(
        &mut self,
        (pid, parent): (u32, u32),
        argv: &[Vec<u8>],
        init: u32,
        parent_of: impl Fn(u32) -> u32,
    ) -> Option<u64> {
        let command = match parent == init {
            true => self.first_program(pid, argv),
            false => self.of_parents(parent, init, parent_of),
        };
        // A daemon, whose parents have gone, is known by itself.
        let command = command.or_else(|| self.known.get(&pid).copied())?;
        if self.known.len() >= MOST {
            let running = &self.running;
            self.known.retain(|_, command| running.contains(command));
        }
        if self.known.len() < MOST {
            self.known.insert(pid, command);
        }
        Some(command)
    }

    /// The command of a process.
    pub(crate) fn command_of(
        &self,
        pid: u32,
        init: u32,
        parent_of: impl Fn(u32) -> u32,
    ) -> Option<u64> {
        self.of_parents(pid, init, parent_of)
    }

    /// The command that a child of init is the first process of.
    fn first_program(&mut self, pid: u32, argv: &[Vec<u8>]) -> Option<u64> {
        // The program is looked for along PATH: the same process tries again, and is expected no more.
        let known = self.known.get(&pid).copied();
        if known.is_some_and(|command| self.running.contains(&command)) {
            return known;
        }
        // Arguments are compared as far as they were read.
        let fits = |expected: &Vec<Vec<u8>>| {
            argv.iter().zip(expected).all(|(a, b)| b.starts_with(a)) && argv.len() <= expected.len()
        };
        let index = self
            .expected
            .iter()
            .position(|(_, expected)| fits(expected))?;
        self.expected.remove(index).map(|(command, _)| command)
    }

    fn of_parents(
        &self,
        mut parent: u32,
        init: u32,
        parent_of: impl Fn(u32) -> u32,
    ) -> Option<u64> {
        for _ in 0..DEEP {
            if parent == 0 || parent == init {
                return None;
            }
            if let Some(command) = self.known.get(&parent) {
                return Some(*command);
            }
            // It has executed nothing, as subshells do.
            parent = parent_of(parent);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INIT: u32 = 100;

    fn argv(text: &str) -> Vec<Vec<u8>> {
        text.split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn programs_belong_to_the_command_of_their_parents() {
        let mut families = Families::default();
        families.expect(1, argv("sh -c x"));
        families.expect(2, argv("sh -c y"));
        let parents = HashMap::from([(205, 201), (201, INIT), (301, INIT)]);
        let parent_of = |pid| parents.get(&pid).copied().unwrap_or(0);
        let mut executes = |pid, text: &str| {
            let family = (pid, parent_of(pid));
            families.executes(family, &argv(text), INIT, parent_of)
        };
        assert_eq!(executes(301, "sh -c y"), Some(2));
        assert_eq!(executes(201, "sh -c x"), Some(1));
        // The same process executes again, as `exec` of a shell does.
        assert_eq!(executes(201, "cat"), Some(1));
        let parent_of = |pid| if pid == 206 { 205 } else { parent_of(pid) };
        let grandchild = families.executes((206, 205), &argv("echo"), INIT, parent_of);
        assert_eq!(grandchild, Some(1));
    }

    #[test]
    fn what_nobody_started_belongs_to_nobody() {
        let mut families = Families::default();
        assert_eq!(families.executes((7, INIT), &argv("x"), INIT, |_| 0), None);
        assert_eq!(families.executes((8, 9), &argv("x"), INIT, |_| 9), None);
        families.expect(1, argv("one"));
        assert_eq!(
            families.executes((7, INIT), &argv("other"), INIT, |_| 0),
            None
        );
    }

    #[test]
    fn a_daemon_stays_with_its_command_and_numbers_are_used_again() {
        let mut families = Families::default();
        families.expect(1, argv("daemon"));
        assert_eq!(
            families.executes((50, INIT), &argv("daemon"), INIT, |_| 0),
            Some(1)
        );
        assert_eq!(
            families.executes((60, 50), &argv("worker"), INIT, |_| 0),
            Some(1)
        );
        families.ended(1);
        // Its parent has gone, and init is its parent.
        assert_eq!(
            families.executes((60, INIT), &argv("again"), INIT, |_| 0),
            Some(1)
        );
        // Another command's first process has the number now.
        families.expect(2, argv("new"));
        assert_eq!(
            families.executes((60, INIT), &argv("new"), INIT, |_| 0),
            Some(2)
        );
    }

    #[test]
    fn memory_is_bounded() {
        let mut families = Families::default();
        for command in 0..(MOST as u64 + 100) {
            families.expect(command, argv("x"));
            let pid = 1000 + command as u32;
            let found = families.executes((pid, INIT), &argv("x"), INIT, |_| 0);
            assert_eq!(found, Some(command));
            families.ended(command);
        }
        assert!(families.known.len() <= MOST && families.expected.is_empty());
        assert!(families.running.is_empty());
    }
}
