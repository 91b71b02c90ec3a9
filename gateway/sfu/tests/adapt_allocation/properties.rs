//! What holds of every allocation: it breaks no rule, comes near the best there is, and grows with the budgets.

use proptest::prelude::*;
use protocol::units::Bitrate;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sfu::adapt::{RoomSnapshot, allocate};

use crate::judge::{best, violations};
use crate::rooms::{crowd, shapes};

/// Percent of the best utility that an allocation must reach.
const NEAR: u64 = 95;

fn assert_near_the_best(room: &RoomSnapshot) {
    let allocation = allocate(room);
    assert_eq!(violations(room, &allocation), Vec::<String>::new(), "{room:#?}");
    let best = best(room);
    assert!(allocation.utility <= best, "better than the best: {room:#?}");
    assert!(allocation.utility * 100 >= best * NEAR, "{} of {best}: {room:#?}", allocation.utility);
}

#[test]
fn every_small_shape_is_near_the_best() {
    let mut rng = StdRng::seed_from_u64(4);
    for shape in shapes() {
        for _ in 0..2 {
            assert_near_the_best(&shape.room(&mut rng));
        }
    }
}

#[test]
fn crowds_break_no_rule() {
    let mut rng = StdRng::seed_from_u64(30);
    for participants in [5, 8, 12, 20, 30] {
        for _ in 0..20 {
            let room = crowd(&mut rng, participants);
            assert_eq!(violations(&room, &allocate(&room)), Vec::<String>::new(), "{participants}");
        }
    }
}

/// More bandwidth anywhere never makes the room as a whole worse by more than what separates an allocation from
/// the best.
fn assert_monotone(room: &RoomSnapshot, widen: f64, slack: u64) {
    let before = allocate(room).utility;
    for subscriber in 0..room.subscribers.len() {
        let mut wider = room.clone();
        wider.subscribers[subscriber].budget = wider.subscribers[subscriber].budget.scaled(widen);
        let after = allocate(&wider).utility;
        assert!(after * 100 >= before * (100 - slack), "{before} {after}: {room:#?}");
    }
    for uplink in 0..room.uplinks.len() {
        let mut wider = room.clone();
        wider.uplinks[uplink] = wider.uplinks[uplink].map(|limit: Bitrate| limit.scaled(widen));
        let after = allocate(&wider).utility;
        assert!(after * 100 >= before * (100 - slack), "{before} {after}: {room:#?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn small_rooms_are_near_the_best_and_grow_with_budgets(seed in any::<u64>(), widen in 1.01..2.0) {
        let mut rng = StdRng::seed_from_u64(seed);
        let shapes = shapes();
        let room = shapes[(seed % shapes.len() as u64) as usize].room(&mut rng);
        assert_near_the_best(&room);
        assert_monotone(&room, widen, 0);
    }
}
