//! Stories of those who want to know why.

use protocol::decision::{Change, ChangeCause, DecisionChange, RoomDecisions};
use protocol::ladder::Rung;

use super::*;
use crate::limits::{DECISIONS_TIMEOUT, MAX_WAITING_QUERIES, WATCH_INTERVAL};
use crate::registry::{Explanation, QueryId, Unexplained};

const WATCH: ClientMessage = ClientMessage::WatchDecisions { watch: true };
const UNWATCH: ClientMessage = ClientMessage::WatchDecisions { watch: false };

impl Story {
    /// How often the media plane was asked to explain.
    fn inquiries(&self) -> usize {
        let asks = |output: &&Output| match output {
            Output::Media(command) => command.action == MediaAction::Explain,
            _ => false,
        };
        self.outputs.iter().filter(asks).count()
    }

    fn asks_over_the_api(&mut self, query: u64) -> &mut Self {
        self.registry.handle_query(self.now, QueryId(query), CONSULT);
        self.drained()
    }

    fn explained(&self, number: u64) -> Option<&Result<Explanation, Unexplained>> {
        self.outputs.iter().find_map(|output| match output {
            Output::Explained { query, outcome } if query.0 == number => Some(outcome),
            _ => None,
        })
    }
}

fn decisions() -> RoomDecisions {
    let (publisher, subscriber) = (participant(PATIENT), participant(PATIENT_AGAIN));
    let (from, to, cause) = (Rung::P720, Rung::P480, ChangeCause::Downlink);
    let change = Change::Rung { publisher, subscriber, track: CAMERA, from, to, cause };
    RoomDecisions { changes: vec![DecisionChange { ago_ms: 1, change }], ..RoomDecisions::default() }
}

#[test]
fn a_doctor_that_watches_is_told_every_second_and_costs_nothing_after() {
    let mut story = Story::in_room();
    story.says(DOCTOR, WATCH).hears(DOCTOR, &["ok"]);
    assert_eq!(story.inquiries(), 1, "at once");
    story.media(MediaReport::Decisions(decisions())).hears(DOCTOR, &["ok", "decisions"]).hears(PATIENT, &[]);
    assert_eq!(
        story.last(DOCTOR)["changes"].as_array().map(Vec::len),
        Some(0),
        "others' affairs stay theirs"
    );
    for _ in 0..3 {
        story.forgets().after(WATCH_INTERVAL);
        assert_eq!(story.inquiries(), 1, "every second");
        story.media(MediaReport::Decisions(decisions())).hears(DOCTOR, &["decisions"]);
    }
    story.forgets().says(DOCTOR, UNWATCH).after(WATCH_INTERVAL).after(WATCH_INTERVAL);
    assert_eq!(story.inquiries(), 0);
    assert_eq!(story.registry.poll_timeout(), None, "nothing is left to wake for");
}

#[test]
fn watching_stops_with_the_connection_and_goes_on_with_it() {
    let mut story = Story::new();
    story.arrives(DOCTOR).says(DOCTOR, join("Dr. Li"));
    let secret = story.received(DOCTOR)[0]["resume_secret"].as_str().expect("a secret").to_owned();
    story.says(DOCTOR, WATCH).media(MediaReport::Decisions(decisions())).drops(DOCTOR).forgets();
    story.after(WATCH_INTERVAL).after(WATCH_INTERVAL);
    assert_eq!(story.inquiries(), 0, "nobody is there to be told");
    story.resumes(DOCTOR, &secret, 1);
    assert_eq!(story.inquiries(), 1);
}

#[test]
fn only_clinicians_in_the_room_may_watch() {
    let mut story = Story::new();
    story.arrives(PATIENT).says(PATIENT, join("Wang")).says(PATIENT, WATCH);
    story.is_refused(PATIENT, ErrorCode::Forbidden);
    story.arrives(DOCTOR).says(DOCTOR, WATCH).is_refused(DOCTOR, ErrorCode::NotJoined);
    assert_eq!(story.inquiries(), 0);
}

#[test]
fn one_answer_serves_all_who_ask_at_once() {
    let mut story = Story::in_room();
    story.asks_over_the_api(1).asks_over_the_api(2);
    assert_eq!((story.inquiries(), story.explained(1)), (1, None));
    story.media(MediaReport::Decisions(decisions()));
    for query in [1, 2] {
        let explained = story.explained(query).expect("an answer").as_ref().expect("an explanation");
        assert_eq!((&explained.decisions, explained.participants.len()), (&decisions(), 2));
    }
    story.hears(DOCTOR, &[]).asks_over_the_api(3);
    assert_eq!(story.inquiries(), 2, "an answer is not kept");
}

#[test]
fn an_empty_room_is_explained_at_once_and_a_silent_media_plane_in_time() {
    let mut story = Story::new();
    story.asks_over_the_api(1);
    assert_eq!(story.explained(1), Some(&Ok(Explanation::default())));
    story.arrives(DOCTOR).says(DOCTOR, join("Dr. Li")).asks_over_the_api(2).after(DECISIONS_TIMEOUT);
    assert_eq!(story.explained(2), Some(&Err(Unexplained::MediaSilent)));
    for query in 3..4 + MAX_WAITING_QUERIES as u64 {
        story.asks_over_the_api(query);
    }
    assert_eq!(story.explained(3 + MAX_WAITING_QUERIES as u64), Some(&Err(Unexplained::TooMany)));
    assert_eq!(story.explained(3), None);
}
