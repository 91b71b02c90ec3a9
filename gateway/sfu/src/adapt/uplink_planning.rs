//! What every publisher is asked to send: for each of its pictures what its subscribers have a use for, and of all
//! together what its uplink carries.

use std::collections::BTreeSet;
use std::time::Instant;

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::track::TrackSource;
use protocol::units::Bitrate;

use super::adaptation::Adaptation;
use super::announcement::told_plan;
use super::decision_log::plan_cause;
use super::measurement::Uplink;
use super::probe_invitation::{Ask, Supply};
use super::published_track::Track;
use super::strategy::Steps;
use super::uplink::{EncodingTarget, SourceNeeds, UplinkWish, plan_uplink};
use super::uplink_levels::{Contender, fit, least_of};
use super::uplink_limit::{Shortage, Traffic, UplinkShare};
use crate::relay::WorkerId;

/// The plan of one track in the making.
struct Draft {
    track: TrackId,
    wishes: Vec<UplinkWish>,
    plan: Vec<EncodingTarget>,
    /// Whether the uplink had a say in it.
    reduced: bool,
}

/// An uplink that loses more than this is full, whatever else it shows.
const LOSSY: f64 = 0.02;

impl Adaptation {
    /// Takes how fast the packets of a publisher come that come one behind the other.
    pub fn handle_trains(&mut self, now: Instant, publisher: ParticipantId, rate: Bitrate) {
        if let Some(participant) = self.room.participants.get_mut(&publisher) {
            participant.uplink_limit.handle_trains(now, rate);
        }
    }

    /// Takes the most that players on another worker have a use for.
    pub fn handle_hall_wish(&mut self, id: TrackId, worker: WorkerId, rung: Rung) {
        let Some(track) = self.room.tracks.get_mut(&id) else { return };
        track.hall_wishes.retain(|(known, _)| *known != worker);
        if rung > Rung::AudioOnly {
            track.hall_wishes.push((worker, rung));
        }
    }

    pub(super) fn plan_uplinks(&mut self, now: Instant) {
        let publishers: BTreeSet<ParticipantId> =
            self.room.video_tracks().map(|(_, track)| track.publication.publisher).collect();
        for publisher in publishers {
            let own = self.room.video_tracks().filter(|(_, track)| track.publication.publisher == publisher);
            let mut drafts: Vec<Draft> = own.map(|(id, track)| self.draft(now, id, track)).collect();
            match self.invite(now, publisher, &drafts) {
                Ask::Little => self.rest(&mut drafts, Track::rested),
                Ask::StillLittle => self.rest(&mut drafts, |track| track.plan.clone()),
                Ask::Everything | Ask::EverythingAgain => {
                    if let Some(share) = self.uplink_share(now, publisher, &drafts) {
                        self.reduce(now, share, &mut drafts);
                    }
                }
            }
            drafts.into_iter().for_each(|draft| self.ask(now, draft));
        }
    }

    /// What the subscribers of a track have a use for.
    fn draft(&self, now: Instant, id: TrackId, track: &Track) -> Draft {
        let wishes = self.room.wishes(now, id, track);
        let plan = plan_uplink(&SourceNeeds {
            source: track.publication.source,
            encodings: track.encodings(),
            source_lines: track.source_lines.map(|(lines, _)| lines),
            wishes: &wishes,
            previous: &track.plan,
            rates: self.room.strategy.rates,
        });
        Draft { track: id, wishes, plan, reduced: false }
    }

    /// Whether a publisher shall send little for a moment, so that its browser looks for room after that.
    fn invite(&mut self, now: Instant, publisher: ParticipantId, drafts: &[Draft]) -> Ask {
        if self.room.strategy.steps != Steps::Held {
            return Ask::Everything;
        }
        let tracks = || drafts.iter().filter_map(|draft| Some((draft, self.room.tracks.get(&draft.track)?)));
        let wanted = tracks().map(|(draft, track)| least_of(track.publication.source, &draft.plan)).sum();
        let withholds = tracks().any(|(_, track)| track.withholds(now));
        let Some(participant) = self.room.participants.get_mut(&publisher) else { return Ask::Everything };
        let is_link = participant.uplink.is_none_or(|Uplink { rate, loss, .. }| {
            loss >= LOSSY || participant.uplink_limit.is_narrow(now, wanted, rate)
        });
        let supply = match participant.uplink_limit.carries() {
            _ if withholds && !is_link => Supply::Withheld,
            None if !withholds => Supply::Whole,
            _ => Supply::Limited,
        };
        let ask = participant.probe_invitation.evaluate(now, supply);
        if ask == Ask::EverythingAgain {
            participant.uplink_limit.lift(now);
        }
        ask
    }

    fn rest(&self, drafts: &mut [Draft], plan: impl Fn(&Track) -> Vec<EncodingTarget>) {
        for draft in drafts {
            let Some(track) = self.room.tracks.get(&draft.track) else { continue };
            if track.publication.source == TrackSource::Camera {
                draft.plan = plan(track);
                draft.reduced = true;
            }
        }
    }

    /// What the pictures of a publisher may take; `None` where nothing is known to be in their way.
    fn uplink_share(
        &mut self,
        now: Instant,
        publisher: ParticipantId,
        drafts: &[Draft],
    ) -> Option<UplinkShare> {
        if self.room.strategy.steps != Steps::Held {
            return None;
        }
        let tracks = || drafts.iter().filter_map(|draft| Some((draft, self.room.tracks.get(&draft.track)?)));
        let least = tracks().map(|(draft, track)| least_of(track.publication.source, &draft.plan));
        let wanted: Bitrate = least.sum();
        let shortage = tracks().map(|(_, track)| track.shortage(now)).max().unwrap_or(Shortage::None);
        let voices = self.room.voices_of(publisher);
        let participant = self.room.participants.get_mut(&publisher)?;
        let arriving = participant.uplink.map_or(Bitrate::ZERO, |Uplink { rate, .. }| rate);
        participant.uplink_limit.evaluate(now, Traffic { wanted, voices, arriving, shortage });
        let share = participant.uplink_limit.share(voices)?;
        (wanted > share.rate).then_some(share)
    }

    /// Gives up what the uplink cannot carry together.
    fn reduce(&self, now: Instant, share: UplinkShare, drafts: &mut [Draft]) {
        let contenders = drafts.iter().filter_map(|draft| {
            let track = self.room.tracks.get(&draft.track)?;
            Some(Contender {
                source: track.publication.source,
                layered: track.is_layered(),
                free: &draft.plan,
                sent: &track.plan,
                arriving: track.ripe_encodings(now),
                watched: if track.is_changing_over(now) { self.room.watched(draft.track) } else { 0 },
                wishes: &draft.wishes,
            })
        });
        let contenders: Vec<Contender<'_>> = contenders.collect();
        let plans = fit(share, &contenders);
        for (draft, plan) in drafts.iter_mut().zip(plans) {
            draft.plan = plan;
            draft.reduced = true;
        }
    }

    /// Tells a publisher its plan, where it is another.
    fn ask(&mut self, now: Instant, Draft { track: id, wishes, plan, reduced }: Draft) {
        let Some(track) = self.room.tracks.get_mut(&id) else { return };
        if plan != track.plan {
            if track.changes_shape(&plan) {
                self.log.record_plan(now, &track.publication, &plan, plan_cause(&track.wishes, &wishes));
            }
            self.outputs.push_back(told_plan(&track.publication, &plan));
            track.follow(now, plan);
        }
        track.reduced = reduced;
        track.wishes = wishes;
    }
}
