//! The page about every metric, made of the declarations.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use prometheus::proto::{MetricFamily, MetricType};
use protocol::quality::HdMode;

use super::Metrics;

/// `gateway/docs/metrics.md`, in Markdown.
///
/// # Errors
///
/// Where Prometheus refuses a declaration.
pub fn reference() -> prometheus::Result<String> {
    let metrics = Metrics::new(1, HdMode::default())?;
    let mut text = String::from(
        "# Metrics\n\n\
         Served in the text format of Prometheus at `/metrics` of the admin listener. Units are seconds, bytes and bits\n\
         per second; labels are closed sets, and none carries an identity. The process itself is in the usual\n\
         `process_*` metrics. This page is printed by `gateway --print-metrics-reference`; a test keeps it true.\n\n\
         | metric | type | labels | help |\n|---|---|---|---|\n",
    );
    for family in metrics.registry.gather().iter().filter(|family| family.name().starts_with("tvg_")) {
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {} |",
            family.name(),
            type_word(family.get_field_type()),
            labels(family),
            family.help()
        );
    }
    Ok(text)
}

fn type_word(of: MetricType) -> &'static str {
    match of {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY => "summary",
        MetricType::UNTYPED => "untyped",
    }
}

/// Labels with their words, as far as they are closed sets.
fn labels(family: &MetricFamily) -> String {
    let mut names: Vec<&str> = Vec::new();
    for label in family.get_metric().iter().flat_map(|metric| metric.get_label()) {
        if !names.contains(&label.name()) {
            names.push(label.name());
        }
    }
    let described = names.into_iter().map(|name| {
        let words: BTreeSet<&str> = family
            .get_metric()
            .iter()
            .flat_map(|metric| metric.get_label())
            .filter(|label| label.name() == name)
            .map(|label| label.value())
            .collect();
        match name {
            "worker" | "version" | "commit" => format!("`{name}`"),
            _ => format!("`{name}`: {}", words.into_iter().collect::<Vec<_>>().join(", ")),
        }
    });
    described.collect::<Vec<_>>().join("; ")
}
