//! What a gateway needs for what it forwards, drawn from the figures of `loadtest bench`.

use std::path::Path;

use anyhow::{Context as _, ensure};
use report::results::{Results, Row};

/// Pictures a second, and bytes of a full packet, of the fleet that the figures were measured with.
const FRAME_RATE: f64 = 30.0;
const PACKET_BYTES: f64 = 1_200.0;

/// The rates at which `loadtest bench` measures a core.
const HIGH_RATE: f64 = 1_500_000.0;

/// What stands at the end of the rows that count.
const HIGH: &str = "viewers at 1.5 Mbit/s on one core, gateway: processor time per packet delivered";
const LOW: &str = "viewers at 150 kbit/s on one core, gateway: processor time per packet delivered";
const ROOMS: &str = "rooms of 10 viewers at 1.5 Mbit/s, gateway: processor time per packet delivered";
const MEMORY: &str = "viewers that watch, gateway: memory grown per viewer";

/// Viewers of each of those rooms.
const ROOM_VIEWERS: f64 = 10.0;

/// Costs that add up.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CostModel {
    /// Per burst: the packets of one picture that leave to one subscriber.
    pub(super) burst_us: f64,
    /// Per packet in it.
    pub(super) packet_us: f64,
    /// Per packet that comes in.
    pub(super) ingress_us: f64,
    /// Resident memory per participant or viewer.
    pub(super) kib: f64,
    /// Where the figures are from.
    pub(super) measured: String,
}

impl CostModel {
    /// What `loadtest bench` found on 22 November 2026, on a machine with nothing else to do.
    pub(super) fn measured() -> Self {
        Self {
            burst_us: 8.1,
            packet_us: 2.2,
            ingress_us: 11.7,
            kib: 75.0,
            measured: "2 cores, AMD EPYC, Linux 6.18, 22 November 2026".to_owned(),
        }
    }

    /// Reads `fleet.json` and `memory.json` of a folder.
    ///
    /// # Errors
    /// Where a file or a row is missing.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let fleet = Results::read(&folder.join("fleet.json"))?;
        let memory = Results::read(&folder.join("memory.json"))?;
        let model = Self::fit(&fleet.rows, &memory.rows);
        let mut model = model.with_context(|| format!("the results in {}", folder.display()))?;
        model.measured = fleet.machine;
        Ok(model)
    }

    fn fit(fleet: &[Row], memory: &[Row]) -> anyhow::Result<Self> {
        let (high, low, rooms) = (value(fleet, HIGH)?, value(fleet, LOW)?, value(fleet, ROOMS)?);
        ensure!(high > 0.0, "a packet costs nothing");
        // At the low rate a picture is one packet, at the high one several, which share what a burst costs.
        let in_burst = packets_per_frame(HIGH_RATE, FRAME_RATE);
        let burst_us = ((low - high) / (1.0 - 1.0 / in_burst)).max(0.0);
        Ok(Self {
            burst_us,
            packet_us: (high - burst_us / in_burst).max(0.0),
            // The more rooms, the more comes in for what goes out.
            ingress_us: ((rooms - high) * ROOM_VIEWERS).max(0.0),
            kib: value(memory, MEMORY)?,
            measured: String::new(),
        })
    }
}

/// Packets of a picture at so many bits and pictures a second.
pub(super) fn packets_per_frame(bits_per_second: f64, frame_rate: f64) -> f64 {
    (bits_per_second / 8.0 / frame_rate / PACKET_BYTES).max(1.0)
}

fn value(rows: &[Row], ending: &str) -> anyhow::Result<f64> {
    let row = rows.iter().rev().find(|row| row.what.ends_with(ending));
    Ok(row.with_context(|| format!("there is no row that ends with: {ending}"))?.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(high: f64, low: f64, rooms: f64) -> Vec<Row> {
        let row = |what: &str, value| Row::new(what, value, "µs");
        vec![
            row(&format!("450 {HIGH}"), high),
            row(&format!("450 {LOW}"), low),
            row(&format!("10 {ROOMS}"), rooms),
        ]
    }

    #[test]
    fn costs_give_the_figures_back_that_they_are_drawn_from() {
        let memory = [Row::new(format!("500 {MEMORY}"), 90.0, "KiB")];
        let model = CostModel::fit(&rows(1.5, 3.0, 1.8), &memory).expect("figures");
        let in_burst = packets_per_frame(HIGH_RATE, FRAME_RATE);
        assert!((model.burst_us / in_burst + model.packet_us - 1.5).abs() < 1e-9, "{model:?}");
        assert!((model.burst_us + model.packet_us - 3.0).abs() < 1e-9, "{model:?}");
        assert!((model.ingress_us - 3.0).abs() < 1e-9 && (model.kib - 90.0).abs() < 1e-9, "{model:?}");
    }

    #[test]
    fn a_missing_figure_is_named() {
        let error = CostModel::fit(&rows(1.5, 3.0, 1.8), &[]).expect_err("no memory");
        assert!(error.to_string().contains("memory grown"), "{error}");
        let folder = tempfile::tempdir().expect("a folder");
        assert!(CostModel::read(folder.path()).is_err());
    }
}
