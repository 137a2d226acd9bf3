//! Tables, for a terminal and for a document.

/// Lines of cells below a heading; the first column is text, the others are figures.
#[derive(Clone, Debug)]
pub struct Table {
    pub title: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
    /// What is said below.
    pub notes: Vec<String>,
}

impl Table {
    pub fn new(title: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            title: title.into(),
            columns: columns.iter().map(ToString::to_string).collect(),
            rows: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// For a terminal.
    pub fn text(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().chain([&self.columns]);
            let widths = cells
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cell = |(column, cell): (usize, &String)| match column {
                0 => format!("{cell:<width$}", width = widths[0]),
                _ => format!("  {cell:>width$}", width = widths[column]),
            };
            let cells: String = row.iter().enumerate().map(cell).collect();
            format!("{}\n", cells.trim_end())
        };
        let mut text = format!("{}\n", self.title);
        text += &line(&self.columns);
        text.extend(self.rows.iter().map(line));
        text.extend(self.notes.iter().map(|note| format!("{note}\n")));
        text
    }

    /// For a document.
    pub fn markdown(&self) -> String {
        let line = |row: &[String]| format!("| {} |\n", row.join(" | "));
        let mut text = format!("**{}**\n\n", self.title);
        text += &line(&self.columns);
        text += &format!(
            "|---|{}\n",
            "---:|".repeat(self.columns.len().saturating_sub(1))
        );
        text.extend(self.rows.iter().map(|row| line(row)));
        for note in &self.notes {
            text += &format!("\n{note}\n");
        }
        text
    }
}

/// Seconds in milliseconds.
pub fn ms(seconds: f64) -> String {
    format!("{:.3} ms", seconds * 1e3)
}

/// A ratio, or a dash where there is nothing to relate to.
pub fn ratio(of: f64, to: Option<f64>) -> String {
    match to {
        Some(to) => format!("{:.3}", of / to),
        None => "-".into(),
    }
}
