//! The recent packets of one received stream in plain text, kept once for all subscribers: what their
//! pacers still have to send, and what their NACKs may ask for again.

use std::time::Instant;

use crate::rtp::PictureFields;

/// Packets of a video encoding: half a second of 1080p at full rate, one and a half of 720p. An older
/// packet would come too late for any playout.
pub(crate) const VIDEO_CAPACITY: usize = 512;

/// Packets of a voice: one second of 20 ms packets is 50; a pacer never holds voice back that long.
pub(crate) const AUDIO_CAPACITY: usize = 64;

/// What is kept of a packet beside its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PacketNotes {
    /// Unwrapped sequence number.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) arrived_at: Instant,
    pub(crate) picture: PictureFields,
    /// The header extension bytes that travel on.
    pub(crate) audio_level: Option<u8>,
    pub(crate) video_orientation: Option<u8>,
}

/// A packet that is kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoredPacket<'a> {
    pub(crate) notes: PacketNotes,
    /// The dependency descriptor as it came. Its numbers hold within one stream only.
    pub(crate) descriptor: Option<&'a [u8]>,
    pub(crate) payload: &'a [u8],
}

#[derive(Debug)]
struct Slot {
    notes: PacketNotes,
    /// The dependency descriptor, and behind it the payload: one piece of memory for both.
    bytes: Vec<u8>,
    descriptor_len: usize,
}

/// The recent packets of one stream. Its slots keep their memory, so that a stream that has reached its
/// usual packet sizes allocates no more.
#[derive(Debug)]
pub(crate) struct PacketStore {
    slots: Vec<Option<Slot>>,
}

impl PacketStore {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { slots: std::iter::repeat_with(|| None).take(capacity).collect() }
    }

    /// Keeps a packet with its dependency descriptor, empty where it has none; the packet `capacity` numbers older goes.
    pub(crate) fn insert(&mut self, notes: PacketNotes, descriptor: &[u8], payload: &[u8]) {
        let place = notes.sequence as usize % self.slots.len();
        let slot =
            self.slots[place].get_or_insert_with(|| Slot { notes, bytes: Vec::new(), descriptor_len: 0 });
        if slot.notes.sequence > notes.sequence {
            return;
        }
        slot.notes = notes;
        slot.bytes.clear();
        slot.bytes.extend_from_slice(descriptor);
        slot.bytes.extend_from_slice(payload);
        slot.descriptor_len = descriptor.len();
    }

    /// The packet of that number, if it came and is still there.
    pub(crate) fn get(&self, sequence: u64) -> Option<StoredPacket<'_>> {
        let Slot { notes, bytes, descriptor_len } =
            self.slots[sequence as usize % self.slots.len()].as_ref()?;
        let (descriptor, payload) = bytes.split_at_checked(*descriptor_len)?;
        let descriptor = (!descriptor.is_empty()).then_some(descriptor);
        (notes.sequence == sequence).then_some(StoredPacket { notes: *notes, descriptor, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(sequence: u64) -> PacketNotes {
        PacketNotes {
            sequence,
            timestamp: 0,
            arrived_at: crate::testing::origin(),
            picture: PictureFields::default(),
            audio_level: None,
            video_orientation: None,
        }
    }

    #[test]
    fn packets_are_found_until_they_are_too_old() {
        let mut store = PacketStore::new(4);
        for sequence in [10, 11, 13, 14] {
            store.insert(notes(sequence), &[], &[sequence as u8]);
        }
        let found = |store: &PacketStore, sequence| store.get(sequence).map(|packet| packet.payload[0]);
        assert_eq!(
            (10..16).map(|s| found(&store, s)).collect::<Vec<_>>(),
            [None, Some(11), None, Some(13), Some(14), None]
        );
        store.insert(notes(10), &[], &[0]);
        assert_eq!(found(&store, 14), Some(14), "a late packet does not push a newer one out");
    }
    #[test]
    fn a_place_that_is_used_again_needs_no_more_memory() {
        let mut store = PacketStore::new(2);
        store.insert(notes(2), &[1; 80], &[2; 1_100]);
        let capacity = |store: &PacketStore| store.slots[0].as_ref().map(|slot| slot.bytes.capacity());
        let before = capacity(&store);
        for sequence in [4, 6, 8] {
            store.insert(notes(sequence), &[3; 3], &[4; 1_177]);
            let packet = store.get(sequence).expect("it is kept");
            assert_eq!((packet.descriptor, packet.payload.len()), (Some([3; 3].as_slice()), 1_177));
        }
        store.insert(notes(10), &[], &[5; 1_180]);
        assert!(
            store.get(10).is_some_and(|packet| packet.descriptor.is_none() && packet.payload.len() == 1_180)
        );
        assert_eq!(capacity(&store), before);
    }
}
