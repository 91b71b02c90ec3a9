//! Stories of consults on virtual time, told by what each client receives.

mod decisions;
mod viewers;

use std::time::{Duration, Instant};

use protocol::attestation::{AttestedClaim, AttestedReport};
use protocol::client_message::{ClientEnvelope, ClientMessage, Resume};
use protocol::id::{ConsultId, ParticipantId, ShellNonce, TrackId};
use protocol::media_message::{
    Answer, AnsweredMid, MediaAction, MediaEvent, MediaReport, NegotiationFailure, NegotiationId, Offer,
    PublishedMid, SubscriptionWish, TransportState,
};
use protocol::network_class::{NetworkClass, NetworkReport, ReportSource};
use protocol::quality::HdMode;
use protocol::server_message::{EndReason, ErrorCode, ServerMessage};
use protocol::track::{Role, Track, TrackSource};
use protocol::video_codec::{CodecPlan, CodecPreference, CodecReason, VideoCodec};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;

use super::{Greeting, Output, Places, Registry, SessionStep};
use crate::close_reason::CloseReason;
use crate::consult::{Admission, ClientKind};
use crate::limits::{MAX_LOGGED_EVENTS, MAX_OPEN_NEGOTIATIONS};
use crate::sample::Sample;
use crate::session::ConnectionId;

const CONSULT: ConsultId = ConsultId::from_bits(100);
const DOCTOR: (ConnectionId, Role) = (ConnectionId(1), Role::Clinician);
const PATIENT: (ConnectionId, Role) = (ConnectionId(2), Role::Patient);
const WATCHER: (ConnectionId, Role) = (ConnectionId(3), Role::Observer);
/// The patient's link, opened again.
const PATIENT_AGAIN: (ConnectionId, Role) = (ConnectionId(12), Role::Patient);
const CAMERA: TrackId = TrackId::from_bits(77);

type Client = (ConnectionId, Role);

fn participant((_, role): Client) -> ParticipantId {
    ParticipantId::from_bits(role as u128 + 1)
}

struct Story {
    now: Instant,
    registry: Registry,
    outputs: Vec<Output>,
}

impl Story {
    fn new() -> Self {
        Self::with_places(Places { people: 3, viewers: 1 })
    }

    fn with_places(places: Places) -> Self {
        let registry =
            Registry::new(HdMode::Equivalent, CodecPreference::default(), places, StdRng::seed_from_u64(7));
        Self { now: Instant::now(), registry, outputs: Vec::new() }
    }

    /// A doctor and a patient in the room, and nothing left to hear.
    fn in_room() -> Self {
        let mut story = Self::new();
        for client in [DOCTOR, PATIENT] {
            story.arrives(client).says(client, join("somebody"));
        }
        story.outputs.clear();
        story
    }

    fn drained(&mut self) -> &mut Self {
        self.outputs.extend(std::iter::from_fn(|| self.registry.poll_output()));
        self
    }

    fn hello(&mut self, client: Client, resume: Option<Resume>) -> &mut Self {
        let admission = Admission {
            consult: CONSULT,
            subject: "follow-up".to_owned().into(),
            participant: participant(client),
            role: client.1,
            name: None,
            invitation: participant(client),
            client: ClientKind::Page,
        };
        let greeting = Greeting { request: 1, admission, resume, ice_servers: Vec::new() };
        self.registry.handle_hello(self.now, client.0, greeting);
        self.drained()
    }

    fn arrives(&mut self, client: Client) -> &mut Self {
        self.registry.handle_connect(self.now, client.0);
        self.hello(client, None)
    }

    fn resumes(&mut self, client: Client, secret: &str, last_sequence: u64) -> &mut Self {
        self.registry.handle_connect(self.now, client.0);
        self.hello(client, Some(Resume { secret: secret.to_owned(), last_sequence }))
    }

    fn says(&mut self, client: Client, message: ClientMessage) -> &mut Self {
        self.registry.handle_message(self.now, client.0, ClientEnvelope { id: 2, message });
        self.drained()
    }

    fn drops(&mut self, client: Client) -> &mut Self {
        self.registry.handle_disconnect(self.now, client.0);
        self.drained()
    }

    fn media(&mut self, report: MediaReport) -> &mut Self {
        self.registry.handle_media_event(self.now, MediaEvent { room: CONSULT.into(), report });
        self.drained()
    }

    fn after(&mut self, time: Duration) -> &mut Self {
        self.now += time;
        self.registry.handle_timeout(self.now);
        self.drained()
    }

    /// The messages to a client since the last call of `forgets`, as JSON.
    fn received(&self, client: Client) -> Vec<Value> {
        let to_client = |output: &Output| match output {
            Output::Send { connection, message } if *connection == client.0 => Some(to_json(message)),
            _ => None,
        };
        self.outputs.iter().filter_map(to_client).collect()
    }

    fn last(&self, client: Client) -> Value {
        self.received(client).last().cloned().expect("something was received")
    }

    #[track_caller]
    fn hears(&mut self, client: Client, types: &[&str]) -> &mut Self {
        let heard = self.received(client);
        let heard: Vec<_> = heard.iter().map(|message| message["type"].as_str().expect("a type")).collect();
        assert_eq!(heard, types, "{:?}", client.1);
        self
    }

    #[track_caller]
    fn is_refused(&mut self, client: Client, code: ErrorCode) -> &mut Self {
        let last = self.last(client);
        assert_eq!((last["type"].as_str(), last["code"].as_str()), (Some("error"), Some(code.as_str())));
        let counted = self.outputs.contains(&Output::Count(Sample::Error(code)));
        assert!(counted, "{code:?} is counted");
        self
    }

    #[track_caller]
    fn is_closed(&mut self, client: Client, reason: CloseReason) -> &mut Self {
        let close = Output::Close { connection: client.0, reason };
        assert!(self.outputs.contains(&close), "{:?} is closed because {reason:?}", client.1);
        self
    }

    /// The actions asked of the media plane for a client.
    fn asked<'a>(&'a self, client: Client) -> Vec<&'a MediaAction> {
        let action = |output: &'a Output| match output {
            Output::Media(command) if command.participant == participant(client) => Some(&command.action),
            _ => None,
        };
        self.outputs.iter().filter_map(action).collect()
    }

    fn negotiation(&self, client: Client) -> NegotiationId {
        let id = |action: &&MediaAction| match action {
            MediaAction::Negotiate { negotiation, .. } => Some(*negotiation),
            _ => None,
        };
        self.asked(client).iter().rev().find_map(id).expect("an offer went to the media plane")
    }

    fn forgets(&mut self) -> &mut Self {
        self.outputs.clear();
        self
    }
}

fn to_json(message: &ServerMessage) -> Value {
    serde_json::to_value(message).expect("messages are JSON")
}

fn join(name: &str) -> ClientMessage {
    ClientMessage::Join { name: name.to_owned() }
}

fn camera(muted: bool) -> Track {
    Track { id: CAMERA, publisher: participant(PATIENT), source: TrackSource::Camera, muted }
}

fn offer() -> ClientMessage {
    let tracks = vec![PublishedMid { mid: "0".to_owned(), source: TrackSource::Camera }];
    ClientMessage::Offer(Offer { sdp: "v=0".to_owned(), tracks, subscriptions: Vec::new() })
}

fn answered(client: Client, negotiation: NegotiationId) -> MediaReport {
    let tracks = vec![AnsweredMid { mid: "0".to_owned(), track: CAMERA }];
    let outcome = Ok(Answer { sdp: "v=0".to_owned(), tracks, shell_nonce: ShellNonce::from_bits(5) });
    MediaReport::Negotiated { participant: participant(client), negotiation, outcome }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn two_join_and_see_each_other() {
    let mut story = Story::new();
    story.arrives(DOCTOR).says(DOCTOR, join("Dr. Li")).hears(DOCTOR, &["welcome", "joined"]);
    story.arrives(PATIENT).hears(PATIENT, &["welcome"]).hears(DOCTOR, &["welcome", "joined"]);
    story.says(PATIENT, join(" Wang ")).hears(PATIENT, &["welcome", "joined"]);
    story.hears(DOCTOR, &["welcome", "joined", "participant_joined"]);
    assert_eq!(story.last(DOCTOR)["name"], "Wang");
    assert_eq!(story.last(PATIENT)["participants"][0]["name"], "Dr. Li");
    assert_eq!(story.asked(PATIENT), [&MediaAction::Join { role: Role::Patient, steerable: true }]);
    assert_eq!(story.registry.census().rooms, 1);
}

#[test]
fn an_offer_is_answered_and_its_track_announced() {
    let mut story = Story::in_room();
    story.says(PATIENT, offer());
    let negotiation = story.negotiation(PATIENT);
    story.media(answered(PATIENT, negotiation)).hears(PATIENT, &["answer"]);
    assert_eq!(story.last(PATIENT)["id"], 2);
    // Before media flows the track is the publisher's to mute, but nobody's to subscribe to.
    story.says(PATIENT, ClientMessage::Mute { track: CAMERA, muted: true }).hears(PATIENT, &["answer", "ok"]);
    let wish = ClientMessage::Subscribe(SubscriptionWish { track: CAMERA, max_lines: 720 });
    story.says(DOCTOR, wish.clone()).is_refused(DOCTOR, ErrorCode::UnknownTrack);
    story.forgets().media(MediaReport::TrackPublished(camera(true)));
    story.media(MediaReport::TrackMuted(camera(false))).media(MediaReport::TrackMuted(camera(false)));
    story.says(DOCTOR, wish).hears(DOCTOR, &["track_published", "track_muted", "ok"]).hears(PATIENT, &[]);
    story.says(DOCTOR, ClientMessage::Mute { track: CAMERA, muted: true });
    story.is_refused(DOCTOR, ErrorCode::UnknownTrack);
}

#[test]
fn a_refused_offer_says_why() {
    let mut story = Story::in_room();
    story.says(PATIENT, offer());
    let (participant, negotiation) = (participant(PATIENT), story.negotiation(PATIENT));
    let outcome = Err(NegotiationFailure::NoCommonCodec);
    story.media(MediaReport::Negotiated { participant, negotiation, outcome });
    story.is_refused(PATIENT, ErrorCode::OfferRejected);
    assert_eq!(story.last(PATIENT)["message"], "no codec in common");
}

#[test]
fn a_silent_media_plane_fails_the_offer_only() {
    let mut story = Story::in_room();
    story.says(PATIENT, offer());
    let late = story.negotiation(PATIENT);
    story.after(Duration::from_millis(4_999)).hears(PATIENT, &[]);
    story.after(Duration::from_millis(1)).is_refused(PATIENT, ErrorCode::MediaUnavailable);
    story.forgets().media(answered(PATIENT, late)).hears(PATIENT, &[]);
    story.says(PATIENT, ClientMessage::Ping).hears(PATIENT, &["pong"]);
}

#[test]
fn a_dropped_patient_resumes_and_misses_nothing() {
    let mut story = Story::new();
    story.arrives(DOCTOR).says(DOCTOR, join("Dr. Li")).arrives(PATIENT).says(PATIENT, join("Wang"));
    let secret = story.received(PATIENT)[0]["resume_secret"].as_str().expect("a secret").to_owned();
    story.forgets().drops(PATIENT).hears(DOCTOR, &["participant_changed"]);
    assert_eq!(story.last(DOCTOR)["connected"], false);
    let quality = || MediaReport::Quality { participant: participant(PATIENT), pairs: Vec::new() };
    story.media(quality()).arrives(WATCHER).says(WATCHER, join("student"));
    story.media(quality());
    story.forgets().after(secs(59)).resumes(PATIENT_AGAIN, &secret, 0);
    story.hears(PATIENT_AGAIN, &["welcome", "participant_joined", "quality"]);
    let [welcome, first, second] = &story.received(PATIENT_AGAIN)[..] else { panic!("three messages") };
    assert_eq!(
        (&welcome["resumed"], &first["sequence"], &second["sequence"]),
        (&true.into(), &2.into(), &3.into())
    );
    story.hears(DOCTOR, &["participant_changed"]);
    assert_eq!(story.last(DOCTOR)["connected"], true);
    assert!(story.asked(PATIENT).is_empty(), "the media plane noticed nothing");
    story.forgets().after(secs(60)).hears(DOCTOR, &[]);
}

#[test]
fn others_are_told_of_a_patient_whose_media_fell_silent() {
    let mut story = Story::in_room();
    let patient = participant(PATIENT);
    let transport = |state| MediaReport::Transport { participant: patient, state };
    story.forgets().media(transport(TransportState::Disconnected)).hears(DOCTOR, &[]);
    story.media(transport(TransportState::Connected)).hears(DOCTOR, &[]);
    story.media(transport(TransportState::Disconnected)).hears(DOCTOR, &["participant_changed"]);
    assert_eq!(story.last(DOCTOR)["connected"], false);
    story.forgets().media(transport(TransportState::Connected)).hears(DOCTOR, &["participant_changed"]);
    assert_eq!(story.last(DOCTOR)["connected"], true);
    story.hears(PATIENT, &[]);
}

#[test]
fn a_patient_who_stays_away_is_gone() {
    let mut story = Story::in_room();
    story.media(MediaReport::TrackPublished(camera(false))).drops(PATIENT).forgets();
    story.after(secs(60)).hears(DOCTOR, &["track_unpublished", "participant_left"]);
    assert_eq!(story.asked(PATIENT), [&MediaAction::Leave]);
    assert!(story.outputs.contains(&Output::Count(Sample::SessionEnded(EndReason::TimedOut))));
}

#[test]
fn a_session_cannot_be_resumed_by_guess_or_after_a_gap() {
    let mut story = Story::new();
    story.arrives(PATIENT).says(PATIENT, join("Wang"));
    let secret = story.received(PATIENT)[0]["resume_secret"].as_str().expect("a secret").to_owned();
    story.resumes(PATIENT_AGAIN, "guess", 0).is_refused(PATIENT_AGAIN, ErrorCode::SessionLost);
    story.says(PATIENT, ClientMessage::Ping).drops(PATIENT);
    for _ in 0..=MAX_LOGGED_EVENTS {
        story.media(MediaReport::Transport {
            participant: participant(PATIENT),
            state: TransportState::Failed,
        });
    }
    story.hello(PATIENT_AGAIN, Some(Resume { secret, last_sequence: 0 }));
    story.is_refused(PATIENT_AGAIN, ErrorCode::SessionLost).forgets();
    story.hello(PATIENT_AGAIN, None).hears(PATIENT_AGAIN, &["welcome"]);
}

#[test]
fn a_half_dead_connection_is_taken_over_without_anybody_noticing() {
    let mut story = Story::in_room();
    story.arrives(WATCHER);
    let secret = story.last(WATCHER)["resume_secret"].as_str().expect("a secret").to_owned();
    let again = (ConnectionId(13), Role::Observer);
    story.forgets().resumes(again, &secret, 0).hears(again, &["welcome"]).hears(WATCHER, &[]);
    story.is_closed(WATCHER, CloseReason::Replaced).drops(WATCHER);
    story.forgets().says(again, ClientMessage::Ping).hears(again, &["pong"]);
    assert_eq!(story.registry.census().connected_sessions, 3);
}

#[test]
fn the_link_opened_elsewhere_takes_over() {
    let mut story = Story::in_room();
    story.arrives(PATIENT_AGAIN).hears(PATIENT, &["ended"]).is_closed(PATIENT, CloseReason::Replaced);
    assert_eq!(story.last(PATIENT)["reason"], "replaced");
    story.drops(PATIENT).says(PATIENT_AGAIN, join("Wang")).hears(PATIENT_AGAIN, &["welcome", "joined"]);
    story.hears(DOCTOR, &["participant_left", "participant_joined"]);
    assert_eq!(
        story.asked(PATIENT),
        [&MediaAction::Leave, &MediaAction::Join { role: Role::Patient, steerable: true }]
    );
}

#[test]
fn who_leaves_is_gone_at_once() {
    let mut story = Story::in_room();
    story.says(PATIENT, ClientMessage::Leave).hears(PATIENT, &["bye"]).is_closed(PATIENT, CloseReason::Left);
    story.hears(DOCTOR, &["participant_left"]).says(DOCTOR, ClientMessage::Leave);
    let census = story.registry.census();
    assert_eq!((census.rooms, census.connected_sessions, census.dropped_sessions), (0, 0, 0));
    let ended = |output: &&Output| {
        matches!(output, Output::Record(SessionStep::Ended { reason: EndReason::Left, .. }))
    };
    assert_eq!(story.outputs.iter().filter(ended).count(), 2);
}

#[test]
fn a_closed_consult_ends_its_sessions_and_admits_no_one() {
    let mut story = Story::in_room();
    story.registry.handle_consult_end(story.now, CONSULT);
    story.drained().hears(DOCTOR, &["ended"]).is_closed(PATIENT, CloseReason::ConsultEnded);
    // A hello that was checked before the end arrives after it.
    story.arrives(PATIENT_AGAIN).is_refused(PATIENT_AGAIN, ErrorCode::ConsultClosed);
    story.is_closed(PATIENT_AGAIN, CloseReason::ConsultEnded);
}

#[test]
fn a_stopping_gateway_says_so() {
    let mut story = Story::in_room();
    story.registry.handle_shutdown(story.now);
    story.drained().hears(DOCTOR, &["ended"]).is_closed(DOCTOR, CloseReason::GoingAway);
    assert_eq!(story.last(PATIENT)["reason"], "shutdown");
}

#[test]
fn media_news_reach_whom_they_concern() {
    let mut story = Story::in_room();
    let (doctor, patient) = (participant(DOCTOR), participant(PATIENT));
    story.media(MediaReport::NetworkClass { participant: patient, class: NetworkClass::FiveG });
    story.hears(PATIENT, &["network_class"]).hears(DOCTOR, &["participant_changed"]);
    assert_eq!(story.last(DOCTOR)["network_class"], "5g");
    story.forgets().media(MediaReport::ActiveSpeaker { participant: Some(doctor) });
    assert_eq!(story.last(PATIENT)["participant"], doctor.to_string());
    assert_eq!(story.last(DOCTOR)["participant"], Value::Null);
    story.forgets();
    for state in [TransportState::Connected, TransportState::Connected, TransportState::Failed] {
        story.media(MediaReport::Transport { participant: patient, state });
    }
    story.hears(PATIENT, &["media_failed"]).hears(DOCTOR, &[]);
    let connected = |output: &&Output| matches!(output, Output::Count(Sample::MediaConnected { .. }));
    assert_eq!(story.outputs.iter().filter(connected).count(), 1);
    let stranger = ParticipantId::from_bits(99);
    story.forgets().media(MediaReport::NetworkClass { participant: stranger, class: NetworkClass::TwoG });
    story.media(MediaReport::TrackPublished(Track { publisher: stranger, ..camera(false) }));
    story.hears(DOCTOR, &[]).hears(PATIENT, &[]);
}

#[test]
fn who_joins_learns_what_the_room_can_decode_and_who_publishes_what_to_change() {
    let mut story = Story::in_room();
    let site: Vec<VideoCodec> = CodecPreference::default().order().collect();
    story.media(MediaReport::RoomCodecs { codecs: vec![VideoCodec::Vp9] }).hears(PATIENT, &[]);
    let plan = CodecPlan {
        track: CAMERA,
        mid: "1".to_owned(),
        codecs: vec![VideoCodec::Vp9],
        reason: CodecReason::SomebodyLacks,
    };
    story.media(MediaReport::CodecPlan { participant: participant(PATIENT), plan });
    story.hears(DOCTOR, &[]).hears(PATIENT, &["codec_plan"]);
    story.arrives(WATCHER);
    assert_eq!(story.last(WATCHER)["video_codecs"], serde_json::json!(site), "the site's, in the lobby");
    story.says(WATCHER, join("Nurse"));
    assert_eq!(story.last(WATCHER)["video_codecs"], serde_json::json!(["vp9"]));
}

#[test]
fn reports_of_the_lobby_reach_the_media_plane_with_the_join() {
    let report = |sequence| NetworkReport::plain(ReportSource::Shell, NetworkClass::FourG, sequence);
    let mut story = Story::new();
    story.arrives(PATIENT).says(PATIENT, ClientMessage::NetworkReport(report(1)));
    story.says(PATIENT, ClientMessage::NetworkReport(report(2))).says(PATIENT, join("Wang"));
    let expected =
        [&MediaAction::Join { role: Role::Patient, steerable: true }, &MediaAction::Report(report(2))];
    assert_eq!(story.asked(PATIENT), expected);
}

#[test]
fn a_verified_report_is_for_a_transport_and_so_for_the_room() {
    let claim = AttestedClaim {
        nonce: ShellNonce::from_bits(5),
        sequence: 1,
        class: NetworkClass::FiveG,
        time_ms: 7,
    };
    let mut story = Story::new();
    story.arrives(PATIENT);
    story.registry.handle_attested(PATIENT.0, 2, claim);
    story.drained().is_refused(PATIENT, ErrorCode::NotJoined).says(PATIENT, join("Wang")).forgets();
    story.registry.handle_attested(PATIENT.0, 3, claim);
    assert_eq!(story.drained().last(PATIENT)["type"], "ok");
    assert_eq!(story.asked(PATIENT), [&MediaAction::Attested(claim)]);
    // What nobody has verified never gets so far.
    let report = AttestedReport {
        app: "clinic-app".to_owned(),
        nonce: claim.nonce,
        sequence: 2,
        class: NetworkClass::FiveG,
        time_ms: 8,
        signature: String::new(),
    };
    story.forgets().says(PATIENT, ClientMessage::AttestedReport(report));
    story.is_refused(PATIENT, ErrorCode::MalformedMessage);
    assert!(story.asked(PATIENT).is_empty());
}

#[test]
fn what_is_not_allowed_is_refused_with_its_code() {
    let wish = || ClientMessage::Subscribe(SubscriptionWish { track: CAMERA, max_lines: 180 });
    let mute = || ClientMessage::Mute { track: CAMERA, muted: true };
    let hello = || serde_json::from_str(r#"{"type":"hello","version":1,"token":""}"#).expect("a hello");
    let table = [
        (PATIENT, false, offer(), ErrorCode::NotJoined),
        (PATIENT, false, wish(), ErrorCode::NotJoined),
        (PATIENT, false, mute(), ErrorCode::NotJoined),
        (PATIENT, false, join(" "), ErrorCode::NameInvalid),
        (PATIENT, false, hello(), ErrorCode::MalformedMessage),
        (PATIENT, true, wish(), ErrorCode::UnknownTrack),
        (PATIENT, true, mute(), ErrorCode::UnknownTrack),
        (WATCHER, true, offer(), ErrorCode::Forbidden),
    ];
    for (client, joined, message, code) in table {
        let mut story = Story::new();
        story.arrives(client);
        if joined {
            story.says(client, join("somebody"));
        }
        story.says(client, message).is_refused(client, code);
        story.says(client, ClientMessage::Ping);
        assert_eq!(story.last(client)["type"], "pong", "the connection stays");
    }
}

#[test]
fn a_full_room_and_too_many_offers_are_refused() {
    let mut story = Story::in_room();
    let (family, device) = ((ConnectionId(4), Role::Family), (ConnectionId(5), Role::Device));
    story.arrives(family).says(family, join("daughter")).arrives(device).says(device, join("probe"));
    story.is_refused(device, ErrorCode::RoomFull).forgets();
    for _ in 0..MAX_OPEN_NEGOTIATIONS {
        story.says(PATIENT, offer());
    }
    story.hears(PATIENT, &[]).says(PATIENT, offer()).is_refused(PATIENT, ErrorCode::RateLimited);
    story.after(secs(5)).forgets().says(PATIENT, offer()).hears(PATIENT, &[]);
}

#[test]
fn a_connection_must_say_hello_first_and_soon() {
    let mut story = Story::new();
    story.registry.handle_connect(story.now, PATIENT.0);
    story.says(PATIENT, ClientMessage::Ping).is_refused(PATIENT, ErrorCode::HelloExpected);
    story.is_closed(PATIENT, CloseReason::Unspoken).forgets().hello(PATIENT, None).hears(PATIENT, &[]);
    story.registry.handle_connect(story.now, DOCTOR.0);
    story.after(secs(5)).is_closed(DOCTOR, CloseReason::TooSlow);
    assert_eq!(story.registry.poll_timeout(), None);
}

#[test]
fn no_output_prints_a_name_or_subject() {
    let mut story = Story::new();
    story.arrives(DOCTOR).says(DOCTOR, join("Canary")).arrives(PATIENT).says(PATIENT, join("Canary"));
    let printed = format!("{:?} {:?}", story.outputs, story.registry.sessions);
    assert!(!printed.contains("Canary") && !printed.contains("follow-up"), "{printed}");
}
