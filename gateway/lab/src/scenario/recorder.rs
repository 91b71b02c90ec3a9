//! Writes down what happens to links while a story runs, and at its end what everybody saw and heard.

use std::time::{Duration, Instant};

use protocol::id::ParticipantId;
use protocol::track::MediaKind;
use protocol::units::DataSize;

use super::browser::{Browser, Receiver};
use super::{Person, Scenario, Stage};
use crate::recording::{Flow, Frame, Gap, LinkSample, Recording, STEP, Transfer};

/// The samples so far.
pub(super) struct Recorder {
    pub(super) next: Instant,
    /// By participant.
    links: Vec<Vec<LinkSample>>,
    /// By transfer.
    delivered: Vec<Vec<DataSize>>,
}

impl Scenario {
    /// From here on, what happens is written down.
    #[must_use]
    pub fn recorded(mut self) -> Self {
        self.recorder = Some(Recorder { next: self.now, links: Vec::new(), delivered: Vec::new() });
        self
    }

    /// Takes the samples that are due.
    pub(super) fn record(&mut self) {
        let Some(mut recorder) = self.recorder.take_if(|recorder| recorder.next <= self.now) else { return };
        recorder.links.resize(self.people.len(), Vec::new());
        recorder.delivered.resize(self.transfers.len(), Vec::new());
        for index in 0..self.people.len() {
            if let Some(sample) = self.sample(index) {
                recorder.links[index].push(sample);
            }
        }
        for (series, flow) in recorder.delivered.iter_mut().zip(&self.transfers) {
            series.push(flow.delivered());
        }
        recorder.next += STEP;
        self.recorder = Some(recorder);
    }

    fn sample(&mut self, index: usize) -> Option<LinkSample> {
        let now = self.now;
        let estimate = self.sfu.downlink_estimate(self.room, self.people[index].id);
        let person = &self.people[index];
        let Stage::InCall(browser) = &person.stage else { return None };
        let own = (person.downlink.rate(now), person.downlink.stats(), person.downlink.queue_delay());
        let narrow = person.behind.and_then(|place| self.bottlenecks.get(place));
        let (capacity, stats, queue) = narrow
            .map_or(own, |narrow| (narrow.link.rate(now), narrow.link.stats(), narrow.link.queue_delay()));
        let shared_delay = narrow.map_or(Duration::ZERO, |narrow| narrow.link.settings().delay);
        Some(LinkSample {
            at: now - self.origin,
            capacity,
            sharers: person.behind.map_or(1, |place| self.sharers(place)),
            offered: person.sent_to,
            offered_by_all: self.sent_over(index),
            packets: stats.offered,
            dropped: stats.queue_full,
            queue,
            delay: shared_delay + person.downlink.settings().delay,
            estimate,
            uplink_capacity: person.uplink.rate(now),
            uplink_queue: person.uplink.queue_delay(),
            uplink_delay: person.uplink.settings().delay,
            network: person.network,
            class: browser.network_class(),
        })
    }

    /// What the gateway has sent over the link that this participant is behind, to whomever.
    fn sent_over(&self, index: usize) -> DataSize {
        let person = &self.people[index];
        let Some(place) = person.behind else { return person.sent_to };
        self.people.iter().filter(|other| other.behind == Some(place)).map(|other| other.sent_to).sum()
    }

    /// Those in the call behind a shared link whose tiles are shown, and the transfers that go on.
    fn sharers(&self, bottleneck: usize) -> u32 {
        let watches = |person: &&Person| match &person.stage {
            Stage::InCall(browser) => person.behind == Some(bottleneck) && browser.shows_tiles(),
            Stage::Outside | Stage::Gone => false,
        };
        let transfers = self.transfers.iter().filter(|flow| flow.bottleneck == bottleneck && !flow.is_done());
        (self.people.iter().filter(watches).count() + transfers.count()) as u32
    }

    /// All that was written down.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let Some(recorder) = &self.recorder else { return Recording::default() };
        let mut flows = Vec::new();
        for (subscriber, observer) in self.people.iter().enumerate() {
            let Stage::InCall(browser) = &observer.stage else { continue };
            for (publisher, other) in self.people.iter().enumerate().filter(|(other, _)| *other != subscriber)
            {
                let links = |index: usize| recorder.links.get(index).cloned().unwrap_or_default();
                flows.push(Flow {
                    publisher_links: links(publisher),
                    subscriber_links: links(subscriber),
                    ..self.experience(observer, browser, other)
                });
            }
        }
        let transfers = recorder.delivered.iter().map(|series| Transfer { delivered: series.clone() });
        Recording { flows, transfers: transfers.collect() }
    }

    fn experience(&self, observer: &Person, browser: &Browser, other: &Person) -> Flow {
        let since = |at: Instant| at.saturating_duration_since(self.origin);
        let joined = observer.joined.max(other.joined).map_or(Duration::ZERO, since);
        let receiver =
            |kind| browser.subscription_to(other.id, kind).map(|subscription| &subscription.receiver);
        let (mut frames, mut key_frame_requests) = (Vec::new(), 0);
        if let Some(Receiver::Picture(picture)) = receiver(MediaKind::Video) {
            frames.extend(
                picture.shown().iter().map(|frame| Frame { at: since(frame.at), lines: frame.lines }),
            );
            key_frame_requests = picture.key_frame_requests;
        }
        let (mut gaps, mut first_voice) = (Vec::new(), None);
        if let Some(Receiver::Voice(voice)) = receiver(MediaKind::Audio) {
            gaps.extend(voice.gaps().iter().map(|gap| Gap { at: since(gap.at), length: gap.length }));
            first_voice = voice.first_arrival().map(since);
        }
        Flow {
            publisher: other.name.clone(),
            subscriber: observer.name.clone(),
            joined,
            ended: since(self.now),
            publisher_links: Vec::new(),
            subscriber_links: Vec::new(),
            frames,
            gaps,
            first_voice,
            permissions: self.permissions(browser, other.id),
            key_frame_requests,
        }
    }

    fn permissions(
        &self,
        browser: &Browser,
        publisher: ParticipantId,
    ) -> Vec<(Duration, protocol::quality::HdReason)> {
        let mut permissions = Vec::new();
        for (at, pair) in browser.told_of(publisher) {
            if permissions.last().is_none_or(|(_, reason)| *reason != pair.hd) {
                permissions.push((at.saturating_duration_since(self.origin), pair.hd));
            }
        }
        permissions
    }
}
