//! The last packets as they left, sealed, for whoever misses one.

use bytes::Bytes;

/// Three seconds at 1.5 Mbit/s; nobody asks for older ones.
const PLACES: usize = 512;

/// A place for each of the last sequence numbers.
pub(crate) struct ResendRing {
    places: Vec<Option<(u16, Bytes)>>,
}

impl Default for ResendRing {
    fn default() -> Self {
        Self { places: vec![None; PLACES] }
    }
}

impl ResendRing {
    /// Keeps a packet in place of one that is 512 numbers older.
    pub(crate) fn keep(&mut self, sequence: u16, sealed: Bytes) {
        if let Some(place) = self.places.get_mut(usize::from(sequence) % PLACES) {
            *place = Some((sequence, sealed));
        }
    }

    /// The packet with this number, where it is still there.
    pub(crate) fn find(&self, sequence: u16) -> Option<Bytes> {
        let (kept, sealed) = self.places.get(usize::from(sequence) % PLACES)?.as_ref()?;
        (*kept == sequence).then(|| sealed.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_there() {
        let mut ring = ResendRing::default();
        (0..600_u16).for_each(|number| ring.keep(number, Bytes::copy_from_slice(&number.to_be_bytes())));
        assert_eq!(ring.find(599).as_deref(), Some(&599_u16.to_be_bytes()[..]));
        assert_eq!(ring.find(88).as_deref(), Some(&88_u16.to_be_bytes()[..]));
        assert_eq!(ring.find(87), None);
        assert_eq!(ring.find(700), None);
    }
}
