//! Comma-separated values (RFC 4180) as aligned text tables.
//!
//! ```
//! let table = csvtable::Table::parse("name,age\nAda,36\n").unwrap();
//! assert_eq!(table.to_string(), "name  age\nAda    36\n");
//! ```

mod parse;

pub use parse::ParseError;

use std::fmt;

/// Records of equal length; the first one is the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    records: Vec<Vec<String>>,
}

impl Table {
    /// Reads comma-separated values. Every record must have as many fields as the first.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let records = parse::records(text)?;
        Ok(Self { records })
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        self.records.first().map_or(&[], Vec::as_slice)
    }

    /// The records below the header.
    pub fn rows(&self) -> &[Vec<String>] {
        self.records.get(1..).unwrap_or(&[])
    }

    /// The column of this name, from the left, counted from 0.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.header().iter().position(|field| field == name)
    }

    /// Sorts the rows by one column: numbers by value and before all text, text by its letters.
    pub fn sort_by(&mut self, column: usize) {
        if let Some(rows) = self.records.get_mut(1..) {
            rows.sort_by(|a, b| compare(&a[column], &b[column]));
        }
    }

    /// The width of each column, in characters.
    fn widths(&self) -> Vec<usize> {
        let columns = 0..self.header().len();
        let width = |column: usize| {
            let fields = self
                .records
                .iter()
                .map(|record| record[column].chars().count());
            fields.max().unwrap_or(0)
        };
        columns.map(width).collect()
    }

    /// A column in which every row holds a number, or nothing.
    fn is_numeric(&self, column: usize) -> bool {
        let mut fields = self.rows().iter().map(|row| row[column].as_str());
        fields.all(|field| field.is_empty() || field.parse::<f64>().is_ok())
    }
}

impl fmt::Display for Table {
    /// Columns two spaces apart; numbers to the right, text to the left.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for record in &self.records {
            let mut line = String::new();
            for (column, (field, &width)) in record.iter().zip(&widths).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                line += gap;
                line += &match self.is_numeric(column) {
                    true => format!("{field:>width$}"),
                    false => format!("{field:<width$}"),
                };
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

fn compare(a: &str, b: &str) -> std::cmp::Ordering {
    match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => a.total_cmp(&b),
        (Ok(_), Err(_)) => std::cmp::Ordering::Less,
        (Err(_), Ok(_)) => std::cmp::Ordering::Greater,
        (Err(_), Err(_)) => a.cmp(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_to_the_right() {
        let table = Table::parse("item,price\ntea,3.5\ncoffee,12\n").unwrap();
        assert_eq!(
            table.to_string(),
            "item    price\ntea       3.5\ncoffee     12\n"
        );
    }

    #[test]
    fn numbers_sort_by_value() {
        let mut table = Table::parse("n\n10\n9\nx\n-1\n").unwrap();
        table.sort_by(0);
        let rows: Vec<_> = table.rows().iter().map(|row| row[0].as_str()).collect();
        assert_eq!(rows, ["-1", "9", "10", "x"]);
    }

    #[test]
    fn an_empty_text_is_an_empty_table() {
        let table = Table::parse("").unwrap();
        assert!(table.header().is_empty() && table.rows().is_empty());
        assert_eq!(table.to_string(), "");
    }
}
