//! The tables of a group of scenarios: first the columns that rivals were measured by, in their order, then
//! all the rest.

use report::results::number;
use report::table;

use crate::metrics::{Figure, Figures};

/// What a rival SFU was measured by on emulated links; every table of the lab has these columns.
const RIVALS: [(&str, Figure); 9] = [
    ("freeze %", Figure::Freeze),
    ("longest s", Figure::LongestFreeze),
    ("HD lines % (ceiling)", Figure::Hd),
    ("HD at >= 24 fps %", Figure::HdFullRate),
    ("switches/min", Figure::Switches),
    ("queue p95 ms", Figure::Queue),
    ("link drops %", Figure::Drops),
    ("audio concealed %", Figure::Concealed),
    ("back to 720 s", Figure::BackToHd),
];

/// Where nothing is to be measured.
const NONE: &str = "-";

/// The tables of named rows, or nothing where there is no row.
#[must_use]
pub(crate) fn tables(title: &str, rows: &[(String, Figures)]) -> Vec<String> {
    if rows.is_empty() {
        return Vec::new();
    }
    let others = Figure::ALL.iter().copied().filter(|figure| !is_of_rivals(*figure));
    let is_there = |figure: &Figure| rows.iter().any(|(_, figures)| figures.get(*figure).is_some());
    let others: Vec<(&str, Figure)> =
        others.filter(is_there).map(|figure| (figure.heading(), figure)).collect();
    [RIVALS.as_slice(), &others].into_iter().map(|columns| rendered(title, columns, rows)).collect()
}

fn is_of_rivals(figure: Figure) -> bool {
    figure == Figure::HdCeiling || RIVALS.iter().any(|(_, other)| *other == figure)
}

fn rendered(title: &str, columns: &[(&str, Figure)], rows: &[(String, Figures)]) -> String {
    let headings: Vec<&str> =
        std::iter::once(title).chain(columns.iter().map(|(heading, _)| *heading)).collect();
    let line = |(name, figures): &(String, Figures)| {
        let cells = columns.iter().map(|(_, figure)| cell(figures, *figure));
        std::iter::once(name.clone()).chain(cells).collect()
    };
    table::render(&headings, &rows.iter().map(line).collect::<Vec<_>>())
}

fn cell(figures: &Figures, figure: Figure) -> String {
    let text = |figure| figures.get(figure).map(short);
    match (text(figure), text(Figure::HdCeiling)) {
        (Some(hd), Some(ceiling)) if figure == Figure::Hd => format!("{hd} ({ceiling})"),
        (value, _) => value.unwrap_or_else(|| NONE.to_owned()),
    }
}

/// As many digits as a table of many columns bears.
fn short(value: f64) -> String {
    // A sum of nothing is a negative zero.
    let value = value + 0.0;
    match value.abs() {
        size if size >= 10.0 => format!("{value:.0}"),
        size if size >= 1.0 || size == 0.0 => number((value * 10.0).round() / 10.0),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_has_the_columns_of_rivals_whatever_was_measured() {
        let mut figures = Figures::default();
        figures.note(Figure::Hd, 79.0);
        figures.note(Figure::HdCeiling, 83.2);
        figures.note(Figure::Overload, 0.0);
        let [rivals, others] = &tables("steps", &[("a".to_owned(), figures)])[..] else {
            panic!("two tables")
        };
        let lines: Vec<&str> = rivals.lines().collect();
        for (heading, _) in RIVALS {
            assert!(lines[0].contains(heading), "{heading}");
        }
        let cells: Vec<&str> = lines[2].split_whitespace().collect();
        assert_eq!(cells, ["a", "-", "-", "79", "(83)", "-", "-", "-", "-", "-", "-"]);
        assert_eq!(others.lines().next(), Some("steps  over %"));
        assert_eq!(tables("steps", &[]), Vec::<String>::new());
    }
}
