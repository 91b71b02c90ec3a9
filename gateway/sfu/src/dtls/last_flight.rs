//! The datagrams of the handshake flight that was sent last, and when to send them again.
//!
//! `rtc-dtls` drops its retransmission timer with the first handshake record that comes in, be it the
//! client's own repetition; a flight that is lost after that would never leave again (RFC 6347 §4.2.4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;

/// Twice the round trip of a bad mobile network; each further repetition takes twice as long.
const FIRST_INTERVAL: Duration = Duration::from_millis(400);

/// A flight is a certificate and a handful of records, never more than this.
const MAX_DATAGRAMS: usize = 16;

/// Behind a record header of 13 bytes (RFC 6347 §4.1).
const HANDSHAKE_TYPE_AT: usize = 13;
const HELLO_VERIFY_REQUEST: u8 = 3;

/// What leaves of a handshake.
#[derive(Default)]
pub(super) struct LastFlight {
    datagrams: Vec<BytesMut>,
    outgoing: VecDeque<BytesMut>,
    repeat_at: Option<Instant>,
    repetitions: u32,
}

impl LastFlight {
    /// Takes what the association sends; it is a new flight, or its own repetition of the last.
    pub(super) fn send(&mut self, now: Instant, datagrams: impl Iterator<Item = BytesMut>) {
        let datagrams: Vec<BytesMut> = datagrams.take(MAX_DATAGRAMS).collect();
        if datagrams.is_empty() {
            return;
        }
        // A HelloVerifyRequest answers every ClientHello anew (RFC 6347 §4.2.1).
        let is_cookie = datagrams.iter().all(|one| one.get(HANDSHAKE_TYPE_AT) == Some(&HELLO_VERIFY_REQUEST));
        self.repeat_at = (!is_cookie).then(|| now + FIRST_INTERVAL);
        self.outgoing.extend(datagrams.iter().cloned());
        self.datagrams = datagrams;
        self.repetitions = 0;
    }

    /// Sends the flight again where it is time to.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self.repeat_at.is_some_and(|due| now >= due) {
            self.repetitions += 1;
            self.repeat_at = Some(now + FIRST_INTERVAL * (1 << self.repetitions.min(3)));
            self.outgoing.extend(self.datagrams.iter().cloned());
        }
    }

    /// The handshake is done: what is queued still leaves, and nothing is repeated.
    pub(super) fn finish(&mut self) {
        self.repeat_at = None;
        self.datagrams.clear();
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.repeat_at
    }

    pub(super) fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.outgoing.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::origin;

    fn drained(flight: &mut LastFlight) -> usize {
        std::iter::from_fn(|| flight.poll_transmit()).count()
    }

    #[test]
    fn a_flight_is_repeated_until_it_is_answered_or_done() {
        let start = origin();
        let mut flight = LastFlight::default();
        flight.send(start, [BytesMut::from("hello"), BytesMut::from("done")].into_iter());
        assert_eq!(drained(&mut flight), 2);
        flight.handle_timeout(start + FIRST_INTERVAL / 2);
        assert_eq!(drained(&mut flight), 0);
        flight.handle_timeout(start + FIRST_INTERVAL);
        assert_eq!(drained(&mut flight), 2);
        assert_eq!(flight.poll_timeout(), Some(start + 3 * FIRST_INTERVAL));
        flight.send(start + FIRST_INTERVAL, [BytesMut::from("finished")].into_iter());
        assert_eq!(flight.poll_timeout(), Some(start + 2 * FIRST_INTERVAL));
        flight.finish();
        assert_eq!((drained(&mut flight), flight.poll_timeout()), (1, None));
    }
}
