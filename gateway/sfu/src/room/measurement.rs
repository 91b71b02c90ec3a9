//! What the packets of a room amount to, five times a second in the words of policy, and once in a while
//! as samples for the metrics.

use std::time::{Duration, Instant};

use protocol::id::ParticipantId;
use protocol::media_message::{MediaReport, TransportState};
use protocol::track::MediaKind;
use protocol::units::Bitrate;

use crate::adapt::{Flowing, Hearing, LayerMeasure, Uplink};
use crate::congestion::Demand;
use crate::directory::ParticipantIndex;
use crate::forward::Track;
use crate::limits::HEARING_TIMEOUT;
use crate::premises::Premises;
use crate::room::Room;
use crate::room::ingress::downlink;
use crate::sample::Sample;

/// How often links are sampled for the metrics.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);

impl Room {
    /// Shows policy what arrives of each picture: who watches one that stops has to go over to another
    /// encoding at once.
    pub(super) fn watch_layers(&mut self, now: Instant) {
        for track in self.tracks.iter().flatten().filter(|track| track.kind() == MediaKind::Video) {
            if !is_interrupted(now, track) {
                self.adaptation.handle_layers(now, track.id, &layers(now, track));
            }
        }
    }

    pub(super) fn measure(&mut self, now: Instant, premises: &mut Premises) {
        for index in (0..self.participants.len()).map(ParticipantIndex) {
            self.measure_links(now, index);
            self.measure_voices(now, index, premises);
        }
        self.report_flows(now);
        self.report_hearing(now, premises);
        self.request_key_frames(now);
        self.update_speaker(now, premises);
        if self.sample_at <= now {
            self.sample_at = now + SAMPLE_INTERVAL;
            self.sample(premises);
            self.sample_voices(premises);
        }
    }

    /// What the downlink of a participant is believed to carry.
    pub(crate) fn downlink_estimate(&mut self, participant: ParticipantId) -> Option<Bitrate> {
        let index = self.participant_index(participant)?;
        let participant = self.participants.get_mut(index.0)?.as_mut()?;
        participant.is_connected().then(|| participant.egress.congestion().estimate().target)
    }

    fn measure_links(&mut self, now: Instant, index: ParticipantIndex) {
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        if !participant.is_connected() {
            return;
        }
        let id = participant.id;
        let estimate = participant.egress.congestion().estimate();
        self.adaptation.handle_downlink(now, id, downlink(&estimate));
        let count = participant.arrivals.count();
        let numbered = count.expected > 0;
        let loss = participant.arrival_loss.look(count).unwrap_or_default();
        let mut uplink =
            Uplink { rate: Bitrate::ZERO, loss, jitter: Duration::ZERO, rtt: Some(estimate.rtt) };
        for track in self.tracks.iter().flatten().filter(|track| track.publisher == index) {
            for encoding in &track.encodings {
                let rates = encoding.meter.rates(now);
                uplink.rate += rates.up_to[rates.up_to.len() - 1];
                if !numbered {
                    uplink.loss = uplink.loss.max(encoding.reception.recent_loss());
                }
                uplink.jitter = uplink.jitter.max(encoding.reception.jitter());
            }
        }
        let trains = self.participants[index.0].as_mut().and_then(|participant| participant.trains.take(now));
        if let Some(rate) = trains {
            self.adaptation.handle_trains(now, id, rate);
        }
        self.adaptation.handle_uplink(now, id, uplink);
    }

    /// Tells policy what really flows, which lags what it decided by a key frame.
    pub(super) fn report_flows(&mut self, now: Instant) {
        for participant in self.participants.iter().flatten() {
            for (_, subscription) in participant.egress.subscriptions() {
                let track = self.tracks[subscription.track.0].as_ref();
                let Some(track) = track.filter(|track| track.kind() == MediaKind::Video) else { continue };
                let flowing = match subscription.current() {
                    Some(layer) => Flowing::Layer(crate::adapt::Layer {
                        encoding: layer.encoding,
                        temporal: layer.temporal,
                    }),
                    None if subscription.lacks_codec() => Flowing::Undecodable,
                    None => Flowing::None,
                };
                self.adaptation.handle_forwarded(now, participant.id, track.id, flowing);
            }
        }
    }

    /// Tells of participants that nothing comes from any more, and of those that are back.
    fn report_hearing(&mut self, now: Instant, premises: &mut Premises) {
        for participant in self.participants.iter_mut().flatten().filter(|one| one.is_connected()) {
            let is_silent = now.saturating_duration_since(participant.heard_at) > HEARING_TIMEOUT;
            let (hearing, state) = if is_silent {
                (Hearing::Silent, TransportState::Disconnected)
            } else {
                (Hearing::Heard, TransportState::Connected)
            };
            if participant.hearing != hearing {
                participant.hearing = hearing;
                self.adaptation.handle_hearing(now, participant.id, hearing);
                premises.report(self.id, MediaReport::Transport { participant: participant.id, state });
            }
        }
    }

    pub(super) fn demand(
        &mut self,
        now: Instant,
        subscriber: ParticipantId,
        floor: Bitrate,
        current: Bitrate,
        next: Bitrate,
    ) {
        let Some(index) = self.participant_index(subscriber) else { return };
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let next = (next > current).then_some(next);
        participant.egress.congestion().set_demand(Demand { floor, current, next });
        participant.egress.steer(now);
        self.agenda.stir(index);
    }

    fn sample(&mut self, premises: &mut Premises) {
        for index in (0..self.participants.len()).map(ParticipantIndex) {
            let Some(participant) = self.participants[index.0].as_mut() else { continue };
            if !participant.is_connected() {
                continue;
            }
            let class = participant.class;
            if participant.egress.subscriptions().next().is_some() {
                let estimate = participant.egress.congestion().estimate();
                let (rtt, loss) = (estimate.rtt, estimate.loss);
                premises.sample(Sample::Downlink { class, estimate: estimate.target, rtt, loss });
            }
            for track in self.tracks.iter().flatten().filter(|track| track.publisher == index) {
                let heard = track.encodings.iter().filter(|encoding| encoding.ssrc.is_some());
                for encoding in heard {
                    let (jitter, loss) = (encoding.reception.jitter(), encoding.reception.recent_loss());
                    premises.sample(Sample::Uplink { class, kind: track.kind(), jitter, loss });
                }
            }
        }
    }
}

/// Nothing of a track arrives for a moment: that says nothing about which encodings are sent.
fn is_interrupted(now: Instant, track: &Track) -> bool {
    let meters = || track.encodings.iter().map(|encoding| &encoding.meter);
    !meters().any(|meter| meter.is_steady(now)) && meters().any(|meter| meter.is_remembered(now))
}

fn layers(now: Instant, track: &Track) -> Vec<LayerMeasure> {
    let measure = |(encoding, layer): (&crate::forward::Encoding, usize)| {
        let rates = encoding.rates(now, layer);
        LayerMeasure {
            alive: rates.alive,
            stalled: rates.alive && encoding.nacks.is_stalled(now),
            height: encoding.height(layer),
            cumulative: rates.up_to,
            temporal_layers: rates.temporal_layers,
            frame_rate: rates.frame_rate,
        }
    };
    let layers =
        |encoding| (0..crate::forward::Encoding::layer_count(encoding)).map(move |layer| (encoding, layer));
    track.encodings.iter().flat_map(layers).map(measure).collect()
}
