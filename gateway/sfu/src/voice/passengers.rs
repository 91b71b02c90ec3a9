//! Which earlier packets of a voice another one stands for: their frames leave in it and nowhere else.

use crate::voice::redundancy::Redundancy;

/// Packets that another one stands for at most: as many earlier frames as a packet ever carries.
const MOST: usize = Redundancy::Twice.generations();

/// The packets that one stands for, as distances from its own number, the nearest first; zero is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passengers([u8; MOST]);

impl Passengers {
    /// Those of that carrier with these numbers, the newest first. They lie within [`Self::FARTHEST`].
    pub(crate) fn of(carrier: u64, numbers: impl Iterator<Item = u64>) -> Self {
        let mut distances = [0; MOST];
        for (slot, number) in distances.iter_mut().zip(numbers) {
            *slot = u8::try_from(carrier.saturating_sub(number)).unwrap_or_default();
        }
        Self(distances)
    }

    /// The farthest that a passenger's number may lie behind that of its carrier.
    pub(crate) const FARTHEST: u64 = u8::MAX as u64;

    /// Their numbers, the newest first.
    pub(crate) fn numbers(self, carrier: u64) -> impl DoubleEndedIterator<Item = u64> {
        let taken = self.0.into_iter().filter(|distance| *distance > 0);
        taken.map(move |distance| carrier.saturating_sub(distance.into()))
    }

    /// How many they are.
    pub(crate) fn count(self) -> usize {
        self.0.iter().filter(|distance| **distance > 0).count()
    }
}
