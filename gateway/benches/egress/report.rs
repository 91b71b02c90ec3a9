//! The medians of all rounds, as a table for people and as a file of results.

use std::path::Path;

use report::results::{DEFAULT_DIR, Row, Target, machine, record};

use crate::participant::Segmentation;

/// The burst size that the target is about, and how many times cheaper it has to be.
const TARGET: (usize, f64) = (4, 2.0);

const PER_FORWARDED: &str = "ns per packet and subscriber";

const HEADING: &str = "                    per packet and subscriber                      of forwarding      per packet   besides
segments   burst  forwarding  single sends    ratio  target          fan-out   socket    taken in   upkeep";

const LEGEND: &str = "\
software      bursts are cut in the kernel, and every datagram is queued at its receiver
offloaded     bursts pass the kernel whole, as where the network interface cuts them
forwarding    layer switch, new numbers, pacer, congestion control, seal and GSO send
single sends  fresh copy, new numbers, seal by the same library and one sendmsg for each packet
fan-out       the part of forwarding that is done as the packet arrives
socket        the part of forwarding that is the send itself, nearly all of it the kernel's
taken in      receiving, opening, reading and keeping a packet, once for all subscribers
upkeep        feedback, checks, timers and reports, which neither of the two paths includes";

/// Nanoseconds of processor time, of a round or as the median of all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// All of forwarding, per packet and subscriber.
    pub(crate) forwarding: f64,
    /// The part of it that is spent as a packet arrives: layer switch, new numbers, the pacer's queue.
    pub(crate) fan_out: f64,
    /// The part of it that is spent in the socket.
    pub(crate) sending: f64,
    /// The same by copies and single sends.
    pub(crate) single_sends: f64,
    /// Receiving, opening, reading and keeping, per packet that arrives.
    pub(crate) arrival: f64,
    /// Feedback, timers and reports, per packet and subscriber.
    pub(crate) upkeep: f64,
}

impl Figures {
    /// The medians.
    pub(crate) fn of(rounds: impl Iterator<Item = Self>) -> Self {
        let rounds: Vec<Self> = rounds.collect();
        let median = |figure: fn(&Self) -> f64| {
            let mut values: Vec<f64> = rounds.iter().map(figure).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            forwarding: median(|it| it.forwarding),
            fan_out: median(|it| it.fan_out),
            sending: median(|it| it.sending),
            single_sends: median(|it| it.single_sends),
            arrival: median(|it| it.arrival),
            upkeep: median(|it| it.upkeep),
        }
    }

    fn ratio(&self) -> f64 {
        self.single_sends / self.forwarding
    }
}

#[derive(Default)]
pub(crate) struct Report {
    lines: Vec<String>,
    rows: Vec<Row>,
}

impl Report {
    /// Adds the figures of a burst size.
    pub(crate) fn add(&mut self, segmentation: Segmentation, burst: usize, figures: &Figures) {
        let cut = match segmentation {
            Segmentation::Software => "software",
            Segmentation::Offloaded => "offloaded",
        };
        let target = (burst == TARGET.0).then_some(TARGET.1);
        let ratio = figures.ratio();
        let verdict = target.map_or_else(String::new, |target| {
            format!(">= {target}: {}", if ratio >= target { "met" } else { "NOT met" })
        });
        self.lines.push(format!(
            "{cut:<10} {burst:>5} {:>11.0} {:>13.0} {ratio:>8.2}  {verdict:<14} {:>8.0} {:>8.0} {:>11.0} {:>8.0}",
            figures.forwarding,
            figures.single_sends,
            figures.fan_out,
            figures.sending,
            figures.arrival,
            figures.upkeep
        ));
        let of_burst = |what: &str| format!("{what}, bursts of {burst}, segmentation {cut}");
        self.rows.extend([
            row(of_burst("forwarding"), figures.forwarding, PER_FORWARDED, None),
            row(of_burst("copy and single send"), figures.single_sends, PER_FORWARDED, None),
            row(of_burst("times cheaper than copy and single send"), ratio, "x", target),
            row(of_burst("of forwarding, as the packet arrives"), figures.fan_out, PER_FORWARDED, None),
            row(of_burst("of forwarding, in the socket"), figures.sending, PER_FORWARDED, None),
            row(of_burst("receiving and opening"), figures.arrival, "ns per packet", None),
            row(of_burst("feedback and timers"), figures.upkeep, PER_FORWARDED, None),
        ]);
    }

    /// Prints the table and writes `target/results/egress.json`.
    #[expect(clippy::print_stdout, reason = "the table is what a benchmark is run for")]
    pub(crate) fn publish(&self) {
        let (rooms, subscribers) = (crate::ROOMS, crate::SUBSCRIBERS);
        println!("Processor time in ns, medians; {rooms} rooms of {subscribers} subscribers; {}", machine());
        println!();
        println!("{HEADING}");
        self.lines.iter().for_each(|line| println!("{line}"));
        println!();
        println!("{LEGEND}");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(DEFAULT_DIR);
        record(&folder, "egress", "make bench", self.rows.clone()).expect("results can be written");
    }
}

/// The value is held against its target before it is rounded.
fn row(what: String, value: f64, unit: &str, at_least: Option<f64>) -> Row {
    let row = Row::new(what, value, unit);
    let row = match at_least {
        Some(limit) => row.against(Target::AtLeast(limit)),
        None => row,
    };
    Row { value: (value * 100.0).round() / 100.0, ..row }
}
