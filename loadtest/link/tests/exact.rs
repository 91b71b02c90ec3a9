//! What a link does to single packets, to the nanosecond.

#![expect(clippy::disallowed_methods, reason = "a virtual clock begins at any instant")]

use std::time::{Duration, Instant};

use link::{CapacityTrace, Dropped, Jitter, Link, LinkSettings, LinkStats, Loss, QueueLimit};
use protocol::units::{Bitrate, DataSize};

/// A link that carries numbers, on a clock that counts milliseconds from its beginning.
struct Bench {
    begin: Instant,
    link: Link<usize>,
    next: usize,
}

impl Bench {
    fn new(settings: LinkSettings) -> Self {
        let begin = Instant::now();
        Self { begin, link: Link::new(begin, settings, 1), next: 0 }
    }

    fn at(&self, ms: f64) -> Instant {
        self.begin + Duration::from_nanos((ms * 1e6).round() as u64)
    }

    /// Sends the next number in a packet of so many bytes.
    fn send(&mut self, ms: f64, bytes: u64) -> Result<(), Dropped> {
        let number = self.next;
        self.next += 1;
        self.link.enqueue(self.at(ms), DataSize::bytes(bytes), number)
    }

    fn set(&mut self, ms: f64, settings: LinkSettings) {
        self.link.set(self.at(ms), settings);
    }

    /// Runs to the end by the link's own timeouts: `(arrival in ms, number)`.
    fn arrivals(&mut self) -> Vec<(f64, usize)> {
        let mut arrivals = Vec::new();
        while let Some(now) = self.link.poll_timeout() {
            while let Some((due, number)) = self.link.poll(now) {
                assert!(due <= now, "handed out early");
                arrivals.push(((due - self.begin).as_nanos() as f64 / 1e6, number));
            }
        }
        arrivals
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// 1000 bytes take 10 ms.
fn rate_800k() -> LinkSettings {
    LinkSettings::default().capacity(Bitrate::kbps(800))
}

#[test]
fn a_packet_takes_its_sending_time_and_the_delay() {
    let mut bench = Bench::new(rate_800k().delay(ms(30)));
    bench.send(0.0, 1_000).unwrap();
    bench.send(5.0, 500).unwrap();
    bench.send(100.0, 1_000).unwrap();
    assert_eq!(bench.arrivals(), [(40.0, 0), (45.0, 1), (140.0, 2)]);
}

#[test]
fn an_unlimited_link_only_delays() {
    let mut bench = Bench::new(LinkSettings::default().delay(ms(7)));
    for _ in 0..3 {
        bench.send(1.0, 1_500).unwrap();
    }
    assert_eq!(bench.arrivals(), [(8.0, 0), (8.0, 1), (8.0, 2)]);
}

#[test]
fn a_rate_change_retimes_what_is_queued_and_half_sent() {
    let mut bench = Bench::new(rate_800k());
    bench.send(0.0, 1_000).unwrap();
    bench.send(0.0, 1_000).unwrap();
    // Half of the first is sent when the rate falls to a tenth: 50 ms for its rest, 100 ms for the second.
    bench.set(5.0, rate_800k().capacity(Bitrate::kbps(80)));
    assert_eq!(bench.arrivals(), [(55.0, 0), (155.0, 1)]);
}

#[test]
fn an_outage_holds_the_queue_until_the_rate_returns() {
    let mut bench = Bench::new(rate_800k().queue(DataSize::bytes(10_000)));
    bench.send(0.0, 1_000).unwrap();
    bench.set(5.0, rate_800k().queue(DataSize::bytes(10_000)).outage());
    assert_eq!(bench.link.poll_timeout(), None);
    assert_eq!(bench.link.queue_delay(), None);
    bench.send(6.0, 1_000).unwrap();
    bench.set(1_000.0, rate_800k());
    assert_eq!(bench.arrivals(), [(1_005.0, 0), (1_015.0, 1)]);
}

#[test]
fn a_trace_is_followed_wrapped_and_kept_through_other_changes() {
    let trace = CapacityTrace::steps(ms(10), &[Bitrate::kbps(800), Bitrate::ZERO]);
    let settings = rate_800k().capacity(trace).queue(QueueLimit::Packets(10));
    let mut bench = Bench::new(settings.clone());
    for _ in 0..3 {
        bench.send(5.0, 500).unwrap();
    }
    bench.set(12.0, settings.delay(ms(1)));
    assert_eq!(bench.arrivals(), [(10.0, 0), (26.0, 1), (31.0, 2)]);
}

#[test]
fn each_queue_limit_drops_the_tail() {
    // (limit, packets of 1000 bytes that are taken at once)
    let table = [
        (QueueLimit::Packets(3), 3),
        (QueueLimit::Bytes(DataSize::bytes(3_500)), 3),
        (QueueLimit::Bytes(DataSize::bytes(10)), 1),
        // The fourth waits 30 ms, the fifth would wait 40 ms.
        (QueueLimit::Time(ms(30)), 4),
        (QueueLimit::Time(Duration::ZERO), 1),
    ];
    for (limit, taken) in table {
        let mut bench = Bench::new(rate_800k().queue(limit));
        let sent: Vec<_> = (0..6).map(|_| bench.send(0.0, 1_000)).collect();
        assert!(sent[..taken].iter().all(Result::is_ok), "{limit:?}");
        assert!(sent[taken..].iter().all(|sent| *sent == Err(Dropped::QueueFull)), "{limit:?}");
        // A packet's worth of room comes back when one is sent.
        assert_eq!(bench.send(10.0, 1_000), Ok(()), "{limit:?}");
        assert_eq!(bench.arrivals().len(), taken + 1, "{limit:?}");
    }
}

#[test]
fn jitter_spreads_the_delay_and_reorders_only_where_allowed() {
    for (jitter, spread) in [(Jitter::Uniform(ms(10)), 10.0 / 3f64.sqrt()), (Jitter::Normal(ms(10)), 10.0)] {
        let settings = LinkSettings::default().delay(ms(60)).jitter(jitter).queue(QueueLimit::Packets(1_000));
        for (settings, in_order) in [(settings.clone(), true), (settings.reordering(), false)] {
            let mut bench = Bench::new(settings);
            for number in 0..4_000 {
                // Far apart where the delays are to be measured, close together where order matters.
                bench.send(f64::from(number) * if in_order { 1.0 } else { 5.0 }, 100).unwrap();
            }
            let arrivals = bench.arrivals();
            let numbers: Vec<_> = arrivals.iter().map(|arrival| arrival.1).collect();
            assert_eq!(numbers.is_sorted(), in_order, "{jitter:?}");
            if !in_order {
                let delays: Vec<_> = arrivals.iter().map(|(at, number)| at - *number as f64 * 5.0).collect();
                let mean = delays.iter().sum::<f64>() / delays.len() as f64;
                let variance =
                    delays.iter().map(|delay| (delay - mean).powi(2)).sum::<f64>() / delays.len() as f64;
                assert!((mean - 60.0).abs() < 0.6, "{jitter:?}: mean {mean}");
                assert!((variance.sqrt() - spread).abs() < 0.4, "{jitter:?}: deviation {}", variance.sqrt());
            }
        }
    }
}

#[test]
fn statistics_account_for_every_packet() {
    let mut bench = Bench::new(rate_800k().delay(ms(15)).queue(QueueLimit::Packets(2)));
    for _ in 0..4 {
        let _ = bench.send(0.0, 1_000);
    }
    assert_eq!(bench.link.poll(bench.at(12.0)), None);
    let size = DataSize::bytes;
    let expected = LinkStats {
        offered: 4,
        offered_size: size(4_000),
        queue_full: 2,
        queued: 1,
        queued_size: size(1_000),
        on_the_way: 1,
        ..LinkStats::default()
    };
    assert_eq!(bench.link.stats(), expected);
    assert_eq!(bench.link.queue_delay(), Some(ms(8)));
    bench.arrivals();
    bench.set(50.0, rate_800k().loss(Loss::percent(100.0)));
    assert_eq!(bench.send(50.0, 100), Err(Dropped::Lost));
    let stats = bench.link.stats();
    assert_eq!((stats.delivered, stats.delivered_size, stats.lost, stats.queued), (2, size(2_000), 1, 0));
}

#[test]
fn a_seed_repeats_a_run() {
    let run = |seed| {
        let begin = Instant::now();
        let mut link = Link::new(begin, LinkSettings::wifi().loss(0.1), seed);
        for number in 0..500 {
            let _ = link.enqueue(begin + ms(number), DataSize::bytes(1_000), number);
        }
        let end = begin + ms(10_000);
        std::iter::from_fn(|| link.poll(end)).map(|(due, number)| (due - begin, number)).collect::<Vec<_>>()
    };
    assert_eq!(run(5), run(5));
    assert_ne!(run(5), run(6));
}
