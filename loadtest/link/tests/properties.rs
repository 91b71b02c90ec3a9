//! What holds for every link and every traffic: nothing appears or vanishes, order is kept, the rate is never exceeded.

#![expect(clippy::disallowed_methods, reason = "a virtual clock begins at any instant")]

use std::time::{Duration, Instant};

use link::{Capacity, CapacityTrace, Jitter, Link, LinkSettings, Loss, QueueLimit};
use proptest::prelude::*;
use protocol::units::{Bitrate, DataSize};

fn capacities() -> impl Strategy<Value = Capacity> {
    let rates = || (0..20_000u64).prop_map(Bitrate::kbps);
    prop_oneof![
        Just(Capacity::Unlimited),
        (50..20_000u64).prop_map(|kbps| Bitrate::kbps(kbps).into()),
        (1..300u64, proptest::collection::vec(rates(), 1..8)).prop_map(|(step, rates)| CapacityTrace::steps(
            Duration::from_millis(step),
            &rates
        )
        .into()),
    ]
}

fn settings() -> impl Strategy<Value = LinkSettings> {
    let queues = prop_oneof![
        (0..500u64).prop_map(|ms| QueueLimit::Time(Duration::from_millis(ms))),
        (0..100_000u64).prop_map(|bytes| QueueLimit::Bytes(DataSize::bytes(bytes))),
        (0..100usize).prop_map(QueueLimit::Packets),
    ];
    let jitters = (0..40u64, any::<bool>()).prop_map(|(ms, normal)| {
        let spread = Duration::from_millis(ms);
        if normal { Jitter::Normal(spread) } else { Jitter::Uniform(spread) }
    });
    let losses =
        prop_oneof![Just(Loss::None), (0.0..0.5).prop_map(Loss::Independent), Just(Loss::bursts(0.1, 4.0))];
    (capacities(), queues, jitters, losses, 0..200u64, any::<bool>()).prop_map(
        |(capacity, queue, jitter, loss, delay, reorder)| {
            let settings = LinkSettings::default().capacity(capacity).queue(queue).jitter(jitter).loss(loss);
            let settings = settings.delay(Duration::from_millis(delay));
            if reorder { settings.reordering() } else { settings }
        },
    )
}

/// `(gap before it in µs, bytes)` of each packet.
fn traffic() -> impl Strategy<Value = Vec<(u64, u64)>> {
    proptest::collection::vec((0..20_000u64, 1..1_500u64), 1..200)
}

/// Everything that arrives within `limit` wake-ups of the link itself.
fn drain<T>(link: &mut Link<T>, limit: usize) -> Vec<(Instant, T)> {
    let mut arrivals = Vec::new();
    for _ in 0..limit {
        let Some(now) = link.poll_timeout() else { break };
        while let Some(arrival) = link.poll(now) {
            arrivals.push(arrival);
        }
    }
    arrivals
}

proptest! {
    #[test]
    fn nothing_appears_or_vanishes(settings in settings(), traffic in traffic(), seed: u64) {
        let begin = Instant::now();
        let mut link = Link::new(begin, settings, seed);
        let (mut now, mut taken) = (begin, Vec::new());
        for (number, (gap, bytes)) in traffic.iter().enumerate() {
            now += Duration::from_micros(*gap);
            if link.enqueue(now, DataSize::bytes(*bytes), number).is_ok() {
                taken.push(number);
            }
        }
        // One look when a packet is sent and one when it arrives suffice.
        let mut numbers: Vec<_> = drain(&mut link, 2 * traffic.len() + 2).into_iter().map(|(_, number)| number).collect();
        let stats = link.stats();
        let ever_sends = link.queue_delay().is_some();
        prop_assert_eq!(stats.offered, traffic.len() as u64);
        prop_assert_eq!(stats.offered, stats.delivered + stats.lost + stats.queue_full + stats.queued + stats.on_the_way);
        numbers.sort_unstable();
        if ever_sends {
            prop_assert_eq!(numbers, taken);
        }
    }

    #[test]
    fn order_is_kept_and_no_packet_is_early(settings in settings(), traffic in traffic(), seed: u64) {
        let settings = LinkSettings { order: link::PacketOrder::Kept, ..settings };
        let least = match settings.jitter {
            Jitter::None => settings.delay,
            Jitter::Uniform(spread) => settings.delay.saturating_sub(spread),
            Jitter::Normal(_) => Duration::ZERO,
        };
        let begin = Instant::now();
        let mut link = Link::new(begin, settings, seed);
        let (mut now, mut arrivals) = (begin, Vec::new());
        for (number, (gap, bytes)) in traffic.iter().enumerate() {
            now += Duration::from_micros(*gap);
            let _ = link.enqueue(now, DataSize::bytes(*bytes), (number, now));
            arrivals.extend(std::iter::from_fn(|| link.poll(now)));
        }
        arrivals.extend(drain(&mut link, 2 * traffic.len() + 2));
        prop_assert!(arrivals.is_sorted_by(|a, b| a.0 <= b.0 && a.1.0 < b.1.0));
        for (due, (number, sent)) in arrivals {
            prop_assert!(due >= sent + least, "packet {number}");
        }
    }

    #[test]
    fn the_rate_is_never_exceeded_over_any_window(kbps in 50..20_000u64, change in 50..20_000u64, traffic in traffic()) {
        let begin = Instant::now();
        let rates = [Bitrate::kbps(kbps), Bitrate::kbps(change)];
        let settings = LinkSettings::default().queue(QueueLimit::Packets(50)).capacity(rates[0]);
        let mut link = Link::new(begin, settings.clone(), 1);
        let (mut now, mut departures) = (begin, Vec::new());
        for (number, (gap, bytes)) in traffic.iter().enumerate() {
            now += Duration::from_micros(*gap);
            if number == traffic.len() / 2 {
                link.set(now, settings.clone().capacity(rates[1]));
            }
            let _ = link.enqueue(now, DataSize::bytes(*bytes), *bytes);
            departures.extend(std::iter::from_fn(|| link.poll(now)));
        }
        departures.extend(drain(&mut link, 2 * traffic.len() + 2));
        let fastest = rates[0].max(rates[1]);
        for first in 0..departures.len() {
            let mut bytes = 0;
            for (at, size) in &departures[first + 1..] {
                bytes += size;
                // One nanosecond per end, by rounding.
                let room = fastest * (*at - departures[first].0 + Duration::from_nanos(2));
                prop_assert!(bytes <= room.as_bytes() + 1, "{bytes} B in {:?}", *at - departures[first].0);
            }
        }
    }

    #[test]
    fn a_busy_link_uses_its_whole_trace(steps in proptest::collection::vec(0..5_000u64, 1..6), seconds in 1..20u64) {
        let rates: Vec<_> = steps.iter().copied().map(Bitrate::kbps).collect();
        let trace = CapacityTrace::steps(Duration::from_millis(250), &rates);
        let offered: u64 = rates.iter().cycle().take(seconds as usize * 4).map(|rate| rate.as_bps()).sum::<u64>() / 32;
        let begin = Instant::now();
        let settings = LinkSettings::default().capacity(trace).queue(QueueLimit::Packets(100_000));
        let mut link = Link::new(begin, settings, 1);
        while link.stats().offered_size.as_bytes() <= offered {
            link.enqueue(begin, DataSize::bytes(1_000), ()).expect("the queue is deep");
        }
        let end = begin + Duration::from_secs(seconds);
        while link.poll(end).is_some() {}
        let delivered = link.stats().delivered_size.as_bytes();
        prop_assert!(delivered <= offered && delivered + 1_000 > offered, "{delivered} of {offered}");
    }

    #[test]
    fn the_loss_ratio_is_the_one_asked_for(share in 0.0..1.0f64, seed: u64) {
        const PACKETS: u64 = 5_000;
        let begin = Instant::now();
        let mut link = Link::new(begin, LinkSettings::default().loss(share), seed);
        for _ in 0..PACKETS {
            let _ = link.enqueue(begin, DataSize::bytes(100), ());
        }
        // Five standard deviations of the binomial distribution.
        let deviation = (share * (1.0 - share) * PACKETS as f64).sqrt();
        let error = (link.stats().lost as f64 - share * PACKETS as f64).abs();
        prop_assert!(error <= 5.0 * deviation + 1.0, "{} lost at {share}", link.stats().lost);
    }
}
