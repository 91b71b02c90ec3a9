//! The allocation of rooms: by hand, against brute force, and as budgets grow.

mod judge;
mod properties;
mod rooms;

use protocol::ladder::Rung;
use protocol::units::Bitrate;
use sfu::adapt::{DemandSnapshot, Layer, Priority, RoomSnapshot, SourceSnapshot, allocate};

use crate::rooms::{demand, encoding, subscriber};

fn camera(uplink: usize) -> SourceSnapshot {
    let encodings = vec![
        encoding(Rung::P180, 150, true),
        encoding(Rung::P480, 750, true),
        encoding(Rung::P720, 1_700, true),
    ];
    SourceSnapshot { uplink, is_muted: false, encodings }
}

/// What one camera gets within a budget.
fn alone(budget: u64) -> Option<Layer> {
    let room = RoomSnapshot {
        sources: vec![camera(0)],
        uplinks: vec![None],
        subscribers: vec![subscriber(budget, vec![demand(0, Priority::Consultation)])],
    };
    allocate(&room).layers[0][0]
}

#[test]
fn one_camera_by_budget() {
    let layer = |encoding, temporal| Some(Layer { encoding, temporal });
    let table = [
        (0, None),
        (59, None),
        (60, layer(0, 0)),
        (90, layer(0, 1)),
        (150, layer(0, 2)),
        // 480 lines at 7 frames per second show less of a face than 180 at 30.
        (400, layer(0, 2)),
        (450, layer(1, 1)),
        (750, layer(1, 2)),
        // Nor do 720 lines at 15 frames beat 480 at 30.
        (1_100, layer(1, 2)),
        (1_700, layer(2, 2)),
        (100_000, layer(2, 2)),
    ];
    for (budget, expected) in table {
        assert_eq!(alone(budget), expected, "{budget} kbit/s");
    }
}

#[test]
fn a_camera_that_is_off_takes_what_is_left() {
    let layer = |encoding, temporal| Some(Layer { encoding, temporal });
    let table = [
        (150, [None, layer(0, 2)]),
        (750, [None, layer(1, 2)]),
        (1_000, [layer(0, 0), layer(1, 2)]),
        (2_500, [layer(1, 2), layer(2, 2)]),
    ];
    for (budget, expected) in table {
        let wanted = vec![demand(0, Priority::Consultation), demand(1, Priority::Attendance)];
        let off = SourceSnapshot { is_muted: true, ..camera(0) };
        let room = RoomSnapshot {
            sources: vec![off, camera(1)],
            uplinks: vec![None, None],
            subscribers: vec![subscriber(budget, wanted)],
        };
        assert_eq!(allocate(&room).layers[0], expected, "{budget} kbit/s");
    }
}

#[test]
fn scarce_budget_goes_to_the_consultation_first() {
    let demands = |budget| {
        let wanted = vec![
            demand(0, Priority::Attendance),
            demand(1, Priority::Consultation),
            demand(2, Priority::Content),
        ];
        let room = RoomSnapshot {
            sources: vec![camera(0), camera(1), camera(2)],
            uplinks: vec![None; 3],
            subscribers: vec![subscriber(budget, wanted)],
        };
        allocate(&room).layers[0].iter().map(|layer| layer.map(|layer| layer.encoding)).collect::<Vec<_>>()
    };
    assert_eq!(demands(760), [None, Some(1), None]);
    assert_eq!(demands(1_510), [None, Some(1), Some(1)]);
    assert_eq!(demands(2_700), [Some(0), Some(1), Some(2)]);
    assert_eq!(demands(9_000), [Some(2), Some(2), Some(2)]);
}

#[test]
fn a_narrow_uplink_sends_the_most_useful_encodings() {
    let room = |limit| RoomSnapshot {
        sources: vec![camera(0)],
        uplinks: vec![Some(Bitrate::kbps(limit))],
        subscribers: vec![
            subscriber(9_000, vec![demand(0, Priority::Consultation)]),
            subscriber(200, vec![demand(0, Priority::Attendance)]),
        ],
    };
    let encodings = |limit| {
        let layers = allocate(&room(limit)).layers;
        [layers[0][0], layers[1][0]].map(|layer| layer.map(|layer| layer.encoding))
    };
    assert_eq!(encodings(3_000), [Some(2), Some(0)]);
    assert_eq!(encodings(1_000), [Some(1), Some(0)]);
    assert_eq!(encodings(100), [None, None]);
}

#[test]
fn a_tile_is_not_overfilled() {
    let small = DemandSnapshot { max_lines: 180, ..demand(0, Priority::Consultation) };
    let hidden = DemandSnapshot { max_lines: 0, ..small };
    let room = RoomSnapshot {
        sources: vec![camera(0)],
        uplinks: vec![None],
        subscribers: vec![subscriber(9_000, vec![small]), subscriber(9_000, vec![hidden])],
    };
    let layers = allocate(&room).layers;
    assert_eq!(layers[0][0], Some(Layer { encoding: 0, temporal: 2 }));
    assert_eq!(layers[1][0], None);
}
