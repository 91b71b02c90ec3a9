//! One direction of a link in virtual time. Whoever drives it calls [`Link::enqueue`] with what enters,
//! [`Link::poll`] for what leaves, and comes back at [`Link::poll_timeout`].

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

use protocol::units::{Bitrate, DataSize};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::capacity::{Work, work_of};
use crate::loss::{Channel, Fate};
use crate::{LinkSettings, PacketOrder, QueueLimit};

/// What a link holds at most, queued and on the way together: a second of 1 Gbit/s in full packets,
/// so that no setting lets memory grow without end.
const MAX_HELD: usize = 1 << 17;

/// Why a packet did not enter the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// By the random loss of the settings.
    #[error("lost on the link")]
    Lost,
    /// The queue had no room.
    #[error("the queue of the link is full")]
    QueueFull,
}

/// What a link did so far; sizes and counts only grow, except for what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStats {
    /// Packets that were offered to the link.
    pub offered: u64,
    /// Bytes that were offered to the link.
    pub offered_size: DataSize,
    /// Packets that came out at the far end.
    pub delivered: u64,
    /// Bytes that came out at the far end.
    pub delivered_size: DataSize,
    /// Packets lost at random.
    pub lost: u64,
    /// Packets refused by a full queue.
    pub queue_full: u64,
    /// Packets that wait for their turn or are being sent.
    pub queued: u64,
    /// Bytes that wait for their turn or are being sent.
    pub queued_size: DataSize,
    /// Packets sent that did not yet arrive.
    pub on_the_way: u64,
}

/// One direction of a link, carrying items of type `T`.
#[derive(Debug)]
pub struct Link<T> {
    settings: LinkSettings,
    rng: StdRng,
    channel: Channel,
    /// When the present capacity was set: offset zero of a trace.
    capacity_since: Instant,
    /// Until when sending has been accounted for.
    clock: Instant,
    queue: VecDeque<Queued<T>>,
    queued_size: DataSize,
    /// What is left to send of the queue, its head being sent included.
    backlog: Work,
    /// What is left to send of the head.
    head_left: Work,
    on_the_way: BinaryHeap<Reverse<OnTheWay<T>>>,
    last_due: Instant,
    sequence: u64,
    stats: LinkStats,
}

impl<T> Link<T> {
    /// Makes a link whose trace, if it has one, begins at `now`; a seed repeats its losses and jitter.
    #[must_use]
    pub fn new(now: Instant, settings: LinkSettings, seed: u64) -> Self {
        Self {
            settings,
            rng: StdRng::seed_from_u64(seed),
            channel: Channel::default(),
            capacity_since: now,
            clock: now,
            queue: VecDeque::new(),
            queued_size: DataSize::ZERO,
            backlog: 0,
            head_left: 0,
            on_the_way: BinaryHeap::new(),
            last_due: now,
            sequence: 0,
            stats: LinkStats::default(),
        }
    }

    /// Takes a packet of this size in, or says why not.
    ///
    /// # Errors
    /// Where the packet is lost or finds the queue full; the item is gone.
    pub fn enqueue(&mut self, now: Instant, size: DataSize, item: T) -> Result<(), Dropped> {
        self.advance(now);
        self.stats.offered += 1;
        self.stats.offered_size += size;
        if self.channel.step(self.settings.loss, &mut self.rng) == Fate::Lost {
            self.stats.lost += 1;
            return Err(Dropped::Lost);
        }
        if !self.has_room(size) {
            self.stats.queue_full += 1;
            return Err(Dropped::QueueFull);
        }
        let work = work_of(size);
        if self.queue.is_empty() {
            self.head_left = work;
        }
        self.backlog += work;
        self.queued_size += size;
        let deviation = self.settings.jitter.draw(&mut self.rng);
        self.queue.push_back(Queued { size, deviation, item });
        self.advance(now);
        Ok(())
    }

    /// Returns the next packet that has arrived by `now`, with the instant it did.
    pub fn poll(&mut self, now: Instant) -> Option<(Instant, T)> {
        self.advance(now);
        if self.on_the_way.peek()?.0.due > now {
            return None;
        }
        let Reverse(arrived) = self.on_the_way.pop()?;
        self.stats.delivered += 1;
        self.stats.delivered_size += arrived.size;
        Some((arrived.due, arrived.item))
    }

    /// When to call [`Self::poll`] again; `None` while nothing can arrive.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let arrival = self.on_the_way.peek().map(|Reverse(next)| next.due);
        // What follows the head can only overtake it where order is free: then look again when the head is sent.
        let head = self.queue.front().and_then(|head| {
            let sent = self.done_at(self.head_left)?;
            Some(match self.settings.order {
                PacketOrder::Kept => self.due(sent, head.deviation),
                PacketOrder::Free => sent,
            })
        });
        arrival.into_iter().chain(head).min()
    }

    /// Changes the link at once. What is queued is sent at the new rate, what is on the way stays so,
    /// and a trace begins now unless it is the one that already runs.
    pub fn set(&mut self, now: Instant, settings: LinkSettings) {
        self.advance(now);
        if self.settings.capacity != settings.capacity {
            self.capacity_since = self.clock;
        }
        self.settings = settings;
        self.advance(now);
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &LinkSettings {
        &self.settings
    }

    /// The rate at `now`; [`Bitrate::MAX`] where it is unlimited.
    #[must_use]
    pub fn rate(&self, now: Instant) -> Bitrate {
        self.settings.capacity.rate_at(now.saturating_duration_since(self.capacity_since))
    }

    /// How long a packet that entered at the time of the last call would wait for its turn; `None` in an endless outage.
    #[must_use]
    pub fn queue_delay(&self) -> Option<Duration> {
        self.done_at(self.backlog).map(|done| done - self.clock)
    }

    /// What the link did up to the last call.
    #[must_use]
    pub fn stats(&self) -> LinkStats {
        LinkStats {
            queued: self.queue.len() as u64,
            queued_size: self.queued_size,
            on_the_way: self.on_the_way.len() as u64,
            ..self.stats
        }
    }

    /// Sends until `now`.
    fn advance(&mut self, now: Instant) {
        while let Some(sent) = self.head_sent_by(now) {
            self.send_head(sent);
        }
        if self.head_left == 0 {
            self.clock = self.clock.max(now);
        }
        if now > self.clock {
            let served = self.settings.capacity.served_between(self.offset(self.clock), self.offset(now));
            let served = served.min(self.head_left);
            self.head_left -= served;
            self.backlog -= served;
            self.clock = now;
        }
    }

    /// When the head is sent, if that is by `now`.
    fn head_sent_by(&self, now: Instant) -> Option<Instant> {
        self.queue.front()?;
        self.done_at(self.head_left).filter(|sent| *sent <= now)
    }

    fn send_head(&mut self, sent: Instant) {
        let Some(head) = self.queue.pop_front() else { return };
        let served = self.settings.capacity.served_between(self.offset(self.clock), self.offset(sent));
        self.clock = sent;
        self.backlog -= self.head_left;
        self.queued_size -= head.size;
        // Instants are whole nanoseconds: what the last one served too much goes to the next packet, so that no error adds up.
        let surplus = served.saturating_sub(self.head_left);
        let next = self.queue.front().map_or(0, |next| work_of(next.size));
        self.head_left = next.saturating_sub(surplus);
        self.backlog -= next - self.head_left;
        let due = self.due(sent, head.deviation);
        self.last_due = self.last_due.max(due);
        self.on_the_way.push(Reverse(OnTheWay {
            due,
            sequence: self.sequence,
            size: head.size,
            item: head.item,
        }));
        self.sequence += 1;
    }

    fn has_room(&self, size: DataSize) -> bool {
        if self.queue.len() + self.on_the_way.len() >= MAX_HELD {
            return false;
        }
        self.queue.is_empty()
            || match self.settings.queue {
                QueueLimit::Bytes(limit) => self.queued_size + size <= limit,
                QueueLimit::Time(limit) => self.queue_delay().is_some_and(|wait| wait <= limit),
                QueueLimit::Packets(limit) => self.queue.len() < limit,
            }
    }

    /// When a packet sent at `sent` arrives.
    fn due(&self, sent: Instant, deviation: f64) -> Instant {
        let due = sent + self.settings.jitter.apply(self.settings.delay, deviation);
        match self.settings.order {
            PacketOrder::Kept => due.max(self.last_due),
            PacketOrder::Free => due,
        }
    }

    /// When `work` from the clock on is done.
    fn done_at(&self, work: Work) -> Option<Instant> {
        let offset = self.settings.capacity.done_at(self.offset(self.clock), work)?;
        self.capacity_since.checked_add(offset)
    }

    fn offset(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.capacity_since)
    }
}

#[derive(Debug, Clone)]
struct Queued<T> {
    size: DataSize,
    /// Drawn on the way in, so that the arrival can be foretold.
    deviation: f64,
    item: T,
}

#[derive(Debug, Clone)]
struct OnTheWay<T> {
    due: Instant,
    /// Breaks ties in the order of sending.
    sequence: u64,
    size: DataSize,
    item: T,
}

impl<T> OnTheWay<T> {
    fn key(&self) -> (Instant, u64) {
        (self.due, self.sequence)
    }
}

impl<T> PartialEq for OnTheWay<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for OnTheWay<T> {}

impl<T> PartialOrd for OnTheWay<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for OnTheWay<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
