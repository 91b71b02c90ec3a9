//! Estimates what a subscriber's downlink carries from what its receiver reports: joins the parts of this
//! module, each of which sees only what concerns it.

use std::time::{Duration, Instant};

use protocol::units::{Bitrate, DataSize};

use super::application_limit::ApplicationLimit;
use super::arrival_groups::ArrivalGroups;
use super::collapse_detector::CollapseDetector;
use super::delivery_rate::DeliveryRate;
use super::estimate::{Demand, Estimate, LinkState};
use super::feedback_watch::{FeedbackWatch, Silence};
use super::loss_control::{LossControl, LossVerdict, LossView};
use super::loss_window::{Fate, LossWindow};
use super::network_memory::{NetworkMemory, NetworkName, Remembered};
use super::pace::Pace;
use super::packet::{PacketStatus, ProbeCluster, SentPacket};
use super::probe_control::{ProbeControl, ProbeLink, ProbeView, needed_for};
use super::queue_delay::QueueDelay;
use super::queue_drain::{QueueDrain, QueueView};
use super::rate_control::{Change, LEAST_TARGET, LinkView, RateControl};
use super::round_trip::RoundTrip;
use super::send_history::{DeliveredPacket, LostPacket, Resolution, SendHistory};
use super::start_rate::StartRate;
use super::trend_detector::{TrendDetector, Usage};

/// The congestion control toward one subscriber.
#[derive(Debug)]
pub struct CongestionController {
    epoch: Instant,
    /// The latest time heard of, since the epoch.
    clock: Duration,
    demand: Demand,
    history: SendHistory,
    groups: ArrivalGroups,
    trend: TrendDetector,
    queue: QueueDelay,
    /// Too long a queue stands for a probe. It is asked for with every packet, and changes with feedback.
    is_queue_busy: bool,
    collapse: CollapseDetector,
    drain: Option<QueueDrain>,
    round_trip: RoundTrip,
    delivery: DeliveryRate,
    loss: LossControl,
    /// Every first transmission, whoever is to blame for its loss.
    media_loss: LossWindow,
    application_limit: ApplicationLimit,
    rate: RateControl,
    probes: ProbeControl,
    watch: FeedbackWatch,
    silence: Silence,
    before_silence: Option<Bitrate>,
    /// What left earlier went through an outage and says nothing about the link after it.
    distrust_before: Duration,
    reported_loss: ReportedLoss,
    networks: NetworkMemory,
}

/// The loss of receiver reports, which counts where there is no transport-wide feedback.
#[derive(Debug, Clone, Copy, Default)]
struct ReportedLoss {
    share: f64,
    reacted: Option<Duration>,
    /// Something has been lost: from then on it grows slowly.
    has_lost: bool,
}

/// What one feedback brought.
#[derive(Debug, Clone, Copy, Default)]
struct Digest {
    newest_sent: Option<Duration>,
    is_over: bool,
    is_news: bool,
    lost: u32,
}

impl CongestionController {
    /// Makes a controller that knows nothing but its prior.
    #[must_use]
    pub fn new(now: Instant, start: StartRate) -> Self {
        Self {
            epoch: now,
            clock: Duration::ZERO,
            demand: Demand::default(),
            history: SendHistory::new(),
            groups: ArrivalGroups::default(),
            trend: TrendDetector::default(),
            queue: QueueDelay::default(),
            is_queue_busy: false,
            collapse: CollapseDetector::default(),
            drain: None,
            round_trip: RoundTrip::default(),
            delivery: DeliveryRate::default(),
            loss: LossControl::default(),
            media_loss: LossWindow::default(),
            application_limit: ApplicationLimit::default(),
            rate: RateControl::new(start.rate),
            probes: ProbeControl::new(start.probe),
            watch: FeedbackWatch::default(),
            silence: Silence::None,
            before_silence: None,
            distrust_before: Duration::ZERO,
            reported_loss: ReportedLoss::default(),
            networks: NetworkMemory::default(),
        }
    }

    /// Records a packet that leaves, and gives the transport-wide sequence number to write into it.
    /// Packets that carry no such number must not be recorded: their silence would read as loss.
    pub fn handle_sent(&mut self, now: Instant, packet: SentPacket) -> u16 {
        let now = self.advance(now);
        self.application_limit.record(now, packet.size);
        if let Some(probe) = packet.probe {
            self.probes.handle_sent(now, probe, packet.size, self.rate.target());
        }
        self.history.record(now, packet)
    }

    /// Takes one transport-wide feedback, its packets in order.
    pub fn handle_feedback(&mut self, now: Instant, packets: &[PacketStatus]) {
        let now = self.advance(now);
        let mut digest = Digest::default();
        for status in packets {
            match self.history.resolve(status) {
                Some(Resolution::Delivered(packet)) => {
                    self.digest_delivered(now, &packet, Fate::Arrived, &mut digest)
                }
                Some(Resolution::DeliveredLate(packet)) => {
                    self.digest_delivered(now, &packet, Fate::ArrivedAfterAll, &mut digest);
                }
                Some(Resolution::Lost(packet)) => self.digest_lost(now, &packet, &mut digest),
                None => {}
            }
        }
        // Feedback that says nothing new may be replayed or made up.
        if !digest.is_news {
            return;
        }
        self.watch.handle_feedback(now);
        self.end_silence(now, digest.lost);
        if let Some(newest_sent) = digest.newest_sent {
            self.round_trip.push(now.saturating_sub(newest_sent));
            self.control_rate(now, newest_sent, &digest);
        }
        self.is_queue_busy = self.queue.standing() > BUSY_QUEUE;
        self.conclude_probe(now);
    }

    /// Takes the loss fraction of a receiver report. It counts only where there has never been
    /// transport-wide feedback.
    pub fn handle_receiver_loss(&mut self, now: Instant, fraction: f64) {
        let now = self.advance(now);
        if self.watch.has_heard() || !fraction.is_finite() {
            return;
        }
        let share = fraction.clamp(0.0, 1.0);
        let is_early =
            self.reported_loss.reacted.is_some_and(|reacted| now.saturating_sub(reacted) < REPORT_INTERVAL);
        self.reported_loss.share = share;
        if is_early {
            return;
        }
        self.reported_loss.reacted = Some(now);
        self.reported_loss.has_lost |= share >= LIGHT_LOSS;
        let target = self.rate.target();
        // Nothing can be probed for without feedback: what the next step up takes is believed until it is lost.
        let sought = self.demand.next.is_some_and(|next| target < next);
        let growth = if self.reported_loss.has_lost { REPORTED_GROWTH } else { FIRST_GROWTH };
        if share > HEAVY_LOSS {
            self.rate.lower_to(now, target.scaled(1.0 - share / 2.0).max(self.demand.floor), target);
        } else if share < LIGHT_LOSS && (sought || !self.application_limit.is_limited(now, target)) {
            self.rate.raise_to(now, target.scaled(growth).min(MOST_WITHOUT_FEEDBACK));
        }
    }

    /// Takes note of what the allocator spends and would like to spend.
    pub fn set_demand(&mut self, demand: Demand) {
        self.demand = demand;
    }

    /// Takes note of the network that the subscriber's packets go over, as often as it is heard of. On another
    /// network than before the rate is halved, and what was known of it is probed for at once.
    pub fn handle_network(&mut self, now: Instant, name: NetworkName) {
        let now = self.advance(now);
        let before = self.before_silence.unwrap_or(self.rate.target());
        let rate = &self.rate;
        let left = || Remembered { target: before, capacity: rate.capacity().clone() };
        let Some(known) = self.networks.enter(name, left) else { return };
        let goal = known.as_ref().map_or(before, |known| known.target);
        self.rate.resume(now, before.scaled(ON_ANOTHER_NETWORK).max(self.demand.floor).min(before), goal);
        if let Some(known) = known {
            self.rate.remember_capacity(known.capacity);
        }
        self.before_silence = None;
        self.silence = Silence::None;
        self.watch.restart(now);
        self.queue = QueueDelay::default();
        self.is_queue_busy = false;
        self.round_trip = RoundTrip::default();
        self.start_over(now);
    }

    /// Takes note that time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        let now = self.advance(now);
        self.conclude_probe(now);
        if self.lives_on_reports(now) {
            return;
        }
        let silence = self.watch.silence(now, self.history.oldest_unreported());
        match silence {
            Silence::None => {}
            Silence::Late { halvings } => {
                let before = *self.before_silence.get_or_insert(self.rate.target());
                // What is sent is to be halved, which may be less than what could be.
                let used = self.delivery.acknowledged().unwrap_or(before).min(before);
                let halved = used.scaled(0.5_f64.powi(halvings.min(MOST_HALVINGS) as i32));
                self.rate.lower_to(now, halved.max(self.demand.floor), before);
                self.silence = silence;
            }
            Silence::Lost => {
                self.before_silence.get_or_insert(self.rate.target());
                self.silence = silence;
            }
        }
    }

    /// Whether there has ever been transport-wide feedback.
    #[must_use]
    pub fn has_heard(&self) -> bool {
        self.watch.has_heard()
    }

    /// When to call [`Self::handle_timeout`], and [`Self::poll_probe`] after it.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let silence = self.watch.next_check(self.clock, self.history.oldest_unreported());
        let probe = self.probes.next_check(&self.probe_view());
        silence.into_iter().chain(probe).min().and_then(|at| self.epoch.checked_add(at))
    }

    /// A probe cluster to start. Not to be asked before packets can leave: the first is given at once.
    pub fn poll_probe(&mut self, now: Instant) -> Option<ProbeCluster> {
        let now = self.advance(now);
        let view = self.probe_view();
        self.probes.poll(now, &view)
    }

    /// The verdict on the link.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        let state = self.state();
        Estimate {
            target: if state == LinkState::FeedbackLost { LEAST_TARGET } else { self.rate.target() },
            acknowledged: self.delivery.acknowledged(),
            loss: if self.watch.has_heard() { self.media_loss.share() } else { self.reported_loss.share },
            rtt: self.round_trip.smoothed(),
            queue_delay: if self.rate.competes() { Duration::ZERO } else { self.queue.standing() },
            jitter: self.collapse.jitter(),
            state,
        }
    }

    /// How fast and how bursty the pacer may send.
    #[must_use]
    pub fn pace(&self) -> Pace {
        let target = self.estimate().target;
        let (headroom, burst, repair) = match self.state() {
            // A key frame at twice the rate would be a queue that voice waits in.
            LinkState::Steady if self.rate.is_near_capacity() => (NEAR_CAPACITY, CAREFUL_BURST, 0.25),
            LinkState::Starting | LinkState::Steady => (2.0, STEADY_BURST, 0.25),
            LinkState::Recovering => (1.25, CAREFUL_BURST, 0.2),
            LinkState::Overusing => (1.0, CAREFUL_BURST, 0.1),
            LinkState::FeedbackLate => (PERHAPS_DARK, CAREFUL_BURST, 0.1),
            LinkState::FeedbackLost => (1.0, CAREFUL_BURST, 0.0),
        };
        // A policer drops what comes at once, without a queue that would show.
        let is_policed = self.media_loss.share() > NOTABLE_LOSS && self.queue.standing() < NO_QUEUE;
        let (headroom, burst) =
            if is_policed { (SMOOTH.min(headroom), CAREFUL_BURST) } else { (headroom, burst) };
        let rate = target.scaled(headroom);
        Pace {
            rate,
            burst: (rate * burst).max(SMALLEST_BURST),
            retransmission: target.scaled(repair),
            hold: self.drain.and_then(|drain| self.epoch.checked_add(drain.until(self.clock)?)),
            round_trip: self.round_trip.smoothed(),
        }
    }

    fn digest_delivered(&mut self, now: Duration, packet: &DeliveredPacket, fate: Fate, digest: &mut Digest) {
        digest.is_news = true;
        digest.newest_sent = digest.newest_sent.max(Some(packet.sent));
        self.queue.push(packet);
        self.collapse.push(packet);
        self.delivery.push(packet);
        self.probes.handle_delivered(packet);
        if packet.class.is_first_transmission() {
            self.media_loss.count(now, fate);
        }
        if packet.sent < self.distrust_before
            || packet.probe.is_some()
            || self.probes.overshadows(packet.sent)
        {
            return;
        }
        if packet.class.is_first_transmission() && self.is_loss_evidence(packet.sent) {
            self.loss.count(now, packet.sent, fate);
        }
        // What left before the last decrease shows the queue that it was an answer to. The trend of a thin flow
        // spans more time than that of a fat one: it would see the same queue twice, and be cut twice for it.
        if self.rate.decreased_at().is_some_and(|decreased| packet.sent < decreased) {
            return;
        }
        if let Some(delta) = self.groups.push(packet) {
            digest.is_over |= self.trend.push(&delta) == Usage::Over;
        }
    }

    fn digest_lost(&mut self, now: Duration, packet: &LostPacket, digest: &mut Digest) {
        digest.is_news = true;
        digest.lost += 1;
        self.probes.handle_lost(packet);
        if packet.class.is_first_transmission() {
            self.media_loss.count(now, Fate::Lost);
        }
        let is_evidence = packet.class.is_first_transmission()
            && packet.probe.is_none()
            && packet.sent >= self.distrust_before
            && !self.probes.overshadows(packet.sent)
            && self.is_loss_evidence(packet.sent);
        if is_evidence {
            self.loss.count(now, packet.sent, Fate::Lost);
        }
    }

    /// What left before the last decrease met an overload that delay has already answered for.
    fn is_loss_evidence(&self, sent: Duration) -> bool {
        !self.rate.is_draining() && self.rate.decreased_at().is_none_or(|decreased| sent >= decreased)
    }

    fn control_rate(&mut self, now: Duration, newest_sent: Duration, digest: &Digest) {
        let view = LinkView {
            usage: if digest.is_over { Usage::Over } else { self.trend.usage() },
            throughput: self.delivery.throughput(THROUGHPUT_WINDOW),
            acknowledged: self.delivery.acknowledged(),
            round_trip: self.round_trip.smoothed(),
            queue: self.queue.standing(),
            queue_is_flat: self.queue.is_flat(),
            newest_queue: self.queue.newest(),
            sudden_queue: self.queue.sudden(),
            latest: self.delivery.throughput(LATEST_WINDOW),
            collapse: self.collapse.collapse(),
            lost: digest.lost,
            newest_sent,
            is_application_limited: self.application_limit.is_limited(now, self.rate.target()),
            floor: self.demand.floor,
            sought: self.demand.next.map(needed_for),
        };
        // In a probe's shadow a queue is no news.
        let is_judged = newest_sent >= self.distrust_before && !self.probes.overshadows(newest_sent);
        if !is_judged {
            return;
        }
        let change = self.rate.update(now, &view);
        self.drain_queue(now, newest_sent, change);
        match change {
            Change::None if self.rate.competes() => {}
            Change::None => self.queue.watch_plateau(now, view.is_application_limited),
            Change::PathChanged => {
                self.queue.rebase();
                self.probes.restart(now);
            }
            Change::Lowered | Change::Collapsed => {
                self.loss.discard();
                if change == Change::Collapsed {
                    self.probes.handle_collapse(now);
                } else {
                    self.probes.handle_overuse(now);
                }
                self.groups = ArrivalGroups::default();
                self.trend.restart();
                return;
            }
        }
        if self.rate.is_draining() || self.rate.competes() {
            self.queue.keep_base();
            return;
        }
        let loss_view = LossView {
            target: self.rate.target(),
            delivered: view.acknowledged.map(|acknowledged| {
                view.throughput.map_or(acknowledged, |throughput| throughput.arrived.min(acknowledged))
            }),
            round_trip: view.round_trip,
        };
        match self.loss.judge(now, &loss_view) {
            LossVerdict::Usual => {}
            LossVerdict::Lower(rate) => {
                self.rate.fill_at(now, rate.max(self.demand.floor));
                self.probes.handle_overuse(now);
            }
            LossVerdict::Restore(rate) => self.rate.raise_to(now, rate),
        }
    }

    /// After a collapse pictures wait for the queue; each feedback tells better how long.
    fn drain_queue(&mut self, now: Duration, newest_sent: Duration, change: Change) {
        let Some(delivered) = self.rate.drained_at() else {
            self.drain = None;
            return;
        };
        let under_way = self.history.under_way();
        let view = QueueView { delivered, met: self.queue.newest(), newest_sent, under_way };
        self.drain = match self.drain {
            Some(drain) => Some(drain.revised(now, &view)),
            None if change == Change::Collapsed => Some(QueueDrain::new(now, &view)),
            None => None,
        };
    }

    fn conclude_probe(&mut self, now: Duration) {
        if let Some(proven) = self.probes.conclude(now, self.rate.target())
            && self.silence == Silence::None
            && !self.rate.is_draining()
        {
            self.rate.raise_to(now, proven);
        }
    }

    /// Feedback is back: continues carefully, and probes back to the rate before at once.
    fn end_silence(&mut self, now: Duration, lost: u32) {
        let before = self.before_silence.take();
        let silence = std::mem::take(&mut self.silence);
        let Some(before) = before else { return };
        let share = match silence {
            // Everything arrived: the radio paused, and has caught up.
            Silence::None | Silence::Late { .. } if lost == 0 => 1.0,
            Silence::None | Silence::Late { .. } => AFTER_LATE_SHARE,
            Silence::Lost => AFTER_LOST_SHARE,
        };
        let rate = before.scaled(share).max(self.demand.floor).min(before);
        self.rate.resume(now, rate, before);
        self.start_over(now);
    }

    /// What left until now says nothing of what comes.
    fn start_over(&mut self, now: Duration) {
        self.probes.restart(now);
        self.loss.discard();
        self.groups = ArrivalGroups::default();
        self.trend = TrendDetector::default();
        self.collapse.forget();
        self.drain = None;
        self.distrust_before = now;
    }

    /// The state of [`Self::estimate`] alone.
    #[must_use]
    pub fn state(&self) -> LinkState {
        match self.silence {
            Silence::Lost => LinkState::FeedbackLost,
            Silence::Late { .. } => LinkState::FeedbackLate,
            Silence::None if !self.watch.has_heard() => LinkState::Starting,
            Silence::None if self.rate.is_draining() => LinkState::Overusing,
            Silence::None if self.rate.setback().is_some() => LinkState::Recovering,
            Silence::None => LinkState::Steady,
        }
    }

    fn probe_view(&self) -> ProbeView {
        let link = if self.silence != Silence::None || self.rate.is_draining() || self.is_queue_busy {
            ProbeLink::Busy
        } else if self.watch.has_heard() {
            ProbeLink::Free
        } else {
            ProbeLink::Unheard
        };
        ProbeView {
            target: self.rate.target(),
            demand: self.demand,
            setback: self.rate.setback(),
            link,
            jitter: self.collapse.jitter(),
            is_application_limited: self.application_limit.was_limited(self.rate.target()),
        }
    }

    /// Receiver reports are a sign of life where there is no other.
    fn lives_on_reports(&self, now: Duration) -> bool {
        !self.watch.has_heard()
            && self.reported_loss.reacted.is_some_and(|reacted| now.saturating_sub(reacted) < REPORTS_LOST)
    }

    fn advance(&mut self, now: Instant) -> Duration {
        self.clock = self.clock.max(now.saturating_duration_since(self.epoch));
        self.clock
    }
}

/// The last few packets at 500 kbit/s, and the frames of a tenth of a second.
const THROUGHPUT_WINDOW: Duration = Duration::from_millis(120);

/// The last five packets, or more where they come quickly.
const LATEST_WINDOW: Duration = Duration::from_millis(40);

/// A queue that a probe would only add to.
const BUSY_QUEUE: Duration = Duration::from_millis(60);

/// What may leave back to back on a good link: a frame of HD.
const STEADY_BURST: Duration = Duration::from_millis(15);

/// And while a queue is to be avoided.
const CAREFUL_BURST: Duration = Duration::from_millis(5);

/// On a link that is known to carry no more than the target, what comes at once still has to come soon.
const NEAR_CAPACITY: f64 = 1.3;

/// Much of what leaves while feedback is overdue is lost, and none of it is needed to find the link again.
const PERHAPS_DARK: f64 = 0.5;

/// Loss that no queue explains, and a pace that meets a policer without bursts.
const NOTABLE_LOSS: f64 = 0.02;
const NO_QUEUE: Duration = Duration::from_millis(12);
const SMOOTH: f64 = 1.15;

/// One full packet.
const SMALLEST_BURST: DataSize = DataSize::bytes(1_500);

/// A gap of feedback often is the way back's: most of the rate comes back at once.
const AFTER_LATE_SHARE: f64 = 0.7;

/// An outage often is another cell: a third, which is 480 lines after HD, and a probe.
const AFTER_LOST_SHARE: f64 = 0.35;

/// Another network may carry less; it is probed at once.
const ON_ANOTHER_NETWORK: f64 = 0.5;

/// The floor is reached long before.
const MOST_HALVINGS: u32 = 8;

/// Receiver reports come about once a second.
const REPORT_INTERVAL: Duration = Duration::from_millis(900);

/// Five of them missing.
const REPORTS_LOST: Duration = Duration::from_secs(5);

/// RFC-draft GCC's loss-based bounds, for receivers that report nothing better.
const HEAVY_LOSS: f64 = 0.1;
const LIGHT_LOSS: f64 = 0.02;
const REPORTED_GROWTH: f64 = 1.05;
/// As long as nothing has been lost at all: HD's price within six seconds.
const FIRST_GROWTH: f64 = 1.3;

/// Without delay, overuse shows late: the HD rung, and no more.
const MOST_WITHOUT_FEEDBACK: Bitrate = Bitrate::kbps(2_200);

#[cfg(test)]
#[path = "controller_tests.rs"]
mod tests;
