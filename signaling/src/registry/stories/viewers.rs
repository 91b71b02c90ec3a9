//! Stories of those who only watch, few and many.

use protocol::media_message::SubscribedMid;

use super::*;
use crate::limits::{MAX_LISTED_VIEWERS, VIEWERS_INTERVAL};

/// A lecture hall: a hundred times as many as a room lists.
const MANY: usize = 2_000;

impl Story {
    /// A doctor, and a patient's camera that is on air.
    fn lecture() -> Self {
        let mut story = Self::with_places(Places { people: 3, viewers: MANY });
        for client in [DOCTOR, PATIENT] {
            story.arrives(client).says(client, join("somebody"));
        }
        story.media(MediaReport::TrackPublished(camera(false)));
        story.outputs.clear();
        story
    }

    /// A player asks to be let in by the observer's invitation.
    fn comes_to_watch(&mut self, number: usize) -> &mut Self {
        let connection = player(number);
        self.registry.handle_connect(self.now, connection);
        let admission = Admission {
            consult: CONSULT,
            subject: "follow-up".to_owned().into(),
            participant: watching(number),
            role: Role::Observer,
            name: None,
            invitation: participant(WATCHER),
            client: ClientKind::Resource,
        };
        let greeting = Greeting { request: 1, admission, resume: None, ice_servers: Vec::new() };
        self.registry.handle_hello(self.now, connection, greeting);
        self.says((connection, Role::Observer), join("player"))
    }

    /// A player's whole way in, as the media plane sees it.
    fn watches(&mut self, number: usize) -> &mut Self {
        let client = (player(number), Role::Observer);
        self.comes_to_watch(number).says(client, offer_to_play());
        let negotiation = self.outputs.iter().rev().find_map(|output| match output {
            Output::Media(command) => match command.action {
                MediaAction::Negotiate { negotiation, .. } => Some(negotiation),
                _ => None,
            },
            _ => None,
        });
        let negotiation = negotiation.expect("an offer went to the media plane");
        let sdp = "v=0".to_owned();
        let outcome = Ok(Answer { sdp, tracks: Vec::new(), shell_nonce: ShellNonce::from_bits(5) });
        let participant = watching(number);
        self.media(MediaReport::Negotiated { participant, negotiation, outcome });
        self.media(MediaReport::Transport { participant, state: TransportState::Connected });
        self.media(MediaReport::NetworkClass { participant, class: NetworkClass::Wifi })
    }

    fn hangs_up(&mut self, number: usize) -> &mut Self {
        self.media(MediaReport::Transport { participant: watching(number), state: TransportState::Closed })
    }

    /// The outputs of one step.
    fn outputs_of(&mut self, step: impl FnOnce(&mut Self) -> &mut Self) -> usize {
        self.outputs.clear();
        step(self).outputs.len()
    }
}

fn player(number: usize) -> ConnectionId {
    ConnectionId(1_000 + number as u64)
}

fn watching(number: usize) -> ParticipantId {
    ParticipantId::from_bits(1_000 + number as u128)
}

fn offer_to_play() -> ClientMessage {
    let subscriptions = vec![SubscribedMid { mid: "0".to_owned(), track: CAMERA }];
    ClientMessage::Offer(Offer { sdp: "v=0".to_owned(), tracks: Vec::new(), subscriptions })
}

#[test]
fn people_and_viewers_have_places_of_their_own() {
    let mut story = Story::with_places(Places { people: 1, viewers: 1 });
    story.comes_to_watch(1).comes_to_watch(2);
    let refused = (player(2), Role::Observer);
    story.is_refused(refused, ErrorCode::RoomFull);
    assert_eq!(story.last(refused)["message"], "as many watch as may");
    story.arrives(DOCTOR).says(DOCTOR, join("Dr. Li")).hears(DOCTOR, &["welcome", "joined"]);
    story.arrives(PATIENT).says(PATIENT, join("Wang")).is_refused(PATIENT, ErrorCode::RoomFull);
    assert_eq!(story.last(PATIENT)["message"], "the consult has no place left");
    // A place that becomes free is for another.
    story.hangs_up(1).forgets().comes_to_watch(3).hears((player(3), Role::Observer), &["welcome", "joined"]);
    let mut nobody_watches = Story::with_places(Places { people: 1, viewers: 0 });
    nobody_watches.comes_to_watch(1).is_refused((player(1), Role::Observer), ErrorCode::RoomFull);
}

#[test]
fn the_first_viewers_are_told_one_by_one_and_the_others_as_a_number() {
    let mut story = Story::lecture();
    for number in 0..MAX_LISTED_VIEWERS {
        story.forgets().comes_to_watch(number).hears(DOCTOR, &["participant_joined"]);
    }
    story.forgets();
    for number in MAX_LISTED_VIEWERS..MAX_LISTED_VIEWERS + 50 {
        story.watches(number);
    }
    story.hears(DOCTOR, &[]).after(VIEWERS_INTERVAL).hears(DOCTOR, &["viewers"]).hears(PATIENT, &["viewers"]);
    assert_eq!(story.last(DOCTOR)["unlisted"], 50);
    story.forgets().arrives(WATCHER).says(WATCHER, join("Nurse"));
    let joined = story.last(WATCHER);
    let listed = joined["participants"].as_array().map(Vec::len);
    assert_eq!((listed, &joined["unlisted_viewers"]), (Some(2 + MAX_LISTED_VIEWERS), &50.into()));
    // One who is listed leaves by name, one who is not as a number.
    story.forgets().hangs_up(0).hangs_up(MAX_LISTED_VIEWERS).hears(DOCTOR, &["participant_left"]);
    story.forgets().after(VIEWERS_INTERVAL).hears(DOCTOR, &["viewers"]).after(VIEWERS_INTERVAL);
    assert_eq!((story.last(DOCTOR)["unlisted"].clone(), story.received(DOCTOR).len()), (49.into(), 1));
    assert_eq!(story.after(secs(5)).registry.poll_timeout(), None, "nothing is left to wake for");
}

#[test]
fn a_viewer_hears_of_nothing_but_the_end_of_what_it_plays() {
    let mut story = Story::lecture();
    let client = (player(1), Role::Observer);
    story.watches(1).hears(client, &["welcome", "joined", "answer"]);
    assert_eq!(story.received(client)[1]["participants"], serde_json::json!([]), "it shows them to nobody");
    story.forgets().media(MediaReport::ActiveSpeaker { participant: Some(participant(PATIENT)) });
    story.media(MediaReport::Quality { participant: watching(1), pairs: Vec::new() });
    story.media(MediaReport::TrackMuted(camera(true))).drops(PATIENT).hears(client, &[]);
    let screen = Track { id: TrackId::from_bits(78), source: TrackSource::Screen, ..camera(false) };
    story.media(MediaReport::TrackPublished(screen)).media(MediaReport::TrackUnpublished(screen));
    story.hears(client, &[]);
    story.media(MediaReport::TrackUnpublished(camera(true))).hears(client, &["track_unpublished"]);
    story.forgets().drops(client);
    assert!(
        story.outputs.contains(&Output::Count(Sample::SessionEnded(EndReason::TooSlow))),
        "it never resumes"
    );
    story.hears(DOCTOR, &["participant_left"]);
}

/// What one viewer costs, and what happens in the room while many watch, is the same however many there are.
#[test]
fn a_lecture_costs_no_more_per_viewer_than_a_consult() {
    let mut story = Story::lecture();
    let first = story.outputs_of(|story| story.watches(0));
    let costs: Vec<usize> = (1..MANY).map(|number| story.outputs_of(|story| story.watches(number))).collect();
    assert!(costs.iter().all(|cost| *cost <= first), "{first} for the first, then {:?}", costs.iter().max());
    assert!(first <= 16, "{first} outputs for one viewer");
    story.after(VIEWERS_INTERVAL);
    let speaker = MediaReport::ActiveSpeaker { participant: Some(participant(PATIENT)) };
    let class = MediaReport::NetworkClass { participant: watching(MANY - 1), class: NetworkClass::FourG };
    let screen = Track { id: TrackId::from_bits(78), source: TrackSource::Screen, ..camera(false) };
    let (begins, ends) = (MediaReport::TrackPublished(screen), MediaReport::TrackUnpublished(screen));
    for report in [speaker, class, MediaReport::TrackMuted(camera(true)), begins, ends] {
        let told = story.outputs_of(|story| story.media(report));
        assert!(told <= 3, "{told} outputs for one report");
    }
    let lost = story.outputs_of(|story| story.drops(PATIENT));
    assert!(lost <= 2, "{lost} outputs for one who is lost");
    let left = (0..MANY).map(|number| story.outputs_of(|story| story.hangs_up(number))).max();
    assert!(left <= Some(6), "{left:?} outputs for one who leaves");
}

#[test]
fn a_consult_ends_for_all_who_watch_at_once() {
    let mut story = Story::lecture();
    for number in 0..100 {
        story.watches(number);
    }
    story.forgets();
    story.registry.handle_consult_end(story.now, CONSULT);
    story
        .drained()
        .hears(DOCTOR, &["ended"])
        .is_closed((player(99), Role::Observer), CloseReason::ConsultEnded);
    let census = story.registry.census();
    assert_eq!((census.rooms, census.connected_sessions), (0, 0));
}
