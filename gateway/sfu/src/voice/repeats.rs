//! The earlier frames that one packet carries again, found where the track keeps them: nothing is copied before the
//! packet is written.

use crate::rtp::Pt;
use crate::voice::redundancy::Redundancy;
use crate::voice::redundant_payload::{Block, fits, overhead, write_redundant};

/// Frames that a packet repeats at most.
const MOST: usize = Redundancy::Twice.generations();

/// The earlier frames of one packet, the oldest first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Repeats<'a> {
    frames: [Option<Frame<'a>>; MOST],
    overhead: usize,
}

#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    offset: u16,
    payload: &'a [u8],
}

impl<'a> Repeats<'a> {
    /// Takes the frames that fit from those that left before, the newest first: each with its timestamp on the
    /// publisher's clock. One that lies before a pause (DTX) is too far back to be told.
    pub(crate) fn gather(
        level: Redundancy,
        (timestamp, own): (u32, usize),
        before: impl Iterator<Item = Option<(u32, &'a [u8])>>,
    ) -> Self {
        let mut frames = [None; MOST];
        let slots = frames.iter_mut().rev();
        for (slot, earlier) in slots.zip(before.take(level.generations())) {
            *slot = earlier.and_then(|(at, payload)| {
                let ticks = timestamp.wrapping_sub(at);
                let offset = u16::try_from(ticks).ok().filter(|_| fits(ticks, payload.len()))?;
                Some(Frame { offset, payload })
            });
        }
        let mut lengths = frames.iter().flatten().map(|frame| frame.payload.len()).peekable();
        if lengths.peek().is_none() {
            return Self::default();
        }
        match overhead(own, lengths) {
            Some(overhead) => Self { frames, overhead },
            None => Self::default(),
        }
    }

    /// Whether a packet can tell a frame of that length so many ticks after it.
    pub(crate) fn fits(ticks: u32, length: usize) -> bool {
        fits(ticks, length)
    }

    /// How many they are.
    pub(crate) fn count(&self) -> usize {
        self.frames.iter().flatten().count()
    }

    /// What they add to the payload.
    pub(crate) fn overhead(&self) -> usize {
        self.overhead
    }

    /// Appends them and the packet's own frame.
    pub(crate) fn write(&self, out: &mut Vec<u8>, payload_type: Pt, own: &[u8]) {
        let block = |frame: &Frame<'a>| Block { payload_type, offset: frame.offset, payload: frame.payload };
        let primary = Block { payload_type, offset: 0, payload: own };
        write_redundant(out, self.frames.iter().flatten().map(block), primary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::voice::redundant_payload::RedundantPayload;

    const OWN: &[u8] = &[9, 9];

    /// The offsets that a packet at timestamp 10,000 repeats of frames of these timestamps, newest first.
    fn offsets(level: Redundancy, before: &[u32]) -> Vec<u16> {
        let body = [7; 80];
        let frames = before.iter().map(|at| Some((*at, &body[..])));
        let repeats = Repeats::gather(level, (10_000, OWN.len()), frames);
        let mut out = Vec::new();
        repeats.write(&mut out, Pt(111), OWN);
        assert_eq!(repeats.count() == 0, repeats.overhead() == 0);
        if repeats.count() > 0 {
            assert_eq!(out.len(), OWN.len() + repeats.overhead());
        }
        let read = RedundantPayload::parse(&out).expect("well formed");
        assert_eq!(read.primary().payload, OWN);
        read.earlier().map(|block| block.offset).collect()
    }

    #[test]
    fn so_many_frames_are_repeated_as_the_level_says() {
        let before = [9_040, 8_080, 7_120];
        assert_eq!(offsets(Redundancy::None, &before), [0_u16; 0]);
        assert_eq!(offsets(Redundancy::Once, &before), [960]);
        assert_eq!(offsets(Redundancy::Twice, &before), [1_920, 960]);
        assert_eq!(offsets(Redundancy::Twice, &before[..1]), [960]);
    }

    #[test]
    fn a_pause_or_a_late_packet_repeats_nothing() {
        assert_eq!(offsets(Redundancy::Twice, &[10_000_u32.wrapping_sub(19_200)]), [0_u16; 0]);
        assert_eq!(offsets(Redundancy::Twice, &[10_960, 9_040]), [960]);
        assert_eq!(offsets(Redundancy::Once, &[10_000]), [0_u16; 0]);
    }

    #[test]
    fn long_frames_are_not_repeated() {
        let body = [7; 700];
        let repeats =
            Repeats::gather(Redundancy::Once, (960, body.len()), [Some((0, &body[..]))].into_iter());
        assert_eq!((repeats.count(), repeats.overhead()), (0, 0));
    }
}
