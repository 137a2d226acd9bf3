//! How texts changed, for a person to read.

use cofferdam::{Change, Diff, ReadError};

/// Characters of a line that are shown.
const WIDTH: usize = 2000;

/// Prints differences up to a bound.
#[derive(Debug)]
pub(crate) struct Differences {
    /// Lines that may still be printed; `None` is no bound.
    left: Option<usize>,
    cut: bool,
}

impl Differences {
    /// So many lines at most.
    pub(crate) fn bounded(lines: usize) -> Self {
        Self {
            left: Some(lines),
            cut: false,
        }
    }

    pub(crate) fn unbounded() -> Self {
        Self {
            left: None,
            cut: false,
        }
    }

    /// Whether something was left out, so that there is no use in going on.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// The text of one difference, with nothing in it that steers a terminal.
    pub(crate) fn text(&mut self, change: &Change, diff: Result<Diff, ReadError>) -> String {
        let whole = match diff {
            Ok(Diff::Text(diff)) => diff.to_string(),
            Ok(Diff::Binary) => format!("{change}: no text\n"),
            Ok(Diff::TooLarge) => format!("{change}: too large for a difference\n"),
            Ok(_) => String::new(),
            Err(error) => format!("{}\n", crate::text::escape(error)),
        };
        let mut text = String::new();
        for line in whole.lines() {
            match &mut self.left {
                Some(0) => {
                    self.cut = true;
                    break;
                }
                Some(left) => *left -= 1,
                None => {}
            }
            let end = line.char_indices().nth(WIDTH).map(|(index, _)| index);
            match end.filter(|_| self.left.is_some()) {
                Some(end) => text += &format!("{} … and more\n", &line[..end]),
                None => text += &format!("{line}\n"),
            }
        }
        text
    }
}
