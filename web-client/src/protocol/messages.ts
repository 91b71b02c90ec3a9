// Generated from the Rust crate `protocol` by its test `typescript`; not for editing.
// UPDATE_GENERATED=1 cargo test -p protocol --test typescript

/** Version of the client protocol. */
export const PROTOCOL_VERSION = 1;

/**
 * The answer to an [`Offer`].
 */
export type Answer = {
/**
 * The session description.
 */
sdp: string,
/**
 * The tracks that the sending media descriptions became, by `a=mid`.
 */
tracks: Array<AnsweredMid>, };

/**
 * A sending media description, and the track that it became.
 */
export type AnsweredMid = {
/**
 * Its `a=mid`.
 */
mid: string,
/**
 * The track.
 */
track: TrackId, };

/**
 * A rate in bits per second.
 */
export type Bitrate = number;

/**
 * A request, with the id that its response will carry.
 */
export type ClientEnvelope = {
/**
 * Drawn by the client; unique among its open requests.
 */
id: number, } & ({ "type": "hello" } & Hello | { "type": "join",
/**
 * The name that others see.
 */
name: string, } | { "type": "offer" } & Offer | { "type": "subscribe" } & SubscriptionWish | { "type": "mute",
/**
 * The track.
 */
track: TrackId,
/**
 * Whether it is silent or dark.
 */
muted: boolean, } | { "type": "network_report" } & NetworkReport | { "type": "encoder_limit",
/**
 * The track.
 */
track: TrackId,
/**
 * The limit.
 */
limit: EncoderLimit, } | { "type": "ping" } | { "type": "leave" });

/**
 * A consult: the medical appointment, known to the signaling plane only.
 */
export type ConsultId = string;

/**
 * What holds an encoder back, as in `qualityLimitationReason` of webrtc-stats.
 */
export type EncoderLimit = "none" | "cpu" | "bandwidth" | "other";

/**
 * What one encoding shall carry, in the words of `RTCRtpEncodingParameters`.
 */
export type EncodingPlan = {
/**
 * The RID of the encoding.
 */
rid: string,
/**
 * Whether to send it at all.
 */
active: boolean,
/**
 * The rung it carries: at most this many lines.
 */
rung: Rung,
/**
 * Ceiling of its rate.
 */
max_bitrate_bps: Bitrate,
/**
 * Ceiling of its frame rate.
 */
max_framerate: number, };

/**
 * Why a session ended.
 */
export type EndReason = "left" | "consult_closed" | "replaced" | "timed_out" | "too_slow" | "shutdown";

/**
 * Why a request failed. The words are stable.
 */
export type ErrorCode = "malformed_message" | "unsupported_version" | "hello_expected" | "token_invalid" | "token_expired" | "consult_closed" | "session_lost" | "not_joined" | "name_invalid" | "offer_rejected" | "unknown_track" | "forbidden" | "room_full" | "rate_limited" | "media_unavailable" | "internal";

/**
 * An event with its place in the session.
 */
export type EventEnvelope = {
/**
 * Grows by one with every event of the session.
 */
sequence: number, } & ({ "type": "participant_joined" } & Participant | { "type": "participant_changed" } & Participant | { "type": "participant_left",
/**
 * Who.
 */
participant: ParticipantId, } | { "type": "track_published" } & Track | { "type": "track_muted" } & Track | { "type": "track_unpublished",
/**
 * Which one.
 */
track: TrackId, } | { "type": "uplink_plan" } & UplinkPlan | { "type": "quality",
/**
 * One entry per video track.
 */
pairs: Array<PairQuality>, } | { "type": "active_speaker",
/**
 * Who.
 */
participant: ParticipantId | null, } | { "type": "network_class",
/**
 * Its class from here on.
 */
class: NetworkClass, } | { "type": "media_failed" } | { "type": "ended",
/**
 * Why.
 */
reason: EndReason, });

/**
 * Which pairs of network classes may have HD at all.
 */
export type HdMode = "equivalent" | "strict";

/**
 * Why a directed pair has HD permission, or has not.
 */
export type HdReason = "granted" | "publisher_class" | "subscriber_class" | "evidence_weak" | "dwell" | "uplink_unproven" | "downlink_unproven" | "round_trip" | "loss" | "jitter" | "encoder_limited" | "cool_down";

/**
 * The first message of a connection.
 */
export type Hello = {
/**
 * The protocol version that the client speaks.
 */
version: number,
/**
 * The token of the invitation link.
 */
token: string,
/**
 * To go on with a session whose connection dropped.
 */
resume: Resume | null, };

/**
 * The verdict on which network a participant is on.
 */
export type NetworkClass = "wired" | "wifi" | "5g" | "4g" | "3g" | "2g" | "cell" | "unknown";

/**
 * What a page or its shell says of the network it is on.
 *
 * A report is a claim: it can lower a participant's class at once and support a higher one,
 * but it never grants HD by itself.
 */
export type NetworkReport = {
/**
 * Who speaks.
 */
source: ReportSource,
/**
 * The class it claims.
 */
class: NetworkClass,
/**
 * The user asked the browser to save data.
 */
save_data: boolean,
/**
 * Grows with every report of this source in a session; an older report than the last is ignored.
 */
sequence: number, };

/**
 * An SDP offer of the client, which is always the offerer.
 */
export type Offer = {
/**
 * The session description.
 */
sdp: string,
/**
 * What the sending media descriptions carry.
 */
tracks: Array<PublishedMid>,
/**
 * What the receiving media descriptions are for.
 */
subscriptions: Array<SubscribedMid>, };

/**
 * One subscription as decided: what the subscriber gets of a video track, and why.
 */
export type PairQuality = {
/**
 * The track.
 */
track: TrackId,
/**
 * Who publishes it.
 */
publisher: ParticipantId,
/**
 * The network class of the publisher.
 */
publisher_class: NetworkClass,
/**
 * The network class of the subscriber.
 */
subscriber_class: NetworkClass,
/**
 * The rung it gets.
 */
rung: Rung,
/**
 * What holds it there.
 */
rung_reason: RungReason,
/**
 * HD permission, or why there is none.
 */
hd: HdReason, };

/**
 * A participant as others see it.
 */
export type Participant = {
/**
 * Its id.
 */
id: ParticipantId,
/**
 * The name it gave.
 */
name: string,
/**
 * Its role.
 */
role: Role,
/**
 * The verdict on its network.
 */
network_class: NetworkClass,
/**
 * Whether its signaling connection is there and its media arrives; both may come back.
 */
connected: boolean, };

/**
 * A participant: one person on one device in a room.
 */
export type ParticipantId = string;

/**
 * A media description that sends.
 */
export type PublishedMid = {
/**
 * Its `a=mid`.
 */
mid: string,
/**
 * What it sends.
 */
source: TrackSource, };

/**
 * Who speaks in a [`NetworkReport`].
 */
export type ReportSource = "network_information" | "shell" | "wechat_mini_program";

/**
 * A response with the id of its request.
 */
export type ResponseEnvelope = {
/**
 * The id of the request; zero where the request could not be read.
 */
id: number, } & ({ "type": "welcome" } & Welcome | { "type": "joined" } & RoomSnapshot | { "type": "answer" } & Answer | { "type": "ok" } | { "type": "pong" } | { "type": "bye" } | { "type": "error",
/**
 * Stable, for programs.
 */
code: ErrorCode,
/**
 * For people who read logs; may change.
 */
message: string, });

/**
 * How a client takes up a session again.
 */
export type Resume = {
/**
 * The secret from the `welcome` of the session.
 */
secret: string,
/**
 * The `sequence` of the last event that the client has seen; later ones are sent again.
 */
last_sequence: number, };

/**
 * What a participant is in the consult; it orders priorities and, later, rights.
 */
export type Role = "clinician" | "patient" | "interpreter" | "family" | "observer" | "device";

/**
 * Who and what is in the room.
 */
export type RoomSnapshot = {
/**
 * The others, in the order they came.
 */
participants: Array<Participant>,
/**
 * Their tracks.
 */
tracks: Array<Track>, };

/**
 * A step of the camera ladder, named after its number of lines.
 */
export type Rung = "audio_only" | "180p" | "360p" | "480p" | "720p" | "1080p";

/**
 * What holds a subscription at its rung.
 */
export type RungReason = "best" | "class" | "hd_permission" | "downlink" | "publisher" | "viewport" | "muted" | "awaiting_keyframe";

/**
 * One message of the gateway.
 */
export type ServerMessage = ResponseEnvelope | EventEnvelope;

/**
 * A session: one resumable signaling lifetime of a participant.
 */
export type SessionId = string;

/**
 * A media description that receives.
 */
export type SubscribedMid = {
/**
 * Its `a=mid`.
 */
mid: string,
/**
 * The track that it shall receive.
 */
track: TrackId, };

/**
 * How a subscriber would like to see a track.
 */
export type SubscriptionWish = {
/**
 * The track.
 */
track: TrackId,
/**
 * Lines of the tile that shows it, in device pixels; zero while hidden.
 */
max_lines: number, };

/**
 * A published track, as subscribers are told of it.
 */
export type Track = {
/**
 * Its id.
 */
id: TrackId,
/**
 * Who publishes it.
 */
publisher: ParticipantId,
/**
 * What it shows.
 */
source: TrackSource,
/**
 * The publisher has muted it.
 */
muted: boolean, };

/**
 * A track: one audio, camera or screen source.
 */
export type TrackId = string;

/**
 * What a track shows or carries.
 */
export type TrackSource = "microphone" | "camera" | "screen";

/**
 * What a publisher is asked to send of one camera or screen, an entry per encoding.
 */
export type UplinkPlan = {
/**
 * The track it is about.
 */
track: TrackId,
/**
 * The media description (`a=mid`) that carries the track.
 */
mid: string,
/**
 * One entry per negotiated encoding, in the order of the RIDs.
 */
encodings: Array<EncodingPlan>, };

/**
 * The answer to `hello`.
 */
export type Welcome = {
/**
 * The protocol version that the gateway speaks.
 */
version: number,
/**
 * The session.
 */
session: SessionId,
/**
 * The secret that resumes it.
 */
resume_secret: string,
/**
 * Whether an earlier session goes on; then its room and media are as they were.
 */
resumed: boolean,
/**
 * The consult.
 */
consult: ConsultId,
/**
 * The subject of the consult, for its participants' eyes only.
 */
subject: string,
/**
 * Who the client is in it.
 */
participant: ParticipantId,
/**
 * Its role.
 */
role: Role,
/**
 * Which pairs may have HD at all.
 */
hd_mode: HdMode, };
