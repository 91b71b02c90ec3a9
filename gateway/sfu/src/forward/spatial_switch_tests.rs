//! The layer switch and the rewriter on streams with spatial layers, as Chromium sends them in L3T3_KEY and L3T3.

use proptest::prelude::*;

use super::*;
use crate::forward::rewriter::{PictureIds, Rewriter, StreamMark, VIDEO_WINDOW};

/// Which layers rest on lower ones of their picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Prediction {
    /// Those of key pictures: L3T3_KEY.
    KeyPictures,
    /// Those of every picture: L3T3.
    AllPictures,
}

const LAYERS: u8 = 3;
const TEMPORAL: [u8; 4] = [0, 2, 1, 2];

fn frame(picture: u32, is_key: bool, id: u8, prediction: Prediction) -> LayerMark {
    let feeds_upper = is_key || prediction == Prediction::AllPictures;
    LayerMark {
        encoding: 0,
        timestamp: picture.wrapping_mul(3_000),
        starts_key_frame: is_key && id == 0,
        temporal: Some(if is_key { 0 } else { TEMPORAL[picture as usize % 4] }),
        layer_sync: is_key && id == 0,
        opens_upper: true,
        spatial: Some(SpatialFrame {
            id,
            needed_by: if feeds_upper { SpatialSet::from(id) } else { SpatialSet::only(id) },
            top: LAYERS - 1,
        }),
    }
}

fn show(switch: &mut LayerSwitch, picture: u32, is_key: bool, prediction: Prediction) -> Vec<u8> {
    let goes = |id: &u8| {
        let decision = switch.decide(frame(picture, is_key, *id, prediction));
        matches!(decision, Decision::Forward | Decision::Switch)
    };
    (0..LAYERS).filter(goes).collect()
}

fn layer(encoding: u8, temporal: u8) -> Option<Layer> {
    Some(Layer { encoding, temporal })
}

#[test]
fn between_key_pictures_a_subscriber_gets_its_own_layer_alone() {
    let mut switch = LayerSwitch::default();
    switch.set_target(layer(1, 2), Descent::Graceful);
    assert_eq!(show(&mut switch, 3, false, Prediction::KeyPictures), []);
    assert_eq!(show(&mut switch, 4, true, Prediction::KeyPictures), [0, 1]);
    assert_eq!(show(&mut switch, 5, false, Prediction::KeyPictures), [1]);
    switch.set_target(layer(2, 2), Descent::Graceful);
    assert_eq!(switch.awaits_key_frame(), Some(2));
    assert_eq!(show(&mut switch, 6, false, Prediction::KeyPictures), [1]);
    assert_eq!(show(&mut switch, 7, true, Prediction::KeyPictures), [0, 1, 2]);
    assert_eq!(show(&mut switch, 8, false, Prediction::KeyPictures), [2]);
    assert_eq!(switch.awaits_key_frame(), None);
}

#[test]
fn a_descent_awaits_a_key_picture_only_where_the_lower_layer_was_left_out() {
    for (prediction, shown, awaited) in
        [(Prediction::KeyPictures, vec![2], Some(1)), (Prediction::AllPictures, vec![0, 1], None)]
    {
        let mut switch = LayerSwitch::default();
        switch.set_target(layer(2, 2), Descent::Graceful);
        show(&mut switch, 0, true, prediction);
        show(&mut switch, 1, false, prediction);
        switch.set_target(layer(1, 2), Descent::Graceful);
        assert_eq!(switch.awaits_key_frame(), awaited, "{prediction:?}");
        assert_eq!(show(&mut switch, 2, false, prediction), shown, "{prediction:?}");
    }
}

#[test]
fn an_urgent_descent_stops_what_cannot_go_on() {
    let mut switch = LayerSwitch::default();
    switch.set_target(layer(2, 2), Descent::Graceful);
    show(&mut switch, 0, true, Prediction::KeyPictures);
    show(&mut switch, 1, false, Prediction::KeyPictures);
    switch.set_target(layer(0, 2), Descent::AtOnce);
    assert_eq!(show(&mut switch, 2, false, Prediction::KeyPictures), []);
    assert_eq!(show(&mut switch, 3, true, Prediction::KeyPictures), [0]);
}

#[test]
fn a_stream_without_the_wanted_layer_gives_the_best_that_it_has() {
    let mut switch = LayerSwitch::default();
    switch.set_target(layer(2, 2), Descent::Graceful);
    let mut only = frame(0, true, 0, Prediction::KeyPictures);
    only.spatial = Some(SpatialFrame { id: 0, needed_by: SpatialSet::ALL, top: 0 });
    assert_eq!(switch.decide(only), Decision::Switch);
    assert_eq!(switch.awaits_key_frame(), None, "no key picture would bring it");
}

#[test]
fn a_key_picture_whose_beginning_comes_late_starts_nothing() {
    let mut switch = LayerSwitch::default();
    switch.set_target(layer(0, 2), Descent::Graceful);
    let mut second_packet = frame(4, true, 0, Prediction::KeyPictures);
    second_packet.starts_key_frame = false;
    assert_eq!(switch.decide(second_packet), Decision::Ignore);
    assert_eq!(switch.decide(frame(4, true, 0, Prediction::KeyPictures)), Decision::Ignore);
    assert_eq!(switch.awaits_key_frame(), Some(0));
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Picture { is_key: bool },
    Target(Option<(u8, u8)>, Descent),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let descent = prop_oneof![Just(Descent::Graceful), Just(Descent::AtOnce)];
    let target = proptest::option::weighted(0.9, (0..LAYERS, 0..3_u8));
    let step = prop_oneof![
        6 => proptest::bool::weighted(0.2).prop_map(|is_key| Step::Picture { is_key }),
        1 => (target, descent).prop_map(|(target, descent)| Step::Target(target, descent)),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    /// Whatever is asked for, what goes has no gap in its numbers, and a frame goes only where everything that it
    /// rests on has gone.
    #[test]
    fn numbers_have_no_gap_and_frames_have_what_they_rest_on(
        steps in steps(),
        prediction in prop_oneof![Just(Prediction::KeyPictures), Just(Prediction::AllPictures)],
    ) {
        let mut switch = LayerSwitch::default();
        let mut rewriter = Rewriter::new(100, 0, VIDEO_WINDOW);
        let (mut picture, mut incoming, mut last) = (0, 1_000, 100_u16);
        // Per spatial layer: whether the frames at T0 and T1 that the next ones rest on have gone.
        let mut has = [[false; 2]; LAYERS as usize];
        for step in steps {
            let is_key = match step {
                Step::Target(target, descent) => {
                    switch.set_target(target.map(|(encoding, temporal)| Layer { encoding, temporal }), descent);
                    continue;
                }
                Step::Picture { is_key } => is_key,
            };
            picture += 1;
            let mut below_went = true;
            for id in 0..LAYERS {
                let packet = frame(picture, is_key, id, prediction);
                incoming += 1;
                let mark = StreamMark {
                    sequence: incoming,
                    timestamp: packet.timestamp,
                    picture_id: Some(picture as u16 & 0x7fff),
                    tl0_pic_idx: None,
                    picture_ids: PictureIds::Sparse,
                };
                let numbers = match switch.decide(packet) {
                    Decision::Ignore => None,
                    Decision::Skip => { prop_assert!(!rewriter.skip(mark)); None }
                    Decision::Forward => rewriter.forward(mark),
                    Decision::Switch => Some(rewriter.switch(mark, packet.timestamp)),
                };
                let temporal = packet.temporal.unwrap_or(0);
                let went = numbers.is_some();
                if let Some(numbers) = numbers {
                    prop_assert_eq!(numbers.sequence, last.wrapping_add(1));
                    last = numbers.sequence;
                    let rests_below = is_key || prediction == Prediction::AllPictures;
                    prop_assert!(id == 0 || !rests_below || below_went, "S{} without what lies below", id);
                    let previous = has[usize::from(id)];
                    let reference = if temporal == 2 && picture % 4 == 3 { previous[1] } else { previous[0] };
                    prop_assert!(is_key || reference, "S{} T{} without its reference", id, temporal);
                }
                let kept = &mut has[usize::from(id)];
                if is_key {
                    *kept = [went; 2];
                } else if temporal == 0 {
                    *kept = [went, false];
                } else if temporal == 1 {
                    kept[1] = went;
                }
                below_went = went;
            }
        }
    }
}
