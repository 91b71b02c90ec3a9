use super::*;

/// Writes bits, most significant first.
#[derive(Default)]
struct BitWriter {
    bytes: Vec<u8>,
    used: usize,
}

impl BitWriter {
    fn put(&mut self, count: usize, value: u32) -> &mut Self {
        for bit in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let last = self.bytes.len() - 1;
            self.bytes[last] |= ((value >> bit & 1) as u8) << (7 - self.used % 8);
            self.used += 1;
        }
        self
    }
}

impl BitWriter {
    fn put_all(&mut self, count: usize, values: &[u32]) -> &mut Self {
        values.iter().for_each(|value| {
            self.put(count, *value);
        });
        self
    }
}

/// The first descriptors of an AV1 stream in L3T3_KEY, as Chromium 156 sent them.
const CHROMIUM_AV1: [&str; 11] = [
    "c0000180081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a800060000400016d549241b5524906d54923157e00\
     1974ca864330e222396eca8655304224390eca87753013f00b3027f016704ff02cf",
    "c50002",
    "8a0003",
    "4a0003",
    "c30004",
    "c80005",
    "8d0006",
    "4d0006",
    "c20007",
    "c70008",
    "c1000d",
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.bytes().filter_map(|digit| char::from(digit).to_digit(16).map(|d| d as u8)).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn read_chromium() -> (Vec<FrameDependency>, DependencyStructure) {
    let mut known = None;
    let frames =
        CHROMIUM_AV1.iter().map(|hex| FrameDependency::read(&bytes(hex), &mut known).expect("well formed"));
    let frames = frames.collect();
    (frames, *known.expect("a structure"))
}

#[test]
fn chromium_says_the_layers_of_its_frames() {
    let (frames, structure) = read_chromium();
    let places: Vec<(u8, u8)> = frames.iter().map(|frame| (frame.spatial.id, frame.temporal)).collect();
    let key_and_top = [(0, 0), (1, 0), (2, 0), (2, 0)];
    assert_eq!(places[..4], key_and_top);
    assert_eq!(places[4..], [(0, 2), (1, 2), (2, 2), (2, 2), (0, 1), (1, 1), (0, 0)]);
    assert_eq!(structure.spatial.sizes.map(|size| size.map(|size| size.height)), [180, 360, 720].map(Some));
    assert_eq!((structure.target_count, structure.spatial.top), (9, 2));
}

#[test]
fn upper_layers_need_lower_ones_in_key_pictures_only() {
    let (frames, _) = read_chromium();
    let needed_by =
        |index: usize| (0..3).filter(|id| frames[index].spatial.needed_by.contains(*id)).collect();
    let needed: Vec<Vec<u8>> = (0..frames.len()).map(needed_by).collect();
    assert_eq!(needed[..4], [vec![0, 1, 2], vec![1, 2], vec![2], vec![2]]);
    assert_eq!(needed[4..], [[0], [1], [2], [2], [0], [1], [0]]);
}

#[test]
fn frames_begin_and_end_where_the_descriptor_says() {
    let (frames, _) = read_chromium();
    let bounds = |index: usize| (frames[index].starts_frame, frames[index].ends_frame);
    assert_eq!([0, 2, 3].map(bounds), [(true, true), (true, false), (false, true)]);
    assert!(frames[0].starts_sequence && frames[1..].iter().all(|frame| !frame.starts_sequence));
    let opens: Vec<bool> = frames.iter().map(|frame| frame.opens_upper).collect();
    assert_eq!(opens[..4], [true; 4]);
    assert_eq!(opens[4..], [false, false, false, false, true, true, true], "behind T0 and T1, not behind T2");
}

/// A structure of one spatial and two temporal layers with a chain, and its first frame, which says for itself
/// that only the first target has it.
fn hand_made() -> Vec<u8> {
    let mut writer = BitWriter::default();
    writer.put_all(1, &[1, 1]).put(6, 61).put(16, 7).put_all(1, &[1, 1, 1, 1, 1]);
    // Template ids from 60 on, two targets; templates T0 (key), T0, T1.
    writer.put(6, 60).put(5, 1).put_all(2, &[0, 1, 3]);
    writer.put_all(2, &[2, 2]).put_all(2, &[2, 2]).put_all(2, &[0, 1]);
    writer.put(1, 0).put(1, 1).put(4, 1).put(1, 0).put(1, 1).put(4, 0).put(1, 0);
    // One chain of at most two, and its distances; ns(3) writes 1 as `10`.
    writer.put(2, 2).put_all(4, &[0, 2, 1]).put(1, 0);
    // Active targets, then the frame's own indications, differences and chain.
    writer.put(2, 1).put_all(2, &[1, 0]).put(2, 1).put(4, 3).put(2, 0).put(8, 9);
    writer.bytes.clone()
}

#[test]
fn a_frame_may_differ_from_its_template() {
    let mut known = None;
    let frame = FrameDependency::read(&hand_made(), &mut known).expect("well formed");
    assert_eq!((frame.spatial.id, frame.temporal, frame.opens_upper), (0, 0, false));
    assert!(frame.spatial.needed_by.contains(0));
    // Template 62 is that of T1, 64 - 1 lies behind the list.
    let upper = FrameDependency::read(&[0xC0 | 62, 0, 8], &mut known).expect("well formed");
    assert_eq!(upper.temporal, 1);
    assert_eq!(FrameDependency::read(&[0xC0 | 63, 0, 8], &mut known), Err(DependencyError::UnknownStructure));
}

#[test]
fn what_is_cut_off_or_out_of_place_is_an_error() {
    let whole = bytes(CHROMIUM_AV1[0]);
    for len in (0..whole.len() - 1).filter(|len| *len != MANDATORY_LEN) {
        assert_eq!(FrameDependency::read(&whole[..len], &mut None), Err(DependencyError::Truncated), "{len}");
    }
    assert_eq!(FrameDependency::read(&whole[..3], &mut None), Err(DependencyError::UnknownStructure));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_survived(
        first in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..160),
        second in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40),
        spoilt in 0..90_usize,
        with in proptest::prelude::any::<u8>(),
    ) {
        let mut known = None;
        let mut chromium = bytes(CHROMIUM_AV1[0]);
        chromium[spoilt] = with;
        for descriptor in [&first, &second, &chromium, &second] {
            let _ = FrameDependency::read(descriptor, &mut known);
        }
    }
}
