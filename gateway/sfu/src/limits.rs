//! Every bound of the media plane, with its reason. Reaching one is counted, never fatal.

use std::time::Duration;

/// Largest datagram that is looked at: what browsers send over a 1500-byte path.
pub const MAX_DATAGRAM: usize = 1_500;

/// Rooms of one media worker.
pub const MAX_ROOMS: usize = 1_000;

/// People in one room: whoever is invited.
pub const MAX_PARTICIPANTS: usize = 64;

/// Those who watch one room besides its people.
pub const MAX_VIEWERS: usize = 5_000;

/// People of a room whose microphones and cameras one participant may receive: rooms of 8, and as many again.
pub const MAX_RECEIVED_PEOPLE: usize = 16;

/// Tracks that one participant may publish: microphone, camera, screen, and an exam camera.
pub const MAX_TRACKS: usize = 4;

/// Simulcast encodings of one track, as `RTCRtpSender` knows them.
pub const MAX_ENCODINGS: usize = 3;

/// Tracks that one participant may receive: the microphones and cameras of these people, and a screen.
pub const MAX_SUBSCRIPTIONS: usize = 2 * MAX_RECEIVED_PEOPLE + 1;

/// Text of one session description. Chromium takes 1 KB to receive a microphone, 5.2 KB to receive a camera
/// and 4 KB to send one: 16 microphones, 16 cameras and a screen, and four tracks of its own,
/// make 120 KB, and other lists of codecs may be a third longer. Signaling's messages of 64 KiB bound it
/// before: with its line ends escaped, the offer of a room of 8 takes 52 KB of them.
pub const MAX_SDP_BYTES: usize = 160 * 1024;

/// Media descriptions of one session description.
pub const MAX_MEDIA_DESCRIPTIONS: usize = MAX_TRACKS + MAX_SUBSCRIPTIONS;

/// Streams (SSRCs) that one participant may send: media and RTX of every encoding of every track.
pub const MAX_STREAMS: usize = 2 * MAX_ENCODINGS * MAX_TRACKS;

/// Addresses of one participant that have passed an authenticated check: a phone with two radios on two
/// address families, and one more behind a NAT that just rebound.
pub const MAX_VALIDATED_ADDRESSES: usize = 8;

/// A participant that nothing comes from for this long is told to the others. Even a muted page sends a
/// connectivity check every 2.5 s and reports in between.
pub const HEARING_TIMEOUT: Duration = Duration::from_secs(4);

/// Without an authenticated check for this long, consent has expired (RFC 7675 §5.1).
pub const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);

/// A transport that has passed no check this long after its offer is given up.
pub const ICE_TIMEOUT: Duration = Duration::from_secs(15);

/// A transport whose address has proved itself and that sends no ClientHello for this long is given up.
/// Browsers send it with the first check that is answered, and repeat it every few seconds at worst.
pub const DTLS_START_TIMEOUT: Duration = Duration::from_secs(10);

/// A DTLS handshake that takes longer is given up.
pub const DTLS_TIMEOUT: Duration = Duration::from_secs(10);
