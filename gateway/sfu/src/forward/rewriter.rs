//! One continuous stream out of whichever encodings a subscriber gets: the sequence number, the
//! timestamp and the picture id go on without a gap over switches and skipped frames (RFC 3550, RFC 7741 §4.2, RFC 9628 §4.2).

/// Late packets of a picture older than this many packets are not forwarded any more.
pub(crate) const VIDEO_WINDOW: usize = 512;

/// Likewise of a voice: more than a second of it, and a player waits less.
pub(crate) const AUDIO_WINDOW: usize = 64;

/// What the rewriter looks at in a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamMark {
    /// Unwrapped sequence number within its encoding.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    /// VP8 or VP9 picture id, as wide as it came.
    pub(crate) picture_id: Option<u16>,
    /// VP8 or VP9 index of base-layer frames.
    pub(crate) tl0_pic_idx: Option<u8>,
    /// What becomes of the ids of skipped pictures.
    pub(crate) picture_ids: PictureIds,
}

/// What becomes of the ids of skipped pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PictureIds {
    /// The next picture gets them: a missing one reads as a lost frame (VP8).
    Contiguous,
    /// They are left out: frames name those that they need by their distance (RFC 9628 §4.2, P_DIFF).
    Sparse,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) picture_id: u16,
    pub(crate) tl0_pic_idx: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Nothing is known.
    Unknown,
    /// Has a place in the outgoing stream.
    Placed,
    /// Left out of it.
    Skipped,
}

/// Every subscription has hundreds, so they are packed.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The low bits of the number: what lies a cycle back has long been overwritten.
    incoming: u16,
    outgoing: u16,
    picture_id_offset: u16,
    fate: Fate,
}

const NOWHERE: Place = Place { incoming: 0, outgoing: 0, picture_id_offset: 0, fate: Fate::Unknown };

/// How the encoding that is being forwarded maps to the outgoing stream.
#[derive(Debug, Clone, Copy)]
struct Mapping {
    highest: u64,
    timestamp_offset: u32,
    picture_id_offset: u16,
    tl0_offset: u8,
    skipped_picture: Option<u16>,
}

/// The rewriter of one subscription.
#[derive(Debug)]
pub(crate) struct Rewriter {
    mapping: Option<Mapping>,
    /// By number, a window of them; none before the stream begins.
    places: Vec<Place>,
    window: usize,
    last: Rewritten,
}

impl Rewriter {
    /// Starts a stream at the given sequence number and timestamp, which should be random (RFC 3550 §5.1). A packet is
    /// late for it if it is `window` packets behind.
    pub(crate) fn new(sequence: u16, timestamp: u32, window: usize) -> Self {
        Self {
            mapping: None,
            places: Vec::new(),
            window,
            last: Rewritten { sequence, timestamp, picture_id: 0, tl0_pic_idx: 0 },
        }
    }

    /// The timestamp of the newest packet that was placed.
    pub(crate) fn last_timestamp(&self) -> u32 {
        self.last.timestamp
    }

    /// What to add to a timestamp of the current encoding.
    pub(crate) fn timestamp_offset(&self) -> Option<u32> {
        self.mapping.map(|mapping| mapping.timestamp_offset)
    }

    /// Places the first packet of another encoding right behind the last one, at the given timestamp.
    pub(crate) fn switch(&mut self, packet: StreamMark, timestamp: u32) -> Rewritten {
        self.places.clear();
        self.places.resize(self.window, NOWHERE);
        let picture_id = self.last.picture_id.wrapping_add(1) & 0x7fff;
        let tl0_pic_idx = self.last.tl0_pic_idx.wrapping_add(1);
        let mapping = Mapping {
            highest: packet.sequence,
            timestamp_offset: timestamp.wrapping_sub(packet.timestamp),
            picture_id_offset: packet.picture_id.unwrap_or(0).wrapping_sub(picture_id),
            tl0_offset: packet.tl0_pic_idx.unwrap_or(0).wrapping_sub(tl0_pic_idx),
            skipped_picture: None,
        };
        self.mapping = Some(mapping);
        let outgoing = self.last.sequence.wrapping_add(1);
        self.place(packet.sequence, Fate::Placed, outgoing, mapping.picture_id_offset);
        self.last = Rewritten { sequence: outgoing, timestamp, picture_id, tl0_pic_idx };
        self.last
    }

    /// Places a packet of the current encoding; `None` for one that is too late or was skipped.
    pub(crate) fn forward(&mut self, packet: StreamMark) -> Option<Rewritten> {
        let mapping = self.mapping?;
        if packet.sequence <= mapping.highest {
            return self.forward_late(mapping, packet);
        }
        self.reserve_gap(mapping, packet.sequence);
        let outgoing = self.last.sequence.wrapping_add(1);
        self.place(packet.sequence, Fate::Placed, outgoing, mapping.picture_id_offset);
        self.mapping = Some(Mapping { highest: packet.sequence, skipped_picture: None, ..mapping });
        let rewritten = mapping.rewrite(packet, outgoing, mapping.picture_id_offset);
        self.last = rewritten;
        Some(rewritten)
    }

    fn forward_late(&self, mapping: Mapping, packet: StreamMark) -> Option<Rewritten> {
        let place = self.placed(mapping, packet.sequence)?;
        Some(mapping.rewrite(packet, place.outgoing, place.picture_id_offset))
    }

    /// Leaves a packet of the current encoding out. `true` where it has a place already, because it
    /// arrives late and its place was kept: then it must be forwarded after all.
    pub(crate) fn skip(&mut self, packet: StreamMark) -> bool {
        let Some(mapping) = self.mapping else { return false };
        if packet.sequence <= mapping.highest {
            return self.placed(mapping, packet.sequence).is_some();
        }
        self.reserve_gap(mapping, packet.sequence);
        self.place(packet.sequence, Fate::Skipped, 0, 0);
        let is_new_picture = packet.picture_ids == PictureIds::Contiguous
            && packet.picture_id.is_some()
            && packet.picture_id != mapping.skipped_picture;
        self.mapping = Some(Mapping {
            highest: packet.sequence,
            picture_id_offset: mapping.picture_id_offset.wrapping_add(is_new_picture.into()),
            skipped_picture: packet.picture_id,
            ..mapping
        });
        false
    }

    /// Keeps a place for each packet that is missing before `until`: it may still come.
    fn reserve_gap(&mut self, mapping: Mapping, until: u64) {
        let missing = (until - mapping.highest - 1) as u16;
        let kept = u64::from(missing).min(self.window as u64 - 1);
        for back in (1..=kept).rev() {
            let outgoing = self.last.sequence.wrapping_add(missing).wrapping_sub(back as u16).wrapping_add(1);
            self.place(until - back, Fate::Placed, outgoing, mapping.picture_id_offset);
        }
        self.last.sequence = self.last.sequence.wrapping_add(missing);
    }

    /// Takes back the newest packets down to `sequence`, which never left: the next one follows it.
    pub(crate) fn rewind(&mut self, sequence: u16) {
        self.last.sequence = sequence;
        self.mapping = None;
    }

    fn place(&mut self, incoming: u64, fate: Fate, outgoing: u16, picture_id_offset: u16) {
        let place = incoming as usize & (self.window - 1);
        if let Some(place) = self.places.get_mut(place) {
            *place = Place { incoming: incoming as u16, outgoing, picture_id_offset, fate };
        }
    }

    /// The place that a packet has behind the newest one.
    fn placed(&self, mapping: Mapping, incoming: u64) -> Option<Place> {
        let place = *self.places.get(incoming as usize & (self.window - 1))?;
        let is_it = mapping.highest - incoming < self.window as u64 && place.incoming == incoming as u16;
        (is_it && place.fate == Fate::Placed).then_some(place)
    }
}

impl Mapping {
    fn rewrite(self, packet: StreamMark, sequence: u16, picture_id_offset: u16) -> Rewritten {
        Rewritten {
            sequence,
            timestamp: packet.timestamp.wrapping_add(self.timestamp_offset),
            picture_id: packet.picture_id.unwrap_or(0).wrapping_sub(picture_id_offset) & 0x7fff,
            tl0_pic_idx: packet.tl0_pic_idx.unwrap_or(0).wrapping_sub(self.tl0_offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u64) -> StreamMark {
        StreamMark {
            sequence,
            timestamp: sequence as u32 * 3_000,
            picture_id: Some(sequence as u16 & 0x7fff),
            tl0_pic_idx: Some((sequence / 4) as u8),
            picture_ids: PictureIds::Contiguous,
        }
    }

    fn sequences(rewriter: &mut Rewriter, incoming: &[u64]) -> Vec<Option<u16>> {
        incoming.iter().map(|number| rewriter.forward(packet(*number)).map(|out| out.sequence)).collect()
    }

    fn rewriter_at(first: u64) -> Rewriter {
        let mut rewriter = Rewriter::new(99, 1_000_000, VIDEO_WINDOW);
        assert_eq!(rewriter.switch(packet(first), 1_003_000).sequence, 100);
        rewriter
    }

    #[test]
    fn a_switch_continues_all_numbers() {
        let mut rewriter = rewriter_at(5);
        let before = rewriter.forward(packet(6)).unwrap();
        let after = rewriter.switch(packet(70_000), before.timestamp + 3_000);
        assert_eq!(after.sequence, before.sequence + 1);
        assert_eq!(after.picture_id, before.picture_id + 1);
        let next = rewriter.forward(packet(70_001)).unwrap();
        assert_eq!(next.timestamp, after.timestamp + 3_000);
        assert_eq!(next.picture_id, after.picture_id + 1);
    }

    #[test]
    fn a_gap_keeps_its_places_for_late_packets() {
        let mut rewriter = rewriter_at(10);
        assert_eq!(
            sequences(&mut rewriter, &[11, 14, 13, 12, 15, 12]),
            [Some(101), Some(104), Some(103), Some(102), Some(105), Some(102)]
        );
    }

    #[test]
    fn skipped_packets_leave_no_gap() {
        let mut rewriter = rewriter_at(10);
        let first = rewriter.forward(packet(11)).unwrap();
        assert!(!rewriter.skip(packet(12)));
        assert!(!rewriter.skip(packet(13)));
        let second = rewriter.forward(packet(14)).unwrap();
        assert_eq!(second.sequence, first.sequence + 1);
        assert_eq!(second.picture_id, first.picture_id + 1);
        assert_eq!(rewriter.forward(packet(12)), None, "a skipped packet stays skipped");
    }

    #[test]
    fn distances_between_sparse_picture_ids_stay() {
        let mut rewriter = Rewriter::new(99, 0, VIDEO_WINDOW);
        let sparse = |sequence| StreamMark { picture_ids: PictureIds::Sparse, ..packet(sequence) };
        let first = rewriter.switch(sparse(10), 0);
        rewriter.skip(sparse(11));
        let next = rewriter.forward(sparse(12)).unwrap();
        assert_eq!(next.sequence, first.sequence + 1);
        assert_eq!(next.picture_id, first.picture_id + 2);
    }

    #[test]
    fn a_skipped_packet_whose_place_was_kept_is_asked_for() {
        let mut rewriter = rewriter_at(10);
        rewriter.forward(packet(12));
        assert!(rewriter.skip(packet(11)));
        assert_eq!(sequences(&mut rewriter, &[11]), [Some(101)]);
    }

    #[test]
    fn packets_before_the_switch_or_beyond_the_window_are_refused() {
        let mut rewriter = rewriter_at(1_000);
        assert_eq!(sequences(&mut rewriter, &[999]), [None]);
        rewriter.forward(packet(5_000));
        assert_eq!(sequences(&mut rewriter, &[1_001, 4_999]), [None, Some(4_099)]);
    }

    #[test]
    fn a_rewind_gives_numbers_of_unsent_packets_out_again() {
        let mut rewriter = rewriter_at(10);
        sequences(&mut rewriter, &[11, 12, 13]);
        rewriter.rewind(101);
        assert_eq!(rewriter.forward(packet(14)), None, "only a key frame may follow");
        assert_eq!(rewriter.switch(packet(15), 0).sequence, 102);
    }

    #[test]
    fn all_numbers_wrap() {
        let mut rewriter = Rewriter::new(u16::MAX, u32::MAX, VIDEO_WINDOW);
        let mark = |sequence| StreamMark { picture_id: Some(0x7fff), ..packet(sequence) };
        let first = rewriter.switch(mark(1), 5);
        assert_eq!((first.sequence, first.timestamp), (0, 5));
        let second = rewriter.forward(StreamMark { picture_id: Some(0), ..packet(2) }).unwrap();
        assert_eq!(second.picture_id, first.picture_id + 1);
    }
}
