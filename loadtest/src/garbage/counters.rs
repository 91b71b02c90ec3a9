//! The gateway's own counters before and after: which of those that tell of refusals and losses moved.

use std::collections::BTreeMap;

/// Words in the names of counters that tell of something refused, dropped or failed.
const TELLING: [&str; 9] =
    ["dropped", "drops", "limits", "failures", "errors", "lost", "refused", "negotiations", "portless"];

/// Counters by name and labels.
pub(crate) type Counters = BTreeMap<String, f64>;

/// Reads the text format of Prometheus; other lines than those of telling counters are left out.
pub(crate) fn read(text: &str) -> Counters {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(name, _)| {
            let family = name.split('{').next().unwrap_or(name);
            family.ends_with("_total") && TELLING.iter().any(|word| family.contains(word))
        })
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}

/// How much each counter grew, for those that did.
pub(crate) fn growth(before: &Counters, after: &Counters) -> Counters {
    after
        .iter()
        .map(|(name, value)| (name.clone(), value - before.get(name).copied().unwrap_or(0.0)))
        .filter(|(_, grown)| *grown > 0.0)
        .collect()
}

/// Scrapes an address.
///
/// # Errors
/// Where it does not answer.
pub(crate) async fn scrape(url: &str) -> anyhow::Result<Counters> {
    let answer = reqwest::get(url).await?.error_for_status()?;
    Ok(read(&answer.text().await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_of_counters_that_tell_of_refusals() {
        let text = |dropped: u32, sent: u32| {
            format!(
                "# HELP tvg_datagrams_dropped_total x\ntvg_datagrams_dropped_total{{reason=\"no_keys\"}} {dropped}\n\
                 tvg_limits_hit_total{{limit=\"silence\"}} 1\ntvg_rtp_packets_total {sent}\n"
            )
        };
        let grown = growth(&read(&text(2, 5)), &read(&text(9, 50)));
        assert_eq!(
            grown,
            Counters::from([("tvg_datagrams_dropped_total{reason=\"no_keys\"}".to_owned(), 7.0)])
        );
    }
}
