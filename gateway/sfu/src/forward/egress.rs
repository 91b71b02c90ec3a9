//! Everything that goes to one subscriber: its subscriptions behind one pacer and one congestion control,
//! sealed packet by packet into the slab when the pacer lets them go.

use std::net::SocketAddr;
use std::time::Instant;

use protocol::network_class::NetworkClass;
use protocol::track::MediaKind;
use protocol::units::{Bitrate, DataSize};

use crate::burst::BurstSlab;
use crate::congestion::{
    CongestionController, Enqueued, Lane, LinkState, NetworkName, Pace, Pacer, PacketClass, PacketStatus,
    ProbeId, Release, Resend, RetransmissionRefusal, SentPacket, StartRate,
};
use crate::counters::{Counters, DropReason};
use crate::forward::layer_switch::Descent;
use crate::forward::packet_store::StoredPacket;
use crate::forward::subscription::{Arrival, Departure, Subscription, SubscriptionIndex, Withheld};
use crate::forward::track::Track;
use crate::limits::MAX_DATAGRAM;
use crate::rtp::{MAX_PADDING, WrittenHeader, pad};
use crate::srtp::SrtpSession;
use crate::voice::Redundancy;

/// Padding that makes a packet as long as its neighbours in a burst: neighbours of one frame mostly differ
/// by a byte, and a byte costs less than a system call.
const MAX_EQUALISING_PADDING: usize = 2;

/// IPv4, UDP: what a datagram adds to its contents on the wire.
const DATAGRAM_OVERHEAD: usize = 28;

/// What waits in the pacer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parcel {
    Media { subscription: SubscriptionIndex, departure: Departure },
    Again { subscription: SubscriptionIndex, sequence: u16 },
}

/// Everything that goes to one subscriber.
pub(crate) struct Egress {
    pacer: Pacer<Parcel>,
    congestion: CongestionController,
    subscriptions: Vec<Option<Subscription>>,
    /// The epoch of absolute send times.
    epoch: Instant,
    video: VideoFlow,
    /// The pace to keep whatever the estimate says.
    least_pace: Option<Bitrate>,
    /// Pictures were spoilt since somebody last asked: their key frames are wanted.
    wants_key_frames: bool,
}

/// Whether video may go at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VideoFlow {
    Open,
    /// The subscriber's feedback is lost: what is sent now is sent into the dark.
    Stopped,
}

/// Where sealed packets go, and what counts them.
pub(crate) struct Outlet<'a> {
    pub(crate) destination: SocketAddr,
    pub(crate) srtp: &'a mut SrtpSession,
    pub(crate) slab: &'a mut BurstSlab,
    pub(crate) counters: &'a mut Counters,
}

impl Egress {
    pub(crate) fn new(now: Instant, class: NetworkClass) -> Self {
        let congestion = CongestionController::new(now, StartRate::of(class));
        Self {
            pacer: Pacer::new(congestion.pace()),
            congestion,
            subscriptions: Vec::new(),
            epoch: now,
            video: VideoFlow::Open,
            least_pace: None,
            wants_key_frames: false,
        }
    }

    /// Starts the estimate anew: the class is known by now, and nothing has been sent yet.
    pub(crate) fn begin(&mut self, now: Instant, class: NetworkClass) {
        self.congestion = CongestionController::new(now, StartRate::of(class));
        self.steer(now);
    }

    /// Sends at this pace even where the estimate is below it, and into the dark, too.
    pub(crate) fn keep_pace(&mut self, now: Instant, least: Bitrate) {
        self.least_pace = Some(least);
        self.steer(now);
    }

    fn pace(&self) -> Pace {
        let pace = self.congestion.pace();
        match self.least_pace {
            Some(least) => Pace { rate: pace.rate.max(least), hold: None, ..pace },
            None => pace,
        }
    }

    pub(crate) fn congestion(&mut self) -> &mut CongestionController {
        &mut self.congestion
    }

    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = (SubscriptionIndex, &Subscription)> {
        self.subscriptions
            .iter()
            .enumerate()
            .filter_map(|(index, subscription)| Some((SubscriptionIndex(index), subscription.as_ref()?)))
    }

    pub(crate) fn subscription(&mut self, index: SubscriptionIndex) -> Option<&mut Subscription> {
        self.subscriptions.get_mut(index.0)?.as_mut()
    }

    pub(crate) fn subscribe(&mut self, subscription: Subscription) -> SubscriptionIndex {
        match self.subscriptions.iter().position(Option::is_none) {
            Some(free) => {
                self.subscriptions[free] = Some(subscription);
                SubscriptionIndex(free)
            }
            None => {
                self.subscriptions.push(Some(subscription));
                SubscriptionIndex(self.subscriptions.len() - 1)
            }
        }
    }

    pub(crate) fn unsubscribe(&mut self, index: SubscriptionIndex) -> Option<Subscription> {
        // Parcels of it that still wait find nobody, or a successor whose numbers they do not fit.
        let subscription = self.subscriptions.get_mut(index.0)?.take();
        if subscription.is_some() {
            self.drop_video();
        }
        subscription
    }

    /// Sets how many earlier frames the voices carry again; `true` where that changed for one that can.
    pub(crate) fn set_redundancy(&mut self, level: Redundancy) -> bool {
        let mut has_changed = false;
        for subscription in self.subscriptions.iter_mut().flatten() {
            let is_agreed = subscription.is_redundancy_agreed();
            if let Some(voice) = subscription.voice.as_mut().filter(|_| is_agreed) {
                has_changed |= std::mem::replace(&mut voice.redundancy, level) != level;
            }
        }
        has_changed
    }

    /// Offers a packet that just arrived to one subscription. `true` where it goes on.
    pub(crate) fn offer(
        &mut self,
        now: Instant,
        index: SubscriptionIndex,
        arrival: &Arrival,
        track: &Track,
        counters: &mut Counters,
    ) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(index.0).and_then(Option::as_mut) else {
            return false;
        };
        if subscription.kind() == MediaKind::Video && self.video == VideoFlow::Stopped {
            return false;
        }
        let translate = |to, timestamp| track.translate_timestamp(arrival.encoding, timestamp, to);
        let departure = match subscription.offer(now, arrival, translate) {
            Ok(departure) => departure,
            Err(Withheld::Layer) => return false,
            Err(Withheld::Codec) => {
                counters.drop_one(DropReason::CodecNotNegotiated);
                return false;
            }
        };
        let lane = match subscription.kind() {
            MediaKind::Audio => Lane::Audio,
            MediaKind::Video => Lane::Video,
        };
        let own = (arrival.timestamp, arrival.payload_size);
        let repeated = subscription.repeats(track, arrival.encoding, own).overhead();
        let size = wire_size(subscription.plain_size(arrival.payload_size + repeated));
        let parcel = Parcel::Media { subscription: index, departure };
        match self.pacer.enqueue(now, lane, size, parcel) {
            Enqueued::Queued => {}
            Enqueued::QueuedAfterDrop(dropped) => {
                counters.dropped[DropReason::PacerFull as usize] += dropped.packets as u64;
                // The packet itself continues a stream whose middle is gone, so it goes, too.
                self.drop_video();
            }
            Enqueued::Refused { .. } => return false,
        }
        true
    }

    /// Sends packets again that the subscriber misses. `false` where one of them is beyond repair, so that only
    /// a key frame helps.
    pub(crate) fn resend(
        &mut self,
        now: Instant,
        index: SubscriptionIndex,
        lost: impl Iterator<Item = u16>,
        track: &Track,
        counters: &mut Counters,
    ) -> bool {
        let mut is_repaired = true;
        for sequence in lost {
            let Some(subscription) = self.subscriptions.get_mut(index.0).and_then(Option::as_mut) else {
                break;
            };
            let Some(record) = subscription.sent(sequence).copied() else { continue };
            // A lower encoding begins with a key frame of its own; the link could not carry the higher one.
            let wanted = subscription.current().or(subscription.target());
            if wanted.is_some_and(|wanted| wanted.encoding < record.encoding) {
                counters.drop_one(DropReason::RetransmissionBudget);
                continue;
            }
            let Some(packet) = track.stored(record.encoding, record.source_sequence) else { continue };
            let size = wire_size(subscription.plain_size(packet.payload.len() + 2));
            let resend = Resend {
                first_sent: record.first_sent,
                last_sent: record.last_sent,
                resends: record.resends,
            };
            let parcel = Parcel::Again { subscription: index, sequence };
            match self.pacer.enqueue(now, Lane::Retransmission(resend), size, parcel) {
                Enqueued::Queued | Enqueued::QueuedAfterDrop(_) => {
                    if let Some(record) = subscription.sent(sequence) {
                        record.resends = record.resends.saturating_add(1);
                        record.last_sent = now;
                    }
                }
                Enqueued::Refused { reason, .. } => {
                    counters.drop_one(DropReason::RetransmissionBudget);
                    is_repaired &= match reason {
                        RetransmissionRefusal::TooOften => false,
                        // The subscriber asks again if it still waits.
                        RetransmissionRefusal::TooOld
                        | RetransmissionRefusal::UnderWay
                        | RetransmissionRefusal::OverBudget => true,
                    };
                }
            }
        }
        is_repaired
    }

    /// Takes one transport-wide feedback.
    pub(crate) fn handle_feedback(&mut self, now: Instant, statuses: &[PacketStatus]) {
        self.congestion.handle_feedback(now, statuses);
        for voice in self.subscriptions.iter_mut().flatten().filter_map(|one| one.voice.as_mut()) {
            voice.handle_feedback(statuses);
        }
        self.steer(now);
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.congestion.poll_timeout().is_some_and(|due| due <= now) {
            self.congestion.handle_timeout(now);
            self.steer(now);
        }
    }

    /// Lets the pacer follow what congestion control has concluded.
    pub(crate) fn steer(&mut self, now: Instant) {
        let dropped = self.pacer.set_pace(now, self.pace());
        let video = match self.congestion.estimate().state {
            LinkState::FeedbackLost if self.least_pace.is_none() => VideoFlow::Stopped,
            LinkState::FeedbackLost
            | LinkState::Starting
            | LinkState::Steady
            | LinkState::Overusing
            | LinkState::Recovering
            | LinkState::FeedbackLate => VideoFlow::Open,
        };
        if !dropped.is_none() {
            self.drop_video();
        }
        if self.video != video {
            self.video = video;
            self.drop_video();
            // Each picture goes on with its next key frame, which is asked for when it can arrive.
            self.restart_video();
        }
        if self.can_pad()
            && let Some(cluster) = self.congestion.poll_probe(now)
        {
            self.pacer.start_probe(now, cluster);
        }
    }

    /// Gives up all video that waits; each picture goes on with its next key frame.
    fn drop_video(&mut self) {
        let _ = self.pacer.drop_video();
        let mut spoilt = false;
        while let Some(parcel) = self.pacer.poll_dropped() {
            spoilt |= matches!(parcel, Parcel::Media { .. });
        }
        if spoilt {
            self.restart_video();
        }
    }

    fn restart_video(&mut self) {
        let videos = self.subscriptions.iter_mut().flatten().filter(|one| one.kind() == MediaKind::Video);
        videos.for_each(Subscription::restart);
        self.wants_key_frames = true;
    }

    /// Whether pictures were spoilt since the last call, so that their key frames have to be asked for.
    pub(crate) fn take_wants_key_frames(&mut self) -> bool {
        self.is_heard_of() && std::mem::take(&mut self.wants_key_frames)
    }

    /// The encoding whose key frame a subscription waits for, if one could reach the subscriber at present.
    pub(crate) fn awaits_key_frame(&mut self, index: SubscriptionIndex) -> Option<u8> {
        if !self.is_heard_of() {
            return None;
        }
        self.subscription(index)?.awaits_key_frame()
    }

    /// Takes note of the network that the subscriber is on.
    pub(crate) fn handle_network(&mut self, now: Instant, name: NetworkName) {
        self.congestion.handle_network(now, name);
        self.steer(now);
    }

    /// Feedback is on time: what is sent has a chance to arrive.
    fn is_heard_of(&self) -> bool {
        match self.congestion.estimate().state {
            LinkState::Starting | LinkState::Steady | LinkState::Overusing | LinkState::Recovering => true,
            LinkState::FeedbackLate | LinkState::FeedbackLost => false,
        }
    }

    /// How a lower encoding of a track has to take over: at once, if the link cannot carry the one that
    /// flows.
    pub(crate) fn descent(&self, index: SubscriptionIndex, track: &Track, now: Instant) -> Descent {
        let current =
            self.subscriptions.get(index.0).and_then(Option::as_ref).and_then(Subscription::current);
        let Some(layer) = current else { return Descent::Graceful };
        let rates = track.rates(now, layer.encoding);
        let estimate = self.congestion.estimate();
        let is_strained = estimate.state == LinkState::Overusing || rates.up_to[2] > estimate.target;
        if is_strained { Descent::AtOnce } else { Descent::Graceful }
    }

    fn can_pad(&self) -> bool {
        self.subscriptions.iter().flatten().any(|one| one.line().rtx_ssrc.is_some())
    }

    /// Seals what may leave now. `false` where the slab is full before that is done.
    pub(crate) fn fill(&mut self, now: Instant, tracks: &[Option<Track>], outlet: &mut Outlet<'_>) -> bool {
        loop {
            if !outlet.slab.has_room_for(MAX_DATAGRAM) {
                return false;
            }
            let Some(release) = self.pacer.poll(now) else { return true };
            match release {
                Release::Packet { item, class, probe, .. } => match item {
                    Parcel::Media { subscription, departure } => {
                        self.write_media(now, (subscription, departure), (class, probe), tracks, outlet);
                    }
                    Parcel::Again { subscription, sequence } => {
                        self.write_again(now, (subscription, sequence), (class, probe), tracks, outlet);
                    }
                },
                Release::Padding { size, probe } => {
                    self.write_padding(now, size, (PacketClass::Padding, probe), tracks, outlet);
                }
            }
        }
    }

    fn write_media(
        &mut self,
        now: Instant,
        (index, departure): (SubscriptionIndex, Departure),
        release: (PacketClass, Option<ProbeId>),
        tracks: &[Option<Track>],
        outlet: &mut Outlet<'_>,
    ) {
        let Some((subscription, track)) = subscribed(&mut self.subscriptions, index, tracks) else { return };
        let Some(packet) = track.stored(departure.encoding, departure.source_sequence) else { return };
        let StoredPacket { notes, payload, .. } = packet;
        let repeats = subscription.repeats(track, departure.encoding, (notes.timestamp, payload.len()));
        let write = |subscription: &mut Subscription, out: &mut Vec<u8>| {
            Some(subscription.write(now, departure, packet, &repeats, out))
        };
        let stamp = Stamp { now, epoch: self.epoch, release };
        let sealed = seal(&mut self.congestion, stamp, subscription, Stream::Media, outlet, write);
        if let Some(Sealed { transport_sequence, .. }) = sealed {
            if let Some(voice) = &mut subscription.voice {
                voice.handle_sent(departure.source_sequence, transport_sequence, repeats.count());
                outlet.counters.redundant_bytes_out += repeats.overhead() as u64;
            }
            outlet.counters.egress.count(subscription.kind(), payload.len());
            outlet.counters.forward_delay.record(now.saturating_duration_since(notes.arrived_at));
        }
    }

    fn write_again(
        &mut self,
        now: Instant,
        (index, sequence): (SubscriptionIndex, u16),
        release: (PacketClass, Option<ProbeId>),
        tracks: &[Option<Track>],
        outlet: &mut Outlet<'_>,
    ) {
        let Some((subscription, track)) = subscribed(&mut self.subscriptions, index, tracks) else { return };
        let Some(record) = subscription.sent(sequence).copied() else { return };
        let Some(packet) = track.stored(record.encoding, record.source_sequence) else { return };
        let write = |subscription: &mut Subscription, out: &mut Vec<u8>| {
            subscription.write_again(record, packet, out)
        };
        let stamp = Stamp { now, epoch: self.epoch, release };
        if let Some(Sealed { size, .. }) =
            seal(&mut self.congestion, stamp, subscription, Stream::Retransmission, outlet, write)
        {
            outlet.counters.retransmitted_bytes_out += size as u64;
        }
    }

    /// Padding goes by any subscription that has a stream for retransmissions and knows its codec.
    fn write_padding(
        &mut self,
        now: Instant,
        size: DataSize,
        release: (PacketClass, Option<ProbeId>),
        tracks: &[Option<Track>],
        outlet: &mut Outlet<'_>,
    ) {
        let count = size.as_bytes().clamp(1, MAX_PADDING.into()) as u8;
        let stamp = Stamp { now, epoch: self.epoch, release };
        for subscription in self.subscriptions.iter_mut().flatten() {
            let codec = tracks.get(subscription.track.0).and_then(Option::as_ref).and_then(Track::codec);
            let (Some(codec), Some(_)) = (codec, subscription.line().rtx_ssrc) else { continue };
            let write = |subscription: &mut Subscription, out: &mut Vec<u8>| {
                subscription.write_padding(codec, count, out)
            };
            let sealed =
                seal(&mut self.congestion, stamp, subscription, Stream::Retransmission, outlet, write);
            if let Some(Sealed { size, .. }) = sealed {
                outlet.counters.padding_bytes_out += size as u64;
                return;
            }
        }
    }

    /// When [`Self::fill`] or [`Self::handle_timeout`] should be called next.
    pub(crate) fn poll_timeout(&self, now: Instant) -> Option<Instant> {
        // Without a picture there is nothing to estimate for, and nothing to probe with.
        let congestion = self.congestion.poll_timeout().filter(|_| self.can_pad());
        [self.pacer.poll_timeout(now), congestion].into_iter().flatten().min()
    }
}

/// Which of a subscription's streams a packet goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stream {
    Media,
    Retransmission,
}

/// What a packet is stamped with as it leaves.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    now: Instant,
    epoch: Instant,
    release: (PacketClass, Option<ProbeId>),
}

/// A packet as it left.
#[derive(Debug, Clone, Copy)]
struct Sealed {
    /// Bytes of the datagram.
    size: usize,
    transport_sequence: Option<u16>,
}

fn subscribed<'s, 't>(
    subscriptions: &'s mut [Option<Subscription>],
    index: SubscriptionIndex,
    tracks: &'t [Option<Track>],
) -> Option<(&'s mut Subscription, &'t Track)> {
    let subscription = subscriptions.get_mut(index.0)?.as_mut()?;
    let track = tracks.get(subscription.track.0)?.as_ref()?;
    Some((subscription, track))
}

/// Lets `write` put a packet into the slab, equalises it with its neighbours, stamps and seals it.
/// `None` where nothing was written.
fn seal(
    congestion: &mut CongestionController,
    stamp: Stamp,
    subscription: &mut Subscription,
    stream: Stream,
    outlet: &mut Outlet<'_>,
    write: impl FnOnce(&mut Subscription, &mut Vec<u8>) -> Option<WrittenHeader>,
) -> Option<Sealed> {
    let neighbour = outlet.slab.open_segment_size(outlet.destination);
    let srtp = &mut *outlet.srtp;
    let overhead = srtp.profile().rtp_overhead();
    let mut sealed = None;
    outlet.slab.push(outlet.destination, |out| {
        let start = out.len();
        let Some(header) = write(subscription, out) else { return out.truncate(start) };
        let is_padded = out.get(start).is_some_and(|first| first & 0x20 != 0);
        let missing = neighbour.unwrap_or(0).saturating_sub(out.len() - start + overhead);
        if (1..=MAX_EQUALISING_PADDING).contains(&missing) && !is_padded {
            pad(out, start, missing as u8);
        }
        let size = out.len() - start + overhead;
        let mut transport_sequence = None;
        if header.transport_sequence_at.is_some() {
            let (class, probe) = stamp.release;
            let sequence =
                congestion.handle_sent(stamp.now, SentPacket { class, size: wire_size(size), probe });
            header.set_transport_sequence(out, sequence);
            transport_sequence = Some(sequence);
        }
        header.set_abs_send_time(out, stamp.now.saturating_duration_since(stamp.epoch));
        let rollover = subscription.rollover(stream == Stream::Retransmission);
        match srtp.seal_rtp(out, start, header.len, rollover) {
            Ok(()) => sealed = Some(Sealed { size, transport_sequence }),
            Err(_) => out.truncate(start),
        }
    });
    sealed
}

/// What a datagram with this content costs the link.
fn wire_size(size: usize) -> DataSize {
    DataSize::bytes((size + DATAGRAM_OVERHEAD) as u64)
}

#[cfg(test)]
#[path = "egress_tests.rs"]
mod tests;
