//! Recorded drives, second by second: how often what is sent exceeds what the link carries.

use std::path::{Path, PathBuf};

use protocol::ladder::Rung;
use protocol::network_class::{NetworkClass, ReportSource};
use protocol::quality::{HdMode, HdReason};
use protocol::track::Role;
use protocol::units::Bitrate;

use crate::simulation::{ELSEWHERE, FIVE_G, Sim, kbps, secs};

fn traces() -> Option<PathBuf> {
    let folder = std::env::var_os("TRACES_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces"),
        PathBuf::from,
    );
    folder.is_dir().then_some(folder)
}

/// A second of a drive: what the link carries, and the label of the radio.
fn seconds(path: &Path) -> Vec<(Bitrate, NetworkClass)> {
    let text = std::fs::read_to_string(path).expect("a readable trace");
    let second = |line: &str| {
        let mut fields = line.split(',').skip(1);
        let rate = kbps(fields.next()?.parse().ok()?);
        let label = fields.next()?;
        Some((rate, NetworkClass::ALL.into_iter().find(|class| class.as_str() == label)?))
    };
    text.lines().skip(1).filter_map(second).collect()
}

/// The patient drives, the clinician sits on a good 5G link. The estimate knows the capacity at once, so
/// that what is left is the decisions' own doing.
#[test]
#[expect(clippy::print_stdout, reason = "the figures are for the reader, and a skipped test says so")]
fn recorded_drives_are_followed() {
    let Some(folder) = traces() else {
        println!("SKIPPED: no traces; set TRACES_DIR");
        return;
    };
    for entry in std::fs::read_dir(&folder).expect("a readable folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with("ucc_") {
            continue;
        }
        let mut sim = Sim::new(HdMode::Strict);
        sim.join(Role::Clinician, FIVE_G, 50, kbps(20_000));
        sim.join(Role::Patient, ELSEWHERE, 900, kbps(20_000));
        let drive = seconds(&entry.path());
        let [mut overloaded, mut hd, mut eligible, mut dark] = [0_usize; 4];
        for (capacity, class) in &drive {
            sim.ends[1].downlink = *capacity;
            sim.ends[1].report = Some((ReportSource::WechatMiniProgram, *class));
            sim.run(secs(1));
            let sent = sim.sent_to(sim.ends[1].id);
            overloaded += usize::from(sent > *capacity);
            dark += usize::from(sent == Bitrate::ZERO);
            let could = *class == NetworkClass::FiveG && *capacity >= kbps(2_500);
            eligible += usize::from(could);
            hd += usize::from(could && sim.sees(0, 1) == Rung::P720);
        }
        let minutes = drive.len() as f64 / 60.0;
        let switches = sim.rungs.len() as f64 / minutes;
        let policy =
            sim.hd.iter().filter(|(_, reason)| *reason == HdReason::Granted).count() as f64 / minutes;
        println!(
            "{name}: {overloaded} s overloaded and {dark} s dark of {}, HD in {hd} of {eligible} eligible s, \
             {switches:.1} rung changes and {policy:.2} grants a minute",
            drive.len()
        );
        assert!(overloaded * 50 <= drive.len(), "{name}: {overloaded} s overloaded");
    }
}
