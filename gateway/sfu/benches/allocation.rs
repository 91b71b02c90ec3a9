//! How near allocations come to the best there is in small rooms, and how long one of a large room takes.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints"
)]

#[path = "../tests/adapt_allocation/judge.rs"]
mod judge;
#[path = "../tests/adapt_allocation/rooms.rs"]
mod rooms;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use report::results::{DEFAULT_DIR, Row, Target, record};
use sfu::adapt::{RoomSnapshot, allocate};

use crate::rooms::{crowd, shapes};

/// Small rooms of each shape.
const ROOMS_PER_SHAPE: usize = 10;

/// Large rooms, and the allocations that warm the caches up.
const CROWDS: usize = 3_000;
const WARM_UP: usize = 300;
const PARTICIPANTS: usize = 30;

/// Each room is solved so often, and the quickest counts: what else runs on the core is not the allocation's.
const REPEATS: usize = 5;

fn main() -> anyhow::Result<()> {
    let mut rng = StdRng::seed_from_u64(1);
    let mut rows = small_rooms(&mut rng);
    rows.extend(large_rooms(&mut rng));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let results = record(&root.join(DEFAULT_DIR), "allocation", "make allocation", rows)?;
    println!("{}", results.table());
    Ok(())
}

/// Every shape of up to four participants, three sources and four rungs, against brute force.
fn small_rooms(rng: &mut StdRng) -> Vec<Row> {
    let (mut rooms, mut best_found, mut broken, mut worst) = (0, 0, 0, 0.0_f64);
    for shape in shapes() {
        for _ in 0..ROOMS_PER_SHAPE {
            let room = shape.room(rng);
            let allocation = allocate(&room);
            let best = judge::best(&room);
            rooms += 1;
            broken += judge::violations(&room, &allocation).len();
            best_found += usize::from(allocation.utility == best);
            if best > 0 {
                worst = worst.max(100.0 * (1.0 - allocation.utility as f64 / best as f64));
            }
        }
    }
    vec![
        Row::new("small rooms compared with brute force", f64::from(rooms), ""),
        Row::new("small rooms at the best there is", 100.0 * best_found as f64 / f64::from(rooms), "%"),
        Row::new("gap to brute force, worst", worst, "%").against(Target::AtMost(5.0)),
        Row::new("constraints broken in small rooms", broken as f64, "").against(Target::AtMost(0.0)),
    ]
}

fn large_rooms(rng: &mut StdRng) -> Vec<Row> {
    let crowds: Vec<RoomSnapshot> = (0..CROWDS).map(|_| crowd(rng, PARTICIPANTS)).collect();
    crowds.iter().take(WARM_UP).for_each(|room| drop(black_box(allocate(room))));
    let mut broken = 0;
    let mut times: Vec<Duration> = Vec::with_capacity(CROWDS);
    for room in &crowds {
        let time = || {
            let begun = Instant::now();
            let allocation = black_box(allocate(black_box(room)));
            (begun.elapsed(), allocation)
        };
        let runs: Vec<_> = (0..REPEATS).map(|_| time()).collect();
        broken += judge::violations(room, &runs[0].1).len();
        times.extend(runs.iter().map(|(time, _)| *time).min());
    }
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
    vec![
        Row::new("constraints broken in rooms of 30", broken as f64, "").against(Target::AtMost(0.0)),
        Row::new("30 participants solved, p50", at(0.5), "ms"),
        Row::new("30 participants solved, p99", at(0.99), "ms").against(Target::AtMost(2.0)),
        Row::new("30 participants solved, longest", at(1.0), "ms"),
    ]
}
