//! The virtual half of `loadtest/docs/results.md`, between its two marks. The other half is written by those
//! who measure real browsers.

use std::path::Path;

use anyhow::Context as _;
use report::results::{Row, machine};

use crate::metrics::{Figure, Gathering};

const BEGIN: &str = "<!-- virtual lab: written by cargo run --release -p lab -- --document -->";
const END: &str = "<!-- end of virtual lab -->";
const TITLE: &str = "# Results of the network lab\n";

/// Puts the tables and the rows with targets into the document.
///
/// # Errors
/// Where the document cannot be read or written.
pub fn write(path: &Path, command: &str, tables: &[String], rows: &[Row]) -> anyhow::Result<()> {
    let present = std::fs::read_to_string(path).unwrap_or_else(|_| TITLE.to_owned());
    let section = section(command, tables, rows);
    std::fs::write(path, with_section(&present, &section))
        .with_context(|| format!("write {}", path.display()))
}

/// Replaces the section, or puts it after the title.
fn with_section(present: &str, section: &str) -> String {
    if let (Some(from), Some(to)) = (present.find(BEGIN), present.find(END))
        && from < to
    {
        return format!("{}{section}{}", &present[..from], &present[to + END.len()..]);
    }
    let rest = present.strip_prefix(TITLE).unwrap_or(present).trim();
    format!("{TITLE}\n{section}\n\n{rest}").trim_end().to_owned() + "\n"
}

fn section(command: &str, tables: &[String], rows: &[Row]) -> String {
    let of_target = rows.iter().filter(|row| row.met.is_some());
    let verdicts = of_target.map(|row| {
        let value = if row.met == Some(true) { row.value.to_string() } else { format!("**{}**", row.value) };
        let target = row.target.map(|target| target.to_string()).unwrap_or_default();
        format!("| {} | {value} {} | {target} |\n", row.what.trim_start_matches("virtual "), row.unit)
    });
    let tables = tables.iter().map(|table| format!("```text\n{table}```\n\n"));
    let definitions = Figure::ALL.iter().map(|figure| {
        format!(
            "| {} | {} | {} | {} |\n",
            figure.heading(),
            figure.title(),
            figure.definition(),
            gathered(figure.gathering())
        )
    });
    format!(
        "{BEGIN}\n## On virtual time\n\n\
         The real media plane against simulated browsers over emulated links, one seed or a few for each scenario; \
         {}. Command: `{command}`.\n\n\
         Traces are named uplink-x-downlink; `made-` are those of `loadtest/traces`, `real-` those of `TRACES_DIR`. Of a trace \
         of more than 180 s, the part of that length is run that is most like the whole: in how much of it 100, 500, 1000 and \
         2500 kbit/s fit, in its classes, and in how often they change. `-5g-` are parts of 120 s that are on 5G for 80 % or more. \
         Pairs whose classes permit HD are those where the policy, in `equivalent` mode, does so for half of the call or more; it keeps 4G below HD except beside 5G, and what is below 4G always.\n\n\
         {}### Targets\n\nOf the first policy, `two-loop`; **bold** misses.\n\n| figure | value | target |\n|---|---|---|\n{}\n\
         ### What the columns mean\n\n| column | name in `lab.json` | is | of several runs |\n|---|---|---|---|\n{}{END}",
        machine(),
        tables.collect::<String>(),
        verdicts.collect::<String>(),
        definitions.collect::<String>(),
    )
}

fn gathered(gathering: Gathering) -> &'static str {
    match gathering {
        Gathering::Mean => "mean",
        Gathering::Highest => "highest",
        Gathering::Lowest => "lowest",
        Gathering::Median => "median of all occurrences",
        Gathering::P95 => "95th percentile of all occurrences",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_replaced_and_what_is_around_it_stays() {
        let of = |text: &str| format!("{BEGIN}\n{text}\n{END}");
        let with_browsers = format!("{TITLE}\nreal browsers\n");
        let first = with_section(&with_browsers, &of("one"));
        assert_eq!(first, format!("{TITLE}\n{}\n\nreal browsers\n", of("one")));
        assert_eq!(with_section(&first, &of("two")), format!("{TITLE}\n{}\n\nreal browsers\n", of("two")));
    }
}
