// Generated from the Rust crate `protocol` by its test `typescript`; not for editing.
// UPDATE_GENERATED=1 cargo test -p protocol --test typescript

/** Version of the client protocol. */
export const PROTOCOL_VERSION = 1;

/**
 * The highest rung by each thing that can be in the way, were it alone.
 */
export type Allowances = {
/**
 * The two network classes.
 */
classes: Rung,
/**
 * HD permission.
 */
permission: Rung,
/**
 * The tile that shows it.
 */
tile: Rung,
/**
 * The publisher: its camera, its encoder, its uplink.
 */
publisher: Rung,
/**
 * The subscriber's downlink, with what its other pictures cost.
 */
downlink: Rung,
/**
 * The codec of the picture: audio only where the subscriber cannot decode it, and where its layers leave out the
 * sizes that the classes and the permission would still allow, the size below.
 */
codec: Rung, };

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
tracks: Array<AnsweredMid>,
/**
 * What an enrolled app has to sign in its reports over this transport.
 */
shell_nonce: ShellNonce, };

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
 * A report with its signature, as the page passes it on.
 */
export type AttestedReport = {
/**
 * The name under which the key is enrolled.
 */
app: string,
/**
 * The nonce of the transport that the report is for, as the last answer said it.
 */
nonce: ShellNonce,
/**
 * Grows with every report for that nonce.
 */
sequence: number,
/**
 * The class of the network that carries the device's traffic.
 */
class: NetworkClass,
/**
 * When that was so, in milliseconds of a clock of the device that never goes back and does not stop in sleep.
 */
time_ms: number,
/**
 * The signature of [`Self::signed_text`]: base64, of Ed25519 (64 bytes) or ES256 (64 bytes, or in DER).
 */
signature: string, };

/**
 * A rate in bits per second.
 */
export type Bitrate = number;

/**
 * What made something change.
 */
export type ChangeCause = "downlink" | "policy" | "viewport" | "publisher" | "audience";

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
muted: boolean, } | { "type": "network_report" } & NetworkReport | { "type": "attested_report" } & AttestedReport | { "type": "encoder_limit",
/**
 * The track.
 */
track: TrackId,
/**
 * The limit.
 */
limit: EncoderLimit, } | { "type": "watch_decisions",
/**
 * Whether to tell them.
 */
watch: boolean, } | { "type": "ping" } | { "type": "leave" });

/**
 * Which codec a publisher is asked to send one camera or screen in.
 */
export type CodecPlan = {
/**
 * The track it is about.
 */
track: TrackId,
/**
 * The media description (`a=mid`) that carries the track.
 */
mid: string,
/**
 * What everybody in the room can decode and the publisher has offered, the one to send first.
 */
codecs: Array<VideoCodec>,
/**
 * Why that one.
 */
reason: CodecReason, };

/**
 * The codecs in the order that a site likes them.
 */
export type CodecPreference = Array<VideoCodec>;

/**
 * Why a room sends its pictures in the codec that it does.
 */
export type CodecReason = "site_preference" | "somebody_lacks" | "nothing_in_common";

/**
 * A consult: the medical appointment, known to the signaling plane only.
 */
export type ConsultId = string;

/**
 * A change, and how long ago it was.
 */
export type DecisionChange = {
/**
 * How long ago.
 */
ago_ms: number, } & ({ "what": "hd",
/**
 * Who publishes.
 */
publisher: ParticipantId,
/**
 * Who subscribes.
 */
subscriber: ParticipantId,
/**
 * Whether it is permitted from here on.
 */
permitted: boolean,
/**
 * Why.
 */
reason: HdReason, } | { "what": "rung",
/**
 * Who publishes.
 */
publisher: ParticipantId,
/**
 * Who subscribes.
 */
subscriber: ParticipantId,
/**
 * Which track.
 */
track: TrackId,
/**
 * Before.
 */
from: Rung,
/**
 * After.
 */
to: Rung,
/**
 * Why.
 */
cause: ChangeCause, } | { "what": "network_class",
/**
 * Whose.
 */
participant: ParticipantId,
/**
 * Before.
 */
from: NetworkClass,
/**
 * After.
 */
to: NetworkClass, } | { "what": "uplink",
/**
 * Whom.
 */
publisher: ParticipantId,
/**
 * Which track.
 */
track: TrackId,
/**
 * The rungs of the encodings that it shall send, lowest first.
 */
sends: Array<Rung>,
/**
 * Why.
 */
cause: ChangeCause, } | { "what": "connection",
/**
 * From whom.
 */
participant: ParticipantId,
/**
 * Whether nothing comes.
 */
lost: boolean, });

/**
 * A picture as it flows.
 */
export type Delivered = {
/**
 * Its rung.
 */
rung: Rung,
/**
 * The lines that really arrive from the publisher; zero without a picture.
 */
lines: number,
/**
 * Frames per second that are passed on; zero while unknown.
 */
frame_rate: number,
/**
 * The highest temporal layer that is passed on; none without a picture.
 */
temporal_layer: number | null,
/**
 * What it costs.
 */
price_bps: Bitrate, };

/**
 * What a downlink carries, and what is left of it for video.
 */
export type DownlinkDecision = {
/**
 * What the estimator makes of it.
 */
state: DownlinkWord,
/**
 * The estimate.
 */
estimate_bps: Bitrate,
/**
 * What is kept for voices.
 */
audio_bps: Bitrate,
/**
 * What all video may cost.
 */
budget_bps: Bitrate,
/**
 * What all video costs.
 */
spent_bps: Bitrate, };

/**
 * The state of a downlink.
 */
export type DownlinkWord = "starting" | "steady" | "congested" | "silent";

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
participant: ParticipantId, } | { "type": "viewers",
/**
 * How many.
 */
unlisted: number, } | { "type": "track_published" } & Track | { "type": "track_muted" } & Track | { "type": "track_unpublished",
/**
 * Which one.
 */
track: TrackId, } | { "type": "uplink_plan" } & UplinkPlan | { "type": "voice_plan" } & VoicePlan | { "type": "codec_plan" } & CodecPlan | { "type": "quality",
/**
 * One entry per video track.
 */
pairs: Array<PairQuality>, } | { "type": "decisions" } & RoomDecisions | { "type": "active_speaker",
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
 * One piece of evidence for a network class.
 */
export type EvidenceDecision = {
/**
 * Who says it.
 */
from: EvidenceWord,
/**
 * What it says.
 */
class: NetworkClass,
/**
 * How far it is trusted: 0 (a hint) to 4 (the operator of the mobile network).
 */
tier: number,
/**
 * When it was last said.
 */
ago_ms: number, };

/**
 * Who says what a network is.
 */
export type EvidenceWord = "stun" | "network_information" | "shell" | "wechat_mini_program" | "person" | "attested_app" | "site" | "operator";

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
 * A STUN or TURN server, as `RTCIceServer` of a browser takes it.
 */
export type IceServer = {
/**
 * `stun:`, `stuns:`, `turn:` and `turns:` URLs of one server.
 */
urls: Array<string>,
/**
 * Who the client is there; STUN does not ask.
 */
username?: string,
/**
 * The password that belongs to it.
 */
credential?: string, };

/**
 * The verdict on which network a participant is on.
 */
export type NetworkClass = "wired" | "wifi" | "5g" | "4g" | "3g" | "2g" | "cell" | "unknown";

/**
 * A verdict on a network, with the evidence behind it.
 */
export type NetworkDecision = {
/**
 * The class.
 */
class: NetworkClass,
/**
 * How long it has been this class.
 */
for_ms: number,
/**
 * How probable it is, given the evidence.
 */
confidence_percent: number,
/**
 * More than a claim stands behind it: enough for HD on probation.
 */
proven: boolean,
/**
 * Two trusted sources contradict each other.
 */
contradicted: boolean,
/**
 * What is known, the most trusted first.
 */
evidence: Array<EvidenceDecision>, };

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
 * The traffic goes through a VPN.
 */
vpn: boolean,
/**
 * The device is in another operator's network.
 */
roaming: boolean,
/**
 * Grows with every report of this source in a session; an older report than the last is ignored.
 */
sequence: number, };

/**
 * A step up the ladder.
 */
export type NextStep = {
/**
 * To which rung; the same rung with more frames where frames are left out.
 */
rung: Rung,
/**
 * What it needs, margin included.
 */
needs_bps: Bitrate,
/**
 * What the budget lacks for it; zero where bandwidth is not what is missing.
 */
missing_bps: Bitrate, };

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
 * What a subscriber gets of a video track, what it could get, and why.
 */
export type PairDecision = {
/**
 * The track.
 */
track: TrackId,
/**
 * What it shows.
 */
source: TrackSource,
/**
 * Who publishes it.
 */
publisher: ParticipantId,
/**
 * Who gets it.
 */
subscriber: ParticipantId,
/**
 * What it gets.
 */
gets: Delivered,
/**
 * What each thing that can be in the way would allow.
 */
allows: Allowances,
/**
 * The next step up; none at the top of what the tile can show.
 */
next: NextStep | null,
/**
 * What holds the pair at its rung.
 */
reason: RungReason,
/**
 * For how long rung and reason have been so.
 */
for_ms: number,
/**
 * HD permission, or why there is none.
 */
hd: HdReason,
/**
 * For how long that has been so.
 */
hd_for_ms: number, };

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
 * What is known of one participant, as far as decisions rest on it.
 */
export type ParticipantDecision = {
/**
 * Who.
 */
participant: ParticipantId,
/**
 * Its role.
 */
role: Role,
/**
 * Nothing has come from it for a while.
 */
lost: boolean,
/**
 * The verdict on its network.
 */
network: NetworkDecision,
/**
 * What its downlink carries.
 */
downlink: DownlinkDecision,
/**
 * What is known of its uplink, and of what its device can do.
 */
uplink: UplinkDecision, };

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
export type ReportSource = "network_information" | "shell" | "wechat_mini_program" | "person";

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
 * The decisions of one room at one moment.
 */
export type RoomDecisions = {
/**
 * Everybody in the room.
 */
participants: Array<ParticipantDecision>,
/**
 * One entry per subscribed video track.
 */
pairs: Array<PairDecision>,
/**
 * The latest changes, oldest first.
 */
changes: Array<DecisionChange>,
/**
 * How many older changes are not kept any more.
 */
forgotten_changes: number, };

/**
 * Who and what is in the room.
 */
export type RoomSnapshot = {
/**
 * The others: people in the order they came, and then the first of those who only watch.
 */
participants: Array<Participant>,
/**
 * How many more watch than are listed.
 */
unlisted_viewers: number,
/**
 * Their tracks.
 */
tracks: Array<Track>,
/**
 * The codecs for pictures that everybody here can decode, the most liked first. A client sends the first that
 * it can.
 */
video_codecs: Array<VideoCodec>, };

/**
 * A step of the camera ladder, named after its number of lines.
 */
export type Rung = "audio_only" | "180p" | "360p" | "480p" | "720p" | "1080p";

/**
 * What holds a subscription at its rung.
 */
export type RungReason = "best" | "class" | "hd_permission" | "downlink" | "publisher" | "viewport" | "muted" | "awaiting_keyframe" | "publisher_lost" | "codec";

/**
 * One message of the gateway.
 */
export type ServerMessage = ResponseEnvelope | EventEnvelope;

/**
 * A session: one resumable signaling lifetime of a participant.
 */
export type SessionId = string;

/**
 * A nonce that ties the signed reports of a shell to one transport of one participant.
 */
export type ShellNonce = string;

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
 * What comes from a publisher, and what is known to hold it back.
 */
export type UplinkDecision = {
/**
 * What arrives of all that it sends.
 */
arriving_bps: Bitrate,
/**
 * What the uplink carries, where less than is wanted of it; what does not fit is not asked for.
 */
carries_bps: Bitrate | null,
/**
 * What holds its encoders back, as its page says.
 */
encoder: EncoderLimit, };

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
 * A video codec.
 */
export type VideoCodec = "vp8" | "h264" | "vp9" | "av1";

/**
 * How a publisher is asked to send its voice.
 */
export type VoicePlan = {
/**
 * The track it is about.
 */
track: TrackId,
/**
 * The media description (`a=mid`) that carries the track.
 */
mid: string,
/**
 * Ceiling of its rate.
 */
max_bitrate_bps: Bitrate,
/**
 * Whether every packet shall carry the frame before once more (RED, RFC 2198).
 */
redundancy: boolean, };

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
hd_mode: HdMode,
/**
 * The codecs for pictures, the one that the site likes best first.
 */
video_codecs: CodecPreference,
/**
 * Servers that help where a network lets media take no way of its own; for an `RTCPeerConnection`.
 */
ice_servers: Array<IceServer>, };
