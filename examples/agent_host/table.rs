//! Tables for people: aligned, wrapped to the terminal's width, coloured on a terminal alone.

use crate::sys;
use cofferdam::Usage;
use std::io::IsTerminal;

/// Good or bad, for the colour and the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// As it should be.
    Good,
    /// The wall leaked, or a step that must work did not.
    Bad,
    /// This host lacks what the step needs.
    Missing,
}

/// A step and what came of it.
#[derive(Debug)]
pub struct Row {
    pub step: String,
    pub mark: Mark,
    pub word: String,
    pub happened: String,
    pub reason: String,
    pub usage: Option<Usage>,
}

impl Row {
    pub fn new(step: impl Into<String>) -> Self {
        Self {
            step: step.into(),
            mark: Mark::Bad,
            word: String::new(),
            happened: String::new(),
            reason: String::new(),
            usage: None,
        }
    }

    pub fn used(mut self, usage: Option<Usage>) -> Self {
        self.usage = usage;
        self
    }

    pub fn verdict(
        mut self,
        mark: Mark,
        word: &str,
        happened: impl Into<String>,
        reason: impl Into<String>,
    ) -> Self {
        self.mark = mark;
        self.word = word.into();
        self.happened = happened.into();
        self.reason = reason.into();
        self
    }
}

/// How wide the output may be, and whether in colour.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    columns: usize,
    colour: bool,
}

impl Style {
    /// That of standard output: the terminal's width, else `COLUMNS`, else 120.
    pub fn of_stdout() -> Self {
        let named = std::env::var("COLUMNS")
            .ok()
            .and_then(|text| text.parse().ok());
        let columns = sys::terminal_columns().or(named).unwrap_or(120);
        Self {
            columns: columns.max(60),
            colour: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(),
        }
    }

    /// A heading.
    pub fn heading(&self, text: &str) {
        match self.colour {
            true => println!("\n\x1b[1m{text}\x1b[0m"),
            false => println!("\n{text}"),
        }
    }

    /// Rows of cells below titles. All columns but those in `wide` are as wide as their longest
    /// cell; these share what is left, and are wrapped. The cells of column `marked` take colour.
    pub fn table(
        &self,
        titles: &[&str],
        rows: &[(Mark, Vec<String>)],
        wide: &[usize],
        marked: usize,
    ) {
        let cells = |row: &[String]| row.iter().map(|cell| escape(cell)).collect::<Vec<_>>();
        let header: Vec<String> = titles.iter().map(|title| (*title).to_owned()).collect();
        let all: Vec<(Option<Mark>, Vec<String>)> = std::iter::once((None, header))
            .chain(rows.iter().map(|(mark, row)| (Some(*mark), cells(row))))
            .collect();
        let longest = |column: usize| {
            let lengths = all.iter().map(|(_, row)| row[column].chars().count());
            lengths.max().unwrap_or(0)
        };
        let mut widths: Vec<usize> = (0..titles.len()).map(longest).collect();
        let gaps = 2 * titles.len();
        let fixed: usize = (0..titles.len())
            .filter(|n| !wide.contains(n))
            .map(|n| widths[n])
            .sum();
        let mut left = self.columns.saturating_sub(fixed + gaps);
        for (done, column) in wide.iter().enumerate() {
            let share = (left / (wide.len() - done)).max(12);
            widths[*column] = widths[*column].min(share);
            left = left.saturating_sub(widths[*column]);
        }
        for (mark, row) in all {
            let wrapped: Vec<Vec<String>> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| wrap(cell, *width))
                .collect();
            let height = wrapped.iter().map(Vec::len).max().unwrap_or(0);
            for line in 0..height {
                let mut text = String::new();
                for (column, width) in widths.iter().enumerate() {
                    let part = wrapped[column].get(line).map_or("", String::as_str);
                    let padded = format!("  {part:<width$}");
                    text += &match mark {
                        Some(mark) if column == marked => self.paint(mark, &padded),
                        _ => padded,
                    };
                }
                println!("{}", text.trim_end());
            }
        }
    }

    /// A line of text, wrapped and indented.
    pub fn line(&self, text: &str) {
        for line in wrap(&escape(text), self.columns - 2) {
            println!("  {line}");
        }
    }

    /// Text in the colour of a mark.
    pub fn paint(&self, mark: Mark, text: &str) -> String {
        let code = match mark {
            Mark::Good => 32,
            Mark::Bad => 31,
            Mark::Missing => 33,
        };
        match self.colour {
            true => format!("\x1b[{code}m{text}\x1b[0m"),
            false => text.to_owned(),
        }
    }
}

/// What a program behind the wall wrote may hold anything: only what can be seen is printed as it is.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            ' '..='~' => escaped.push(letter),
            _ => escaped.extend(letter.escape_default()),
        }
    }
    escaped
}

/// Breaks a text between words, and inside of words that are too long.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word = word;
        loop {
            let line = lines.last_mut().expect("never empty");
            let gap = usize::from(!line.is_empty());
            let room = width.saturating_sub(line.len() + gap);
            if word.len() <= room {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(word);
                break;
            }
            if line.is_empty() {
                let (part, rest) = word.split_at(room.clamp(1, word.len()));
                line.push_str(part);
                word = rest;
            }
            lines.push(String::new());
        }
    }
    lines
}
