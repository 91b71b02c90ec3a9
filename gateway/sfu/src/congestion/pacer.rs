//! Paces what leaves toward one subscriber: audio at once, then repairs, video and probe padding at the
//! rate that congestion control allows. The video queue is bounded in time and bytes and gives up whole.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use protocol::units::DataSize;

use super::pace::Pace;
use super::packet::{PacketClass, ProbeCluster, ProbeId};
use super::retransmission_budget::{Resend, RetransmissionBudget, RetransmissionRefusal};
use super::token_bucket::TokenBucket;

/// The queue of one subscriber. `T` is whatever the owner needs to send the packet later.
#[derive(Debug)]
pub struct Pacer<T> {
    audio: VecDeque<Queued<T>>,
    retransmissions: VecDeque<QueuedRetransmission<T>>,
    retransmission_size: DataSize,
    video: VecDeque<Queued<T>>,
    video_size: DataSize,
    dropped: VecDeque<T>,
    pace: Pace,
    bucket: TokenBucket,
    budget: RetransmissionBudget,
    probe: Option<RunningProbe>,
}

/// Which queue a packet goes into. Padding is made by the pacer and never queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Voice.
    Audio,
    /// A packet sent again, with its past.
    Retransmission(Resend),
    /// A picture's packet sent for the first time.
    Video,
}

/// What became of a packet.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued<T> {
    /// It waits for [`Pacer::poll`].
    Queued,
    /// It waits, and the video before it is gone: ask for a key frame.
    QueuedAfterDrop(Dropped),
    /// It is not sent.
    Refused {
        /// The packet.
        item: T,
        /// Why.
        reason: RetransmissionRefusal,
    },
}

/// Video that was given up. The packets themselves come out of [`Pacer::poll_dropped`].
#[must_use]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// How many packets.
    pub packets: usize,
    /// How many bytes.
    pub size: DataSize,
}

impl Dropped {
    /// Whether nothing was lost.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.packets == 0
    }
}

/// Something that leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release<T> {
    /// A packet from the queue.
    Packet {
        /// The packet.
        item: T,
        /// What it is.
        class: PacketClass,
        /// The size it was queued with.
        size: DataSize,
        /// The probe cluster that it leaves with.
        probe: Option<ProbeId>,
    },
    /// Padding, to be made by the owner.
    Padding {
        /// Its size; anything near it serves.
        size: DataSize,
        /// The probe cluster that it leaves with.
        probe: Option<ProbeId>,
    },
}

impl<T> Pacer<T> {
    /// Makes an empty pacer.
    #[must_use]
    pub fn new(pace: Pace) -> Self {
        Self {
            audio: VecDeque::new(),
            retransmissions: VecDeque::new(),
            retransmission_size: DataSize::ZERO,
            video: VecDeque::new(),
            video_size: DataSize::ZERO,
            dropped: VecDeque::new(),
            pace,
            bucket: TokenBucket::new(pace.rate, pace.burst),
            budget: RetransmissionBudget::new(&pace),
            probe: None,
        }
    }

    /// Takes a packet. It comes out of [`Self::poll`], or [`Self::poll_dropped`], unless it is refused.
    pub fn enqueue(&mut self, now: Instant, lane: Lane, size: DataSize, item: T) -> Enqueued<T> {
        match lane {
            Lane::Audio => {
                if self.audio.len() == MAX_AUDIO_PACKETS {
                    self.drop_oldest_audio();
                }
                self.audio.push_back(Queued { item, size });
                Enqueued::Queued
            }
            Lane::Retransmission(resend) => match self.budget.spend(now, size, &resend) {
                Ok(()) if self.retransmissions.len() < MAX_RETRANSMISSIONS => {
                    self.retransmission_size += size;
                    self.retransmissions.push_back(QueuedRetransmission { item, size, resend });
                    Enqueued::Queued
                }
                Ok(()) => Enqueued::Refused { item, reason: RetransmissionRefusal::OverBudget },
                Err(reason) => Enqueued::Refused { item, reason },
            },
            Lane::Video => {
                let dropped =
                    if self.video_size + size > self.video_bound() || self.video.len() == MAX_VIDEO_PACKETS {
                        self.drop_video()
                    } else {
                        Dropped::default()
                    };
                self.video_size += size;
                self.video.push_back(Queued { item, size });
                if dropped.is_none() { Enqueued::Queued } else { Enqueued::QueuedAfterDrop(dropped) }
            }
        }
    }

    /// Changes the pace. Video that would now wait too long is dropped: ask for a key frame then.
    pub fn set_pace(&mut self, now: Instant, pace: Pace) -> Dropped {
        let was_held = self.is_held(now);
        self.pace = pace;
        self.bucket.set(now, pace.rate, pace.burst);
        self.budget.set_pace(now, &pace);
        self.trim_retransmissions();
        if self.is_held(now) {
            // More than the link carries would only lengthen the queue.
            self.probe = None;
        }
        let goes_stale = pace.hold.is_some_and(|until| until > now + LONGEST_HOLD);
        if goes_stale && !was_held {
            return self.drop_video();
        }
        if self.video_size > self.video_bound() { self.drop_video() } else { Dropped::default() }
    }

    /// Begins a probe cluster with what is queued, and padding after it. It replaces one that runs.
    pub fn start_probe(&mut self, now: Instant, cluster: ProbeCluster) {
        self.probe = Some(RunningProbe {
            cluster,
            sent: DataSize::ZERO,
            packets: 0,
            next_at: now,
            give_up_at: now + LONGEST_PROBE,
        });
    }

    /// Gives up all queued video and says how much that was: ask for a key frame.
    pub fn drop_video(&mut self) -> Dropped {
        let dropped = Dropped { packets: self.video.len(), size: self.video_size };
        self.video_size = DataSize::ZERO;
        while let Some(queued) = self.video.pop_front() {
            self.remember_dropped(queued.item);
        }
        dropped
    }

    /// What may leave at `now`; call until `None`.
    pub fn poll(&mut self, now: Instant) -> Option<Release<T>> {
        if let Some(queued) = self.audio.pop_front() {
            self.bucket.take(now, queued.size);
            let probe = self.count_for_probe(now, queued.size);
            return Some(queued.into_release(PacketClass::Audio, probe));
        }
        if self.is_held(now) {
            return None;
        }
        self.drop_late_retransmissions(now);
        if self.probe.is_some_and(|probe| now >= probe.give_up_at) {
            self.probe = None;
        }
        match self.probe {
            Some(probe) if now < probe.next_at => None,
            Some(probe) => Some(self.poll_probing(now, probe.cluster.id)),
            None if self.bucket.has_credit(now) => self.poll_queues(now),
            None => None,
        }
    }

    /// When [`Self::poll`] should be called next; `None` while nothing waits.
    #[must_use]
    pub fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        if !self.audio.is_empty() {
            return Some(now);
        }
        let due = match &self.probe {
            Some(probe) => Some(probe.next_at),
            None if self.video.is_empty() && self.retransmissions.is_empty() => None,
            None => self.bucket.credit_at(now),
        };
        due.map(|due| self.pace.hold.map_or(due, |until| due.max(until)))
    }

    /// A packet that was given up, so that the owner can free what it stands for; call until `None`.
    pub fn poll_dropped(&mut self) -> Option<T> {
        self.dropped.pop_front()
    }

    /// How long the last queued video packet will wait.
    #[must_use]
    pub fn queue_time(&self) -> Duration {
        self.video_size / self.pace.rate
    }

    /// Bytes of video that wait.
    #[must_use]
    pub fn queued_video(&self) -> DataSize {
        self.video_size
    }

    fn is_held(&self, now: Instant) -> bool {
        self.pace.hold.is_some_and(|until| now < until)
    }

    fn poll_queues(&mut self, now: Instant) -> Option<Release<T>> {
        let release = self.next_queued(None)?;
        self.bucket.take(now, release.size());
        Some(release)
    }

    fn poll_probing(&mut self, now: Instant, id: ProbeId) -> Release<T> {
        let release = match self.next_queued(Some(id)) {
            Some(release) => {
                self.bucket.take(now, release.size());
                release
            }
            None => Release::Padding { size: PADDING_SIZE, probe: Some(id) },
        };
        let _ = self.count_for_probe(now, release.size());
        release
    }

    fn next_queued(&mut self, probe: Option<ProbeId>) -> Option<Release<T>> {
        if let Some(QueuedRetransmission { item, size, .. }) = self.pop_retransmission() {
            return Some(Queued { item, size }.into_release(PacketClass::Retransmission, probe));
        }
        let queued = self.video.pop_front()?;
        self.video_size -= queued.size;
        Some(queued.into_release(PacketClass::Video, probe))
    }

    /// Counts a packet for the running probe, and ends the probe once it is complete.
    fn count_for_probe(&mut self, now: Instant, size: DataSize) -> Option<ProbeId> {
        let probe = self.probe.as_mut()?;
        let id = probe.cluster.id;
        probe.sent += size;
        probe.packets += 1;
        // Late polls are made up for, within a bound: the cluster's rate is what counts.
        let earliest = now.checked_sub(LONGEST_CATCH_UP).unwrap_or(now);
        probe.next_at = probe.next_at.max(earliest) + (size / probe.cluster.rate).min(LONGEST_PROBE);
        if probe.sent >= probe.cluster.size && probe.packets >= probe.cluster.packets {
            self.probe = None;
        }
        Some(id)
    }

    fn drop_late_retransmissions(&mut self, now: Instant) {
        while let Some(front) = self.retransmissions.front()
            && self.budget.is_too_old(now, &front.resend)
            && let Some(late) = self.pop_retransmission()
        {
            self.remember_dropped(late.item);
        }
    }

    /// After a fall of the rate, what the old budget admitted would take the new rate from the video.
    fn trim_retransmissions(&mut self) {
        while self.retransmission_size > self.budget.depth()
            && let Some(oldest) = self.pop_retransmission()
        {
            self.remember_dropped(oldest.item);
        }
    }

    fn pop_retransmission(&mut self) -> Option<QueuedRetransmission<T>> {
        let popped = self.retransmissions.pop_front()?;
        self.retransmission_size -= popped.size;
        Some(popped)
    }

    fn drop_oldest_audio(&mut self) {
        if let Some(queued) = self.audio.pop_front() {
            self.remember_dropped(queued.item);
        }
    }

    fn remember_dropped(&mut self, item: T) {
        if self.dropped.len() == MAX_VIDEO_PACKETS {
            self.dropped.pop_front();
        }
        self.dropped.push_back(item);
    }

    fn video_bound(&self) -> DataSize {
        (self.pace.rate * LONGEST_QUEUE).clamp(SMALLEST_VIDEO_BOUND, LARGEST_VIDEO_BOUND)
    }
}

#[derive(Debug)]
struct Queued<T> {
    item: T,
    size: DataSize,
}

impl<T> Queued<T> {
    fn into_release(self, class: PacketClass, probe: Option<ProbeId>) -> Release<T> {
        Release::Packet { item: self.item, class, size: self.size, probe }
    }
}

#[derive(Debug)]
struct QueuedRetransmission<T> {
    item: T,
    size: DataSize,
    resend: Resend,
}

#[derive(Debug, Clone, Copy)]
struct RunningProbe {
    cluster: ProbeCluster,
    sent: DataSize,
    packets: u32,
    next_at: Instant,
    give_up_at: Instant,
}

impl<T> Release<T> {
    /// Its size on the wire, as far as the pacer knows.
    #[must_use]
    pub const fn size(&self) -> DataSize {
        match self {
            Self::Packet { size, .. } | Self::Padding { size, .. } => *size,
        }
    }

    /// What it is.
    #[must_use]
    pub const fn class(&self) -> PacketClass {
        match self {
            Self::Packet { class, .. } => *class,
            Self::Padding { .. } => PacketClass::Padding,
        }
    }

    /// The probe cluster that it leaves with.
    #[must_use]
    pub const fn probe(&self) -> Option<ProbeId> {
        match self {
            Self::Packet { probe, .. } | Self::Padding { probe, .. } => *probe,
        }
    }
}

/// Video older than this is not worth its place: a jitter buffer has run dry by then.
const LONGEST_QUEUE: Duration = Duration::from_millis(250);

/// Pictures held back for longer than this began on a link that is no more.
const LONGEST_HOLD: Duration = Duration::from_millis(100);

/// A key frame of the lowest rung must pass at any rate, or there would never be a picture.
const SMALLEST_VIDEO_BOUND: DataSize = DataSize::bytes(16 * 1024);

/// 250 ms of 8 Mbit/s; more per subscriber would not fit a full worker's memory.
const LARGEST_VIDEO_BOUND: DataSize = DataSize::bytes(256 * 1024);

/// The video bound in packets of 64 bytes: what bookkeeping may grow to.
const MAX_VIDEO_PACKETS: usize = 4_096;

/// Audio leaves at the next poll; a queue of this many means that nobody polls.
const MAX_AUDIO_PACKETS: usize = 256;

/// Repairs that wait: the budget admits fewer within a playout delay.
const MAX_RETRANSMISSIONS: usize = 512;

/// RTP padding holds at most 255 bytes (RFC 3550 §5.1), and a header with its extensions comes on top.
const PADDING_SIZE: DataSize = DataSize::bytes(255);

/// A timer of the owner may be this late without lowering a probe's rate.
const LONGEST_CATCH_UP: Duration = Duration::from_millis(5);

/// A probe that is not through by now measures something else.
const LONGEST_PROBE: Duration = Duration::from_millis(300);

#[cfg(test)]
#[path = "pacer_tests.rs"]
mod tests;
