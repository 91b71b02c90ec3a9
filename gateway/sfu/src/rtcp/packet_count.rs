//! How many packets there should have been, and how many came (RFC 3550 appendix A.3).

/// Packets of a stream or of a transport so far, or between two moments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct PacketCount {
    /// Numbers from the first to the newest.
    pub(crate) expected: u64,
    /// Packets that came; more than `expected` where some came twice.
    pub(crate) received: u64,
}

impl PacketCount {
    /// What was added since an earlier count; nothing where that one was of another stream or transport.
    #[must_use]
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            expected: self.expected.saturating_sub(before.expected),
            received: self.received.saturating_sub(before.received),
        }
    }

    /// Packets that did not come.
    #[must_use]
    pub(crate) fn lost(self) -> u64 {
        self.expected.saturating_sub(self.received)
    }

    /// The share of packets that did not come; `None` where none was expected.
    #[must_use]
    pub(crate) fn loss(self) -> Option<f64> {
        (self.expected > 0).then(|| self.lost() as f64 / self.expected as f64)
    }
}

impl std::ops::Add for PacketCount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { expected: self.expected + other.expected, received: self.received + other.received }
    }
}

impl std::iter::Sum for PacketCount {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), std::ops::Add::add)
    }
}
