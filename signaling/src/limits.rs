//! Every bound of the control plane, with its reason. Reaching one is counted, never fatal.

use std::time::Duration;

/// A dropped session waits this long for its client: a walk through a tunnel, a reboot of a home router.
pub(crate) const RESUME_WINDOW: Duration = Duration::from_secs(60);

/// The media plane answers an offer within milliseconds; one that takes this long is not there.
pub(crate) const NEGOTIATION_TIMEOUT: Duration = Duration::from_secs(5);

/// A client says `hello` right after it connects.
pub(crate) const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Clients ping every 20 seconds; this allows for one that is late by half.
pub(crate) const SILENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// One message that the socket does not take in this time means that nobody reads.
pub(crate) const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// After a breach of the WebSocket protocol nothing more can be read. What is unread makes closing a reset, which may
/// overtake the close frame: it gets this head start, the round trip of a bad network.
pub(crate) const BREACH_LINGER: Duration = Duration::from_secs(1);

/// A consult that just ended is remembered for as long as a hello may be on its way with older knowledge.
pub(crate) const ENDED_MEMORY: Duration = Duration::from_secs(60);

/// Consults that just ended; at more, the oldest is forgotten.
pub(crate) const MAX_ENDED_MEMORY: usize = 4_096;

/// Sessions in all, connected or dropped: several times what one node carries as media.
pub(crate) const MAX_SESSIONS: usize = 20_000;

/// Most people that a site may let into one consult: what the media plane has places for.
pub(crate) const MOST_PEOPLE: usize = 64;

/// Most viewers that a site may let into one consult: what the media plane has places for.
pub(crate) const MOST_VIEWERS: usize = 5_000;

/// Viewers whom a room is told of one by one: as many names as somebody reads.
pub(crate) const MAX_LISTED_VIEWERS: usize = 20;

/// How often a room is told at most how many others watch.
pub(crate) const VIEWERS_INTERVAL: Duration = Duration::from_secs(1);

/// Events that a session keeps for a resume. Those that replace one another count once, so this is
/// a minute of joins, leaves and tracks in the liveliest room.
pub(crate) const MAX_LOGGED_EVENTS: usize = 256;

/// Offers of one session without an answer: one under way, and a few from a network that changes twice.
pub(crate) const MAX_OPEN_NEGOTIATIONS: usize = 4;

/// The media plane explains a room within milliseconds; the API does not wait longer for it.
pub(crate) const DECISIONS_TIMEOUT: Duration = Duration::from_secs(2);

/// How often watched decisions are told: as fast as a person reads.
pub(crate) const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Questions of the API that wait for the same answer: two seconds of the requests of two addresses.
pub(crate) const MAX_WAITING_QUERIES: usize = 80;

/// Media descriptions that an offer may list as sending: microphone, camera, screen, exam camera, with room.
pub(crate) const MAX_OFFERED_TRACKS: usize = 8;

/// Media descriptions that an offer may list as receiving.
pub(crate) const MAX_OFFERED_SUBSCRIPTIONS: usize = 64;

/// Tracks of one room: each of the people with four.
pub(crate) const MAX_ROOM_TRACKS: usize = 4 * MOST_PEOPLE;

/// Characters of a participant's name.
pub(crate) const MAX_NAME_CHARS: usize = 64;

/// Characters of a consult's subject.
pub(crate) const MAX_SUBJECT_CHARS: usize = 256;

/// Characters of an idempotency key; UUIDs have 36.
pub(crate) const MAX_IDEMPOTENCY_KEY: usize = 128;

/// A WebSocket message: an offer of 24 media descriptions is under half of it.
pub(crate) const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// What a connection is read by at a time: most messages are smaller, and every connection holds as much.
pub(crate) const READ_BUFFER: usize = 4 * 1024;

/// Messages of one connection per second, and at once: a page that joins sends about ten.
pub(crate) const MESSAGE_RATE: f64 = 20.0;
/// See [`MESSAGE_RATE`].
pub(crate) const MESSAGE_BURST: f64 = 40.0;

/// Signed reports of one connection per second, and at once: a radio changes a few times a minute, and every
/// signature takes a tenth of a millisecond to verify.
pub(crate) const ATTESTED_REPORT_RATE: f64 = 5.0;

/// Messages that wait for a slow reader.
pub(crate) const MAX_OUTBOX_MESSAGES: usize = 64;

/// Bytes that wait for a slow reader.
pub(crate) const MAX_OUTBOX_BYTES: usize = 256 * 1024;

/// Connections that wait to be accepted: a lecture hall that comes at once. Of more the system drops the first packet,
/// which costs its client a second.
pub(crate) const MAX_UNACCEPTED: u32 = 4_096;

/// The header of a request, or the first byte of one: browsers hold idle connections that they may never use.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// The body of a request.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of a request: a consult of 64 people with the longest names has 21 KiB.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// The header of a request.
pub(crate) const MAX_HEADER_BYTES: usize = 16 * 1024;
/// Fields in the header of a request.
pub(crate) const MAX_HEADER_FIELDS: usize = 64;

/// Data that a peer does not take in this time ends its connection (`TCP_USER_TIMEOUT`).
pub(crate) const UNREAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Offers, patches and ends of one address per second over plain HTTP, and at once: a lecture hall behind one address
/// begins to watch, two thousand within a minute with a few candidates each, and all of them end with the lecture.
pub(crate) const RESOURCE_REQUEST_RATE: f64 = 200.0;
/// See [`RESOURCE_REQUEST_RATE`].
pub(crate) const RESOURCE_REQUEST_BURST: f64 = 1_000.0;

/// Requests to one resource that wait; a client has no reason to send more than one at a time.
pub(crate) const MAX_RESOURCE_REQUESTS: usize = 4;

/// Failed proofs of one address per minute; a hospital's address is shared, so a valid proof passes anyway.
pub(crate) const MISS_BURST: f64 = 10.0;
/// See [`MISS_BURST`].
pub(crate) const MISS_RATE: f64 = MISS_BURST / 60.0;

/// A failed proof beyond the rate is answered this late.
pub(crate) const MISS_DELAY: Duration = Duration::from_secs(1);

/// Addresses that a limiter remembers, about 10 MiB; a full table forgets
/// those that have waited long enough, or else any.
pub(crate) const MAX_LIMITED_ADDRESSES: usize = 100_000;

/// Inputs of the control loop that may wait; a full queue makes sockets wait.
pub(crate) const MAX_LOOP_INPUTS: usize = 1_024;

/// Commands that wait where the media plane's own queue is full.
pub(crate) const MAX_MEDIA_BACKLOG: usize = 4_096;

/// Records that wait for the store: every session of a full node ends at once.
pub(crate) const MAX_STORE_BACKLOG: usize = MAX_SESSIONS;

/// Samples that wait for their observer.
pub(crate) const MAX_SAMPLES: usize = 8_192;

/// A token of ours has under 500 bytes.
pub(crate) const MAX_TOKEN_BYTES: usize = 2_048;

/// Connections to the database: one writes, the others read.
pub(crate) const STORE_CONNECTIONS: u32 = 4;

/// A request does not wait longer for a connection to the database.
pub(crate) const STORE_PATIENCE: Duration = Duration::from_secs(2);

/// Steps of sessions that one transaction keeps.
pub(crate) const MAX_STORE_BATCH: usize = 256;

/// A stopping gateway waits this long for clients to read that it stops.
pub(crate) const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(2);

/// How often the census is taken.
pub(crate) const CENSUS_INTERVAL: Duration = Duration::from_millis(500);

/// Clocks of two machines may differ by this much.
pub(crate) const TOKEN_LEEWAY: Duration = Duration::from_secs(30);

/// Longest life of a link, so that a lost one ends some day.
pub(crate) const MAX_LINK_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3_600);
