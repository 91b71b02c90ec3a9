//! Everything that goes to one subscriber: its subscriptions behind one pacer and one congestion control,
//! sealed packet by packet into the slab when the pacer lets them go.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use protocol::network_class::NetworkClass;
use protocol::track::MediaKind;
use protocol::units::{Bitrate, DataSize};

use crate::burst::BurstSlab;
use crate::congestion::{
    CongestionController, Enqueued, Lane, LinkState, NetworkName, Pace, Pacer, PacketClass, PacketStatus,
    ProbeId, Release, Resend, RetransmissionRefusal, StartRate,
};
use crate::counters::{Counters, DropReason};
use crate::forward::layer_switch::Descent;
use crate::forward::packet_store::StoredPacket;
use crate::forward::seal::{Sealed, Stamp, Stream, seal, wire_size};
use crate::forward::subscription::{
    Arrival, Departure, Subscription, SubscriptionIndex, TrackIndex, Withheld,
};
use crate::forward::track::Track;
use crate::forward::voice_bundler::{Bundle, MOST_TOGETHER};
use crate::limits::MAX_DATAGRAM;
use crate::rtp::MAX_PADDING;
use crate::srtp::SrtpSession;
use crate::voice::Redundancy;

/// In the dark voices leave two by two, and after this long three by three. Where only the way back is dark they still
/// arrive, each time some milliseconds later than before, and a player needs a while to wait longer.
const TWO_BY_TWO: Duration = Duration::from_millis(500);

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
    /// Since when the subscriber's feedback is lost: what is sent now is sent into the dark. No video goes, and voices
    /// go in fewer packets.
    dark_since: Option<Instant>,
    /// Some voice waits for more of it to come.
    is_voice_waiting: bool,
    /// The pace to keep whatever the estimate says.
    least_pace: Option<Bitrate>,
    /// Pictures were spoilt since somebody last asked: their key frames are wanted.
    wants_key_frames: bool,
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
            dark_since: None,
            is_voice_waiting: false,
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
                // Most have two, and they are large.
                self.subscriptions.reserve_exact(1);
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
        match subscription.kind() {
            MediaKind::Video if self.dark_since.is_some() => false,
            MediaKind::Video => {
                let translate = |to, timestamp| track.translate_timestamp(arrival.encoding, timestamp, to);
                let departure = subscription.offer(now, arrival, translate);
                let payload_size = |_: &Subscription, _: &Departure| Some(arrival.payload_size);
                self.place(now, (index, Lane::Video), departure, payload_size, counters)
            }
            MediaKind::Audio if subscription.bundler.push(now, arrival) => {
                self.release_voice(now, index, track, counters)
            }
            MediaKind::Audio => {
                let departure = subscription.offer_bundle(now, &Bundle::of(*arrival));
                self.place(now, (index, Lane::Audio), departure, voice_size(track), counters)
            }
        }
    }

    /// Lets those packets of a voice go that need not wait for more. `true` where all that leave go on.
    fn release_voice(
        &mut self,
        now: Instant,
        index: SubscriptionIndex,
        track: &Track,
        counters: &mut Counters,
    ) -> bool {
        let wanted = match self.dark_since() {
            Some(since) if now < since + TWO_BY_TWO => 2,
            Some(_) => MOST_TOGETHER,
            None => 1,
        };
        let mut goes_on = true;
        while let Some(subscription) = self.subscriptions.get_mut(index.0).and_then(Option::as_mut) {
            // Who does not take several frames in one packet is sent every packet: none is lost if only feedback is.
            let together = if subscription.is_redundancy_agreed() { wanted } else { 1 };
            let Some(bundle) = subscription.bundler.poll(now, together) else {
                self.is_voice_waiting |= subscription.bundler.poll_timeout().is_some();
                break;
            };
            let departure = subscription.offer_bundle(now, &bundle);
            goes_on &= self.place(now, (index, Lane::Audio), departure, voice_size(track), counters);
        }
        goes_on
    }

    /// Lets go what has waited long enough, and all that waits once the subscriber is heard of.
    fn release_voices(&mut self, now: Instant, tracks: &[Option<Track>], counters: &mut Counters) {
        if !std::mem::take(&mut self.is_voice_waiting) {
            return;
        }
        for index in (0..self.subscriptions.len()).map(SubscriptionIndex) {
            if let Some((_, track)) = subscribed(&mut self.subscriptions, index, tracks) {
                self.release_voice(now, index, track, counters);
            }
        }
    }

    /// When the voice that waits longest leaves.
    fn voice_due(&self) -> Option<Instant> {
        self.subscriptions.iter().flatten().filter_map(|one| one.bundler.poll_timeout()).min()
    }

    /// Puts a packet that got its numbers into the pacer. `true` where it goes on.
    fn place(
        &mut self,
        now: Instant,
        (index, lane): (SubscriptionIndex, Lane),
        departure: Result<Departure, Withheld>,
        payload_size: impl FnOnce(&Subscription, &Departure) -> Option<usize>,
        counters: &mut Counters,
    ) -> bool {
        let departure = match departure {
            Ok(departure) => departure,
            Err(Withheld::Layer) => return false,
            Err(Withheld::Codec) => {
                counters.drop_one(DropReason::CodecNotNegotiated);
                return false;
            }
        };
        let Some(subscription) = self.subscriptions.get(index.0).and_then(Option::as_ref) else {
            return false;
        };
        let Some(payload_size) = payload_size(subscription, &departure) else { return false };
        let size = wire_size(subscription.plain_size(payload_size));
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
            let Some(record) = subscription.sent(sequence) else { continue };
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
                Enqueued::Queued | Enqueued::QueuedAfterDrop(_) => subscription.note_resend(now, sequence),
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
        let is_dark = match self.congestion.state() {
            LinkState::FeedbackLost => self.least_pace.is_none(),
            LinkState::Starting
            | LinkState::Steady
            | LinkState::Overusing
            | LinkState::Recovering
            | LinkState::FeedbackLate => false,
        };
        if !dropped.is_none() {
            self.drop_video();
        }
        if self.dark_since.is_some() != is_dark {
            self.dark_since = is_dark.then_some(now);
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
        self.wants_key_frames && self.is_heard_of() && std::mem::take(&mut self.wants_key_frames)
    }

    /// The encoding whose key frame a subscription waits for, if one could reach the subscriber at present.
    pub(crate) fn awaits_key_frame(&mut self, index: SubscriptionIndex) -> Option<u8> {
        if !self.is_heard_of() {
            return None;
        }
        self.subscription(index)?.awaits_key_frame()
    }

    /// The first subscription from `next` on that waits for a key frame which could reach the subscriber, and for which.
    pub(crate) fn key_frame_wait(
        &self,
        next: SubscriptionIndex,
    ) -> Option<(SubscriptionIndex, TrackIndex, u8)> {
        let waits = self.subscriptions().skip_while(|(place, _)| *place < next);
        let mut waits = waits.filter_map(|(place, one)| Some((place, one.track, one.awaits_key_frame()?)));
        waits.next().filter(|_| self.is_heard_of())
    }

    /// Takes note of the network that the subscriber is on.
    pub(crate) fn handle_network(&mut self, now: Instant, name: NetworkName) {
        self.congestion.handle_network(now, name);
        self.steer(now);
    }

    /// Since when what is sent is sent into the dark. Who has never told what arrives need not be there.
    pub(crate) fn dark_since(&self) -> Option<Instant> {
        self.dark_since.filter(|_| self.congestion.has_heard())
    }

    /// Feedback is on time: what is sent has a chance to arrive.
    fn is_heard_of(&self) -> bool {
        match self.congestion.state() {
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
        self.release_voices(now, tracks, outlet.counters);
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
        let repeats = subscription.repeats(track, &departure, (notes.timestamp, payload.len()));
        let write = |subscription: &mut Subscription, out: &mut Vec<u8>| {
            Some(subscription.write(now, departure, packet, &repeats, out))
        };
        let stamp = Stamp { now, epoch: self.epoch, release };
        let sealed = seal(&mut self.congestion, stamp, subscription, Stream::Media, outlet, write);
        if let Some(Sealed { transport_sequence, .. }) = sealed {
            if let Some(voice) = &mut subscription.voice {
                let carried = (departure.source_sequence, departure.passengers);
                voice.handle_sent(carried, transport_sequence, repeats.count());
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
        let Some(record) = subscription.sent(sequence) else { return };
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
        congestion.into_iter().chain(self.poll_media_timeout(now)).min()
    }

    /// When what waits to leave is due.
    pub(crate) fn poll_media_timeout(&self, now: Instant) -> Option<Instant> {
        let voice = if self.is_voice_waiting { self.voice_due() } else { None };
        self.pacer.poll_timeout(now).into_iter().chain(voice).min()
    }
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

#[cfg(test)]
#[path = "egress_tests.rs"]
mod tests;

/// The payload of a voice's packet with the earlier frames that it carries.
fn voice_size(track: &Track) -> impl FnOnce(&Subscription, &Departure) -> Option<usize> {
    |subscription, departure| {
        let packet = track.stored(departure.encoding, departure.source_sequence)?;
        let own = (packet.notes.timestamp, packet.payload.len());
        Some(packet.payload.len() + subscription.repeats(track, departure, own).overhead())
    }
}
