//! A long or short TCP transfer that crosses a shared link beside the calls: slow start, congestion avoidance
//! and fast recovery of NewReno (RFC 5681 §3, RFC 6582 §3.2), and the retransmission timer of RFC 6298.
//!
//! Its acknowledgements come back over a way that is never the bottleneck, one for each segment.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use protocol::units::DataSize;

/// What a segment takes on the link: an Ethernet payload.
pub(super) const SEGMENT: DataSize = DataSize::bytes(1_500);

/// RFC 6928 §2.
const INITIAL_WINDOW: f64 = 10.0;

/// A receive window of a few megabytes, as systems have: it bounds what is on the way.
const MAX_WINDOW: f64 = 2_000.0;

/// RFC 6298 §2.1 and, as every system departs from its (2.4), the least timeout that is in use.
const FIRST_TIMEOUT: Duration = Duration::from_secs(1);
const LEAST_TIMEOUT: Duration = Duration::from_millis(200);
const MOST_TIMEOUT: Duration = Duration::from_secs(60);

/// RFC 5681 §3.2.
const DUPLICATE_THRESHOLD: u32 = 3;

pub(super) struct TcpFlow {
    /// The link that it crosses.
    pub(super) bottleneck: usize,
    start: Instant,
    /// Segments to transfer.
    length: u64,
    /// From the bottleneck to the receiver, and back to the sender.
    return_delay: Duration,
    window: f64,
    threshold: f64,
    /// The first segment that is not acknowledged, and the next new one.
    unacknowledged: u64,
    next: u64,
    duplicates: u32,
    /// Until what fast recovery lasts, where it does.
    recover: Option<u64>,
    retransmit: Option<u64>,
    /// The segment that is timed (Karn's algorithm, RFC 6298 §3).
    timed: Option<(u64, Instant)>,
    smoothed: Option<(Duration, Duration)>,
    timeout: Duration,
    expires: Option<Instant>,
    acknowledgements: VecDeque<(Instant, u64)>,
    /// What the receiver has got: all below, and some above.
    expected: u64,
    early: BTreeSet<u64>,
}

impl TcpFlow {
    pub(super) fn new(bottleneck: usize, start: Instant, size: DataSize, return_delay: Duration) -> Self {
        Self {
            bottleneck,
            start,
            length: size.as_bytes().div_ceil(SEGMENT.as_bytes()),
            return_delay,
            window: INITIAL_WINDOW,
            threshold: MAX_WINDOW,
            unacknowledged: 0,
            next: 0,
            duplicates: 0,
            recover: None,
            retransmit: None,
            timed: None,
            smoothed: None,
            timeout: FIRST_TIMEOUT,
            expires: None,
            acknowledgements: VecDeque::new(),
            expected: 0,
            early: BTreeSet::new(),
        }
    }

    /// What has arrived in order.
    pub(super) fn delivered(&self) -> DataSize {
        DataSize::bytes(self.expected * SEGMENT.as_bytes())
    }

    /// Whether everything has arrived.
    pub(super) fn is_done(&self) -> bool {
        self.expected >= self.length
    }

    /// A segment has come out of the bottleneck.
    pub(super) fn handle_segment(&mut self, now: Instant, number: u64) {
        if number == self.expected {
            self.expected += 1;
            while self.early.remove(&self.expected) {
                self.expected += 1;
            }
        } else if number > self.expected {
            self.early.insert(number);
        }
        self.acknowledgements.push_back((now + self.return_delay, self.expected));
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        while let Some((_, number)) = self.acknowledgements.pop_front_if(|(at, _)| *at <= now) {
            self.handle_acknowledgement(now, number);
        }
        if self.expires.is_some_and(|at| at <= now) {
            self.expire(now);
        }
    }

    /// The next segment to send, if the window allows one.
    pub(super) fn poll_segment(&mut self, now: Instant) -> Option<u64> {
        if now < self.start {
            return None;
        }
        let number = match self.retransmit.take() {
            Some(number) => number,
            None if self.next < self.length && self.flight() < self.window => {
                self.next += 1;
                self.timed.get_or_insert((self.next - 1, now));
                self.next - 1
            }
            None => return None,
        };
        self.expires.get_or_insert(now + self.timeout);
        Some(number)
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let begin = (self.next == 0).then_some(self.start);
        let acknowledgement = self.acknowledgements.front().map(|(at, _)| *at);
        [begin, acknowledgement, self.expires].into_iter().flatten().min()
    }

    fn flight(&self) -> f64 {
        (self.next - self.unacknowledged) as f64
    }

    fn handle_acknowledgement(&mut self, now: Instant, number: u64) {
        if number > self.unacknowledged {
            self.time(now, number);
            self.advance(now, number);
        } else if self.flight() > 0.0 {
            self.duplicates += 1;
            self.handle_duplicate();
        }
    }

    fn advance(&mut self, now: Instant, number: u64) {
        let news = (number - self.unacknowledged) as f64;
        self.unacknowledged = number;
        // After a timeout, what was on its way all the same may be acknowledged.
        self.next = self.next.max(number);
        self.duplicates = 0;
        self.expires = (self.flight() > 0.0).then(|| now + self.timeout);
        match self.recover {
            // RFC 6582 §3.2, step 3: a partial acknowledgement names the next loss.
            Some(recover) if number < recover => {
                self.retransmit = Some(number);
                self.window = (self.window - news + 1.0).max(1.0);
            }
            Some(_) => {
                self.recover = None;
                self.window = self.threshold.min(self.flight().max(1.0) + 1.0);
            }
            None if self.window < self.threshold => self.window += news.min(1.0),
            None => self.window += 1.0 / self.window,
        }
        self.window = self.window.min(MAX_WINDOW);
    }

    fn handle_duplicate(&mut self) {
        if self.recover.is_some() {
            // Each duplicate says that a segment has left the network.
            self.window += 1.0;
        } else if self.duplicates == DUPLICATE_THRESHOLD {
            self.threshold = (self.flight() / 2.0).max(2.0);
            self.window = self.threshold + f64::from(DUPLICATE_THRESHOLD);
            self.recover = Some(self.next);
            self.retransmit = Some(self.unacknowledged);
            self.timed = None;
        }
    }

    /// RFC 6298 §5.4 to §5.7: everything on its way counts as lost.
    fn expire(&mut self, now: Instant) {
        self.expires = None;
        if self.flight() <= 0.0 {
            return;
        }
        self.threshold = (self.flight() / 2.0).max(2.0);
        self.window = 1.0;
        self.next = self.unacknowledged;
        (self.duplicates, self.recover, self.retransmit, self.timed) = (0, None, None, None);
        self.timeout = (self.timeout * 2).min(MOST_TIMEOUT);
        self.expires = Some(now + self.timeout);
    }

    /// RFC 6298 §2.2 and §2.3.
    fn time(&mut self, now: Instant, number: u64) {
        let Some((_, sent)) = self.timed.take_if(|(timed, _)| *timed < number) else { return };
        let sample = now - sent;
        let (smoothed, variation) = match self.smoothed {
            None => (sample, sample / 2),
            Some((smoothed, variation)) => {
                ((7 * smoothed + sample) / 8, (3 * variation + smoothed.abs_diff(sample)) / 4)
            }
        };
        self.smoothed = Some((smoothed, variation));
        self.timeout = (smoothed + 4 * variation).clamp(LEAST_TIMEOUT, MOST_TIMEOUT);
    }
}

#[cfg(test)]
mod tests {
    use link::{Link, LinkSettings};
    use protocol::units::Bitrate;

    use super::*;

    /// Runs a transfer over a link, alone.
    fn goodput(settings: LinkSettings, seconds: u64) -> Bitrate {
        #[expect(clippy::disallowed_methods, reason = "an Instant can only be made by the clock")]
        let origin = Instant::now();
        let delay = settings.delay;
        let mut link = Link::new(origin, settings, 1);
        let mut flow = TcpFlow::new(0, origin, DataSize::bytes(u64::MAX / 8), delay);
        let mut now = origin;
        while now < origin + Duration::from_secs(seconds) {
            flow.handle_timeout(now);
            while let Some(number) = flow.poll_segment(now) {
                let _ = link.enqueue(now, SEGMENT, number);
            }
            while let Some((_, number)) = link.poll(now) {
                flow.handle_segment(now, number);
            }
            now = flow
                .poll_timeout()
                .into_iter()
                .chain(link.poll_timeout())
                .min()
                .expect("it goes on")
                .max(now);
        }
        flow.delivered().per(Duration::from_secs(seconds))
    }

    #[test]
    fn a_transfer_fills_its_link_and_yields_to_loss() {
        let link =
            || LinkSettings::default().delay(Duration::from_millis(25)).queue(Duration::from_millis(300));
        let full = goodput(link().capacity(Bitrate::mbps(4)), 60);
        assert!(full > Bitrate::kbps(3_600) && full <= Bitrate::mbps(4), "{full}");
        // Mathis et al.: about 1.22 segments per round trip and root of the loss, here 2.9 Mbit/s.
        let lossy = goodput(link().capacity(Bitrate::mbps(100)).loss(0.01), 60);
        assert!(lossy > Bitrate::mbps(1) && lossy < Bitrate::mbps(4), "{lossy}");
    }
}
