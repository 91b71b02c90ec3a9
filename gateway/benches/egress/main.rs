//! What one forwarded packet costs the processor, per subscriber: the media plane with the gateway's own
//! socket against a copy, a seal and a system call for every packet, both over loopback in the same run.
//!
//! The calls are whole ones: ICE, DTLS, SRTP, transport-wide feedback and the pacer are at work, on virtual
//! time; everybody is a socket of its own. Only the processor time of the thread counts, and only around what
//! the table names: what sockets and browsers of others do with a datagram is not in it, but its way through
//! the kernel into their sockets is, for both paths.

#[path = "../../lab/src/scenario/arrival_log.rs"]
mod arrival_log;
#[path = "../../lab/src/scenario/connection.rs"]
#[expect(dead_code, reason = "the stories use more of it")]
mod connection;
mod film;
mod participant;
mod processor_time;
mod report;
#[path = "../../lab/src/scenario/session_description.rs"]
#[expect(dead_code, reason = "the stories use more of it")]
mod session_description;
mod single_sends;
#[path = "../../lab/src/scenario/wire.rs"]
#[expect(dead_code, reason = "the stories use more of it")]
mod wire;
mod worker;

use std::time::Duration;

use crate::film::PACKET_INTERVAL;
use crate::participant::Segmentation;
use crate::report::{Figures, Report};
use crate::single_sends::SingleSends;
use crate::worker::Worker;

/// Rooms of the worker: enough that a turn is long beside what surrounds it, as on a worker with work to do.
const ROOMS: usize = 4;

/// Of a room as large as everybody in it may see, in which one publishes and everybody else sees it.
const SUBSCRIBERS: usize = sfu::limits::MAX_RECEIVED_PEOPLE - 1;

/// Packets of each publisher that arrive between two turns of the worker. A 720p layer brings 4.3 at a time.
const BURSTS: [usize; 4] = [1, 2, 4, 8];

const SEGMENTATIONS: [Segmentation; 2] = [Segmentation::Software, Segmentation::Offloaded];

/// A median of so many rounds withstands the interrupts and neighbours of a busy machine.
const ROUNDS: usize = 25;

/// Bursts of each path in a round; the paths take turns, burst by burst.
const BURSTS_PER_ROUND: usize = 16;

/// Until estimates have settled and probes have become rare.
const SETTLING: Duration = Duration::from_secs(12);

/// Most bursts that a probe or the pacer may pull apart; they are left out of the figures.
const MAX_SPLIT_SHARE: f64 = 0.2;

/// Processor time of one round, per burst size.
#[derive(Default)]
struct Round {
    bursts: u32,
    split: u32,
    taking_in: Duration,
    taking_in_for_nobody: Duration,
    filling: Duration,
    sending: Duration,
    single_sends: Duration,
    upkeep: Duration,
}

/// Both paths, and rooms without subscribers, which tell what arrival itself costs.
struct Bench {
    worker: Worker,
    lonely: Worker,
    single_sends: SingleSends,
}

fn main() {
    let mut bench = Bench::new();
    bench.verify();
    let mut cases: Vec<Case> = SEGMENTATIONS.into_iter().flat_map(Case::of).collect();
    for _ in 0..ROUNDS {
        for case in &mut cases {
            bench.worker.set_segmentation(case.segmentation);
            case.rounds.push(bench.round(case.burst));
        }
    }
    let mut report = Report::default();
    for Case { segmentation, burst, rounds } in &cases {
        let split: u32 = rounds.iter().map(|round| round.split).sum();
        let share = f64::from(split) / (ROUNDS * BURSTS_PER_ROUND) as f64;
        assert!(share <= MAX_SPLIT_SHARE, "{split} bursts of {burst} did not leave at once");
        let figures = Figures::of(rounds.iter().map(|round| round.per_packet(*burst)));
        report.add(*segmentation, *burst, &figures);
    }
    report.publish();
}

/// What is measured, again and again.
struct Case {
    segmentation: Segmentation,
    burst: usize,
    rounds: Vec<Round>,
}

impl Case {
    fn of(segmentation: Segmentation) -> [Self; BURSTS.len()] {
        BURSTS.map(|burst| Self { segmentation, burst, rounds: Vec::new() })
    }
}

/// Datagrams that a burst of every publisher becomes.
const fn forwarded(burst: usize) -> usize {
    burst * ROOMS * SUBSCRIBERS
}

impl Bench {
    fn new() -> Self {
        let worker = Worker::new(ROOMS, SUBSCRIBERS);
        let single_sends = SingleSends::new(worker.subscriber_addresses());
        let mut bench = Self { worker, lonely: Worker::new(ROOMS, 0), single_sends };
        bench.worker.settle(SETTLING);
        bench.lonely.settle(SETTLING);
        bench
    }

    /// Shows that both paths deliver the same: every datagram, of the same size, which opens.
    fn verify(&mut self) {
        let burst = 8;
        for attempt in 0.. {
            self.worker.pass_time(PACKET_INTERVAL * burst as u32);
            self.worker.publish(burst);
            let _ = (self.worker.take_in(), self.worker.send_on());
            let sizes = self.worker.receive_media();
            if sizes.len() == forwarded(burst) {
                assert_eq!(sizes, vec![self.single_sends.datagram_size(); sizes.len()], "sizes");
                break;
            }
            assert!(attempt < 10, "a burst leaves at once: {} datagrams", sizes.len());
        }
        let _ = self.single_sends.send(burst);
        let datagrams = self.worker.receive_raw();
        assert_eq!(datagrams.len(), forwarded(burst), "every single send arrives");
        for (subscriber, datagram) in datagrams {
            self.single_sends.open(subscriber, datagram);
        }
    }

    fn round(&mut self, burst: usize) -> Round {
        let mut round = Round::default();
        for _ in 0..BURSTS_PER_ROUND {
            let elapsed = PACKET_INTERVAL * burst as u32;
            self.lonely.pass_time(elapsed);
            let upkeep = self.worker.pass_time(elapsed);

            self.worker.publish(burst);
            let taking_in = self.worker.take_in();
            let (filling, sending) = self.worker.send_on();
            let received = self.worker.receive_media().len();

            let single_sends = self.single_sends.send(burst);
            assert_eq!(self.worker.receive_raw().len(), forwarded(burst), "every single send arrives");

            self.lonely.publish(burst);
            let taking_in_for_nobody = self.lonely.take_in();
            let _ = self.lonely.send_on();

            if received != forwarded(burst) {
                round.split += 1;
                continue;
            }
            round.bursts += 1;
            round.taking_in += taking_in;
            round.taking_in_for_nobody += taking_in_for_nobody;
            round.filling += filling;
            round.sending += sending;
            round.single_sends += single_sends;
            round.upkeep += upkeep;
        }
        round
    }
}

impl Round {
    /// In nanoseconds per packet, where it arrives, and per packet and subscriber, where it is forwarded.
    fn per_packet(&self, burst: usize) -> Figures {
        let arrived = f64::from(self.bursts.max(1)) * (burst * ROOMS) as f64;
        let forwarded = arrived * SUBSCRIBERS as f64;
        let nanos = |time: Duration| time.as_nanos() as f64;
        let fan_out = nanos(self.taking_in) - nanos(self.taking_in_for_nobody);
        Figures {
            forwarding: (fan_out + nanos(self.filling) + nanos(self.sending)) / forwarded,
            fan_out: fan_out / forwarded,
            sending: nanos(self.sending) / forwarded,
            single_sends: nanos(self.single_sends) / forwarded,
            arrival: nanos(self.taking_in_for_nobody) / arrived,
            upkeep: nanos(self.upkeep) / forwarded,
        }
    }
}
