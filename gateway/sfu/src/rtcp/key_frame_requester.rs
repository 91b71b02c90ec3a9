//! Key frame requests towards a publisher, whoever wants them: coalesced per encoding and repeated until one
//! comes, and rationed per subscriber, so that no subscriber can make a publisher spend its uplink on key frames.

use std::time::{Duration, Instant};

/// At most one request per encoding in this time: a key frame takes as long to make, send and arrive.
const MIN_INTERVAL: Duration = Duration::from_millis(500);

/// Unanswered requests are repeated this often, then only when somebody asks anew.
const MAX_TRIES: u8 = 10;

/// Requests of one subscriber honoured per [`ALLOWANCE_PERIOD`].
const ALLOWANCE: usize = 2;

/// See [`ALLOWANCE`].
const ALLOWANCE_PERIOD: Duration = Duration::from_secs(1);

/// The key frame requests for one encoding.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyFrameRequester {
    due: Option<Instant>,
    sent_at: Option<Instant>,
    tries: u8,
}

impl KeyFrameRequester {
    /// Takes note that somebody needs a key frame.
    pub(crate) fn request(&mut self, now: Instant) {
        self.tries = 0;
        if self.due.is_none() {
            self.due = Some(self.sent_at.map_or(now, |sent_at| now.max(sent_at + MIN_INTERVAL)));
        }
    }

    /// Takes note that a key frame began to arrive.
    pub(crate) fn handle_key_frame(&mut self, _now: Instant) {
        self.due = None;
    }

    /// Whether to ask the publisher; where it says so, it counts as done.
    pub(crate) fn poll(&mut self, now: Instant) -> bool {
        if self.due.is_none_or(|due| due > now) {
            return false;
        }
        self.sent_at = Some(now);
        self.tries += 1;
        self.due = (self.tries < MAX_TRIES).then(|| now + MIN_INTERVAL);
        true
    }

    /// When to call [`Self::poll`] next.
    #[must_use]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }
}

/// What one subscriber may ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyFrameAllowance {
    /// The last requests honoured, the oldest at `oldest`.
    honoured_at: [Option<Instant>; ALLOWANCE],
    oldest: usize,
}

impl KeyFrameAllowance {
    /// Whether a request is honoured.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let slot = &mut self.honoured_at[self.oldest];
        if slot.is_some_and(|at| now.saturating_duration_since(at) < ALLOWANCE_PERIOD) {
            return false;
        }
        *slot = Some(now);
        self.oldest = (self.oldest + 1) % ALLOWANCE;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::test_clock::at;

    /// Times of requests, where somebody wants a key frame at `wants` and one comes at `comes`.
    fn requests(wants: &[u64], comes: Option<u64>) -> Vec<u64> {
        let mut requester = KeyFrameRequester::default();
        (0..10_000)
            .step_by(10)
            .filter(|&millis| {
                if wants.contains(&millis) {
                    requester.request(at(millis));
                }
                if comes == Some(millis) {
                    requester.handle_key_frame(at(millis));
                }
                requester.poll(at(millis))
            })
            .collect()
    }

    #[test]
    fn requests_are_coalesced_and_repeated_until_a_key_frame_comes() {
        assert!(requests(&[], None).is_empty());
        assert_eq!(requests(&[0, 10, 20, 490], Some(500)), [0]);
        assert_eq!(requests(&[0], Some(1_200)), [0, 500, 1_000]);
        assert_eq!(requests(&[0], None), (0..10).map(|n| n * 500).collect::<Vec<_>>());
    }

    #[test]
    fn a_new_wish_waits_for_its_turn() {
        let mut requester = KeyFrameRequester::default();
        requester.request(at(0));
        assert!(requester.poll(at(0)));
        requester.handle_key_frame(at(100));
        requester.request(at(200));
        assert_eq!(requester.poll_timeout(), Some(at(500)));
        assert!(!requester.poll(at(499)));
        assert!(requester.poll(at(500)));
    }

    #[test]
    fn a_subscriber_gets_two_a_second() {
        let mut allowance = KeyFrameAllowance::default();
        let honoured: Vec<_> = (0..3_000).step_by(10).filter(|&millis| allowance.take(at(millis))).collect();
        assert_eq!(honoured, [0, 10, 1_000, 1_010, 2_000, 2_010]);
    }
}
