//! Tables for a terminal: the first column to the left, the others to the right.

use std::fmt::Write as _;

/// Lays out rows under their headings; a row with fewer cells is filled up with empty ones.
#[must_use]
pub fn render(headings: &[&str], rows: &[Vec<String>]) -> String {
    let cell = |row: &[String], column: usize| row.get(column).cloned().unwrap_or_default();
    let widths: Vec<usize> = (0..headings.len())
        .map(|column| {
            let widest = rows.iter().map(|row| cell(row, column).chars().count()).max().unwrap_or(0);
            widest.max(headings[column].chars().count())
        })
        .collect();
    let mut text = String::new();
    let mut line = |cells: &[String]| {
        for (column, width) in widths.iter().enumerate() {
            let cell = cell(cells, column);
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
    };
    line(&headings.iter().map(ToString::to_string).collect::<Vec<_>>());
    line(&widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>());
    rows.iter().for_each(|row| line(row));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".into(), "1.25".into()], vec!["longer".into()]];
        assert_eq!(render(&["what", "ms"], &rows), "what      ms\n------  ----\na       1.25\nlonger\n");
    }
}
