//! What the forwarding path asks of the heap: nothing for a packet, so much for feedback and timers, and so much
//! memory for every subscriber. `make heap` prints where.

#[path = "../call/mod.rs"]
mod call;
mod call_site;
mod watched_heap;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::call::{Act, Call, Tally, unwatched};
use crate::call_site::call_site;
use crate::watched_heap::{Keeping, for_each_piece, keep, take_sites, watched};

/// Of a room in which one publishes.
const SUBSCRIBERS: usize = 8;

/// Until stores and queues have their size, estimates have settled, and probes have become rare.
const SETTLING: Duration = Duration::from_secs(20);

/// What is counted.
const STEADY: Duration = Duration::from_secs(5);

/// Allocations that one act of a kind may make, on average. A deadline is the whole room's: most of it are decisions
/// on everybody in it.
const BOUNDS: [(Act, f64); 5] = [
    (Act::Feedback, 6.5),
    (Act::Timeout, 22.0),
    (Act::Upkeep, 0.01),
    (Act::Output, 0.0),
    (Act::Connect, 36.0),
];

/// How often something was done, and how often it asked for memory.
#[derive(Default)]
struct Asked {
    acts: u64,
    allocations: u64,
    sites: BTreeMap<String, u64>,
}

/// Lets a call run for a while in its steady state.
fn steady_state() -> (BTreeMap<Act, Asked>, Tally) {
    let mut call = Call::new(SUBSCRIBERS, &mut unwatched);
    call.run(SETTLING, &mut unwatched);
    call.take_tally();
    keep(Keeping::Sites);
    let mut asked: BTreeMap<Act, Asked> = BTreeMap::new();
    call.run(STEADY, &mut |act, work| {
        let allocations = watched(work);
        let asked = asked.entry(act).or_default();
        asked.acts += 1;
        asked.allocations += allocations;
        for site in take_sites() {
            *asked.sites.entry(call_site(&site)).or_default() += 1;
        }
    });
    (asked, call.take_tally())
}

#[test]
#[expect(clippy::print_stdout, reason = "the table is what `make heap` is run for")]
fn a_forwarded_packet_asks_for_no_memory() {
    let (asked, tally) = steady_state();
    let expected = tally.arrived * SUBSCRIBERS as u64;
    assert!(tally.arrived > 900, "media flows: {tally:?}");
    assert!(tally.forwarded * 100 >= expected * 98, "packets leave at once: {tally:?}");
    for (act, Asked { acts, allocations, sites }) in &asked {
        println!("{act:?}: {allocations} allocations in {acts}");
        let mut sites: Vec<_> = sites.iter().collect();
        sites.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        sites.iter().for_each(|(site, count)| println!("{count:>8}  {site}"));
    }
    for act in [Act::Media, Act::Forward] {
        assert_eq!(asked[&act].allocations, 0, "{act:?}: {:?}", asked[&act].sites);
    }
    for (act, bound) in BOUNDS {
        let Asked { acts, allocations, .. } = &asked[&act];
        let each = *allocations as f64 / *acts as f64;
        assert!(each <= bound, "{act:?} asks for memory {each:.1} times");
    }
}

/// Bytes and pieces by who asked for them.
type Kept = BTreeMap<String, (usize, usize)>;

/// What the media plane keeps of a call with so many subscribers, after so much time without and with media.
fn kept(subscribers: usize, media: Duration) -> Kept {
    let mut watch = |_: Act, work: &mut dyn FnMut()| {
        let _ = watched(work);
    };
    let mut call = Call::new(subscribers, &mut watch);
    call.pass_time(IDLING, &mut watch);
    call.run(media, &mut watch);
    let mut kept = Kept::new();
    for_each_piece(|piece| {
        let site = call_site(&piece.site);
        let (bytes, pieces) = kept.entry(site).or_default();
        *bytes += on_the_heap(piece.size);
        *pieces += 1;
    });
    kept
}

/// What the allocator of glibc takes for a piece: eight bytes more, in steps of sixteen.
fn on_the_heap(size: usize) -> usize {
    (size + 8).next_multiple_of(16).max(32)
}

/// Until handshakes are done with.
const IDLING: Duration = Duration::from_secs(5);

/// Subscribers beyond the first whose mean is taken.
const MORE: usize = SUBSCRIBERS - 1;

/// Sites that are told.
const MOST_SITES: usize = 30;

/// Bytes that one more subscriber may take: connected, and after 20 s of 1.5 Mbit/s.
const IDLE_BOUND: usize = 25 * 1024;
const ACTIVE_BOUND: usize = 64 * 1024;

/// What one more subscriber takes, by the difference of two calls.
#[expect(clippy::print_stdout, reason = "the table is what `make heap` is run for")]
fn memory_of_a_subscriber(media: Duration) -> usize {
    let in_thread = |subscribers| {
        // A thread has books of its own.
        let thread = std::thread::spawn(move || {
            keep(Keeping::Pieces);
            kept(subscribers, media)
        });
        thread.join().expect("a call that runs")
    };
    let (one, many) = (in_thread(1), in_thread(1 + MORE));
    let mut sites: Vec<(f64, f64, &str)> = many
        .iter()
        .map(|(site, (bytes, pieces))| {
            let (before, pieces_before) = one.get(site).copied().unwrap_or_default();
            let each = |many: usize, one: usize| (many as f64 - one as f64) / MORE as f64;
            (each(*bytes, before), each(*pieces, pieces_before), site.as_str())
        })
        .collect();
    sites.sort_by(|one, other| other.0.total_cmp(&one.0));
    let total: f64 = sites.iter().map(|(bytes, ..)| bytes).sum();
    println!("one more subscriber after {media:?} of media: {total:.0} bytes");
    for (bytes, pieces, site) in sites.iter().take(MOST_SITES) {
        println!("{bytes:>8.0} bytes in {pieces:>5.1} pieces  {site}");
    }
    total as usize
}

#[test]
fn a_subscriber_that_waits_takes_little_memory() {
    let bytes = memory_of_a_subscriber(Duration::ZERO);
    assert!(bytes <= IDLE_BOUND, "{bytes} bytes");
}

#[test]
fn a_subscriber_that_watches_takes_little_memory() {
    let bytes = memory_of_a_subscriber(SETTLING);
    assert!(bytes <= ACTIVE_BOUND, "{bytes} bytes");
}
