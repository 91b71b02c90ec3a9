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
#[derive(Debug, Clone)]
pub(crate) struct PacketNotes {
    /// Unwrapped sequence number.
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    pub(crate) arrived_at: Instant,
    pub(crate) picture: PictureFields,
    /// The header extension bytes that travel on.
    pub(crate) audio_level: Option<u8>,
    pub(crate) video_orientation: Option<u8>,
    /// The dependency descriptor as it came; empty without one. Its numbers hold within one stream only.
    pub(crate) dependency_descriptor: Vec<u8>,
}

#[derive(Debug)]
struct Slot {
    notes: PacketNotes,
    payload: Vec<u8>,
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

    /// Keeps a packet with its dependency descriptor, which `notes` need not name; the packet `capacity` numbers
    /// older goes.
    pub(crate) fn insert(&mut self, notes: PacketNotes, descriptor: &[u8], payload: &[u8]) {
        let place = notes.sequence as usize % self.slots.len();
        let slot =
            self.slots[place].get_or_insert_with(|| Slot { notes: notes.clone(), payload: Vec::new() });
        if slot.notes.sequence > notes.sequence {
            return;
        }
        let mut dependency_descriptor = std::mem::take(&mut slot.notes.dependency_descriptor);
        dependency_descriptor.clear();
        dependency_descriptor.extend_from_slice(descriptor);
        slot.notes = PacketNotes { dependency_descriptor, ..notes };
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
    }

    /// The packet of that number, if it came and is still there.
    pub(crate) fn get(&self, sequence: u64) -> Option<(&PacketNotes, &[u8])> {
        let slot = self.slots[sequence as usize % self.slots.len()].as_ref()?;
        (slot.notes.sequence == sequence).then_some((&slot.notes, slot.payload.as_slice()))
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
            dependency_descriptor: Vec::new(),
        }
    }

    #[test]
    fn packets_are_found_until_they_are_too_old() {
        let mut store = PacketStore::new(4);
        for sequence in [10, 11, 13, 14] {
            store.insert(notes(sequence), &[], &[sequence as u8]);
        }
        let found = |store: &PacketStore, sequence| store.get(sequence).map(|(_, payload)| payload[0]);
        assert_eq!(
            (10..16).map(|s| found(&store, s)).collect::<Vec<_>>(),
            [None, Some(11), None, Some(13), Some(14), None]
        );
        store.insert(notes(10), &[], &[0]);
        assert_eq!(found(&store, 14), Some(14), "a late packet does not push a newer one out");
    }
}
