//! The pacer's stories.

use super::*;
use crate::testing::origin;
use protocol::units::Bitrate;

const PACKET: DataSize = DataSize::bytes(1_000);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn pace(rate: Bitrate, burst: u64) -> Pace {
    Pace {
        rate,
        burst: DataSize::bytes(burst),
        retransmission: rate.scaled(0.25),
        hold: None,
        round_trip: ms(60),
    }
}

fn pacer(rate: Bitrate, burst: u64) -> Pacer<u32> {
    Pacer::new(pace(rate, burst))
}

fn fresh(now: Instant) -> Lane {
    Lane::Retransmission(Resend { first_sent: now - ms(70), last_sent: now - ms(70), resends: 0 })
}

fn cluster(rate: Bitrate, size: u64, packets: u32) -> ProbeCluster {
    ProbeCluster { id: ProbeId(7), rate, size: DataSize::bytes(size), packets }
}

/// Everything that leaves until nothing waits, with the time of each.
fn drain(pacer: &mut Pacer<u32>, mut now: Instant) -> Vec<(Instant, Release<u32>)> {
    let mut out = Vec::new();
    for _ in 0..10_000 {
        while let Some(release) = pacer.poll(now) {
            out.push((now, release));
        }
        match pacer.poll_timeout(now) {
            Some(due) => now = due.max(now),
            None => break,
        }
    }
    out
}

fn items(released: &[(Instant, Release<u32>)]) -> Vec<u32> {
    released
        .iter()
        .filter_map(|(_, release)| match release {
            Release::Packet { item, .. } => Some(*item),
            Release::Padding { .. } => None,
        })
        .collect()
}

#[test]
fn an_empty_queue_adds_no_latency() {
    let start = origin();
    let mut pacer = pacer(Bitrate::mbps(2), 5_000);
    for packet in 0..100 {
        let now = start + ms(10 * packet);
        assert_eq!(pacer.enqueue(now, Lane::Video, PACKET, 0), Enqueued::Queued);
        assert!(matches!(pacer.poll(now), Some(Release::Packet { class: PacketClass::Video, .. })));
        assert_eq!(pacer.poll_timeout(now), None);
    }
}

#[test]
fn audio_precedes_repairs_precede_video() {
    let start = origin();
    let mut pacer = pacer(Bitrate::kbps(500), 1);
    for (lane, item) in [(Lane::Video, 1), (Lane::Video, 2), (fresh(start), 3), (Lane::Audio, 4)] {
        assert_eq!(pacer.enqueue(start, lane, PACKET, item), Enqueued::Queued);
    }
    assert_eq!(items(&drain(&mut pacer, start)), [4, 3, 1, 2]);
}

#[test]
fn audio_never_waits_and_video_pays_for_it() {
    let start = origin();
    let mut pacer = pacer(Bitrate::kbps(800), 1);
    for item in 0..5 {
        let _ = pacer.enqueue(start, Lane::Video, PACKET, item);
        let _ = pacer.enqueue(start, Lane::Audio, PACKET, 100 + item);
    }
    let released = drain(&mut pacer, start);
    assert_eq!(items(&released), [100, 101, 102, 103, 104, 0, 1, 2, 3, 4]);
    assert!(released[..5].iter().all(|(at, _)| *at == start));
    let last = released[9].0 - start;
    assert!(last >= ms(85) && last <= ms(95), "{last:?}");
}

#[test]
fn the_rate_is_kept() {
    let start = origin();
    let mut pacer = pacer(Bitrate::mbps(8), 3_000);
    for item in 0..200 {
        let _ = pacer.enqueue(start, Lane::Video, PACKET, item);
    }
    let took = drain(&mut pacer, start).last().unwrap().0 - start;
    assert!(took >= ms(194) && took <= ms(200), "{took:?}");
}

#[test]
fn a_full_queue_gives_up_its_video_and_says_so() {
    let start = origin();
    let mut pacer = pacer(Bitrate::mbps(1), 1);
    let mut dropped = Dropped::default();
    for item in 0..40 {
        if let Enqueued::QueuedAfterDrop(now_dropped) = pacer.enqueue(start, Lane::Video, PACKET, item) {
            assert!(dropped.is_none());
            dropped = now_dropped;
        }
    }
    assert_eq!(dropped, Dropped { packets: 31, size: DataSize::bytes(31_000) });
    assert_eq!(pacer.queued_video(), DataSize::bytes(9_000));
    assert_eq!(std::iter::from_fn(|| pacer.poll_dropped()).collect::<Vec<_>>(), (0..31).collect::<Vec<_>>());
    assert_eq!(items(&drain(&mut pacer, start)), (31..40).collect::<Vec<_>>());
}

#[test]
fn a_lower_pace_drops_what_would_wait_too_long() {
    let start = origin();
    let mut pacer = pacer(Bitrate::mbps(5), 1);
    for item in 0..30 {
        assert_eq!(pacer.enqueue(start, Lane::Video, PACKET, item), Enqueued::Queued);
    }
    let _ = pacer.enqueue(start, Lane::Audio, PACKET, 99);
    assert_eq!(pacer.set_pace(start, pace(Bitrate::kbps(500), 1)).packets, 30);
    assert_eq!(items(&drain(&mut pacer, start)), [99]);
}

#[test]
fn a_key_frame_passes_at_any_rate() {
    let start = origin();
    let mut pacer = pacer(Bitrate::kbps(75), 1);
    for item in 0..16 {
        assert_eq!(pacer.enqueue(start, Lane::Video, PACKET, item), Enqueued::Queued);
    }
    assert_eq!(items(&drain(&mut pacer, start)).len(), 16);
}

#[test]
fn a_repair_that_waited_too_long_is_dropped() {
    let start = origin();
    let mut pacer = pacer(Bitrate::kbps(500), 1);
    let lane = Lane::Retransmission(Resend { first_sent: start, last_sent: start, resends: 0 });
    let _ = pacer.enqueue(start, lane, PACKET, 1);
    assert_eq!(pacer.poll(start + ms(600)), None);
    assert_eq!(pacer.poll_dropped(), Some(1));
}

#[test]
fn a_probe_leaves_at_its_rate_with_media_before_padding() {
    let start = origin();
    let mut pacer = pacer(Bitrate::kbps(300), 1);
    for item in 0..2 {
        let _ = pacer.enqueue(start, Lane::Video, PACKET, item);
    }
    pacer.start_probe(start, cluster(Bitrate::mbps(4), 8_000, 5));
    let released = drain(&mut pacer, start);
    assert_eq!(items(&released), [0, 1]);
    assert!(released.iter().all(|(_, release)| release.probe() == Some(ProbeId(7))));
    let size: DataSize = released.iter().map(|(_, release)| release.size()).sum();
    let rate = (size - released.last().unwrap().1.size()).per(released.last().unwrap().0 - start);
    assert!(size >= DataSize::bytes(8_000) && size < DataSize::bytes(8_300), "{size:?}");
    assert!(rate >= Bitrate::kbps(3_900) && rate <= Bitrate::kbps(4_100), "{rate}");
}

#[test]
fn a_probe_that_is_never_polled_ends() {
    let start = origin();
    let mut pacer = pacer(Bitrate::kbps(300), 1);
    pacer.start_probe(start, cluster(Bitrate::mbps(4), 8_000, 5));
    assert_eq!(pacer.poll(start + ms(301)), None);
    assert_eq!(pacer.poll_timeout(start + ms(301)), None);
}
