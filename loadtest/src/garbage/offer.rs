//! Offers: one as Chromium would make it, by code, and what a hostile page would make of it.

use std::fmt::Write as _;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::mutation::mutate_lines;

/// With its JSON around it, a message of 64 KiB.
const MAX_SDP: usize = 60 * 1024;

/// An offer in the words of the protocol, before it becomes JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OfferText {
    pub(crate) sdp: String,
    /// `mid` and source of what is sent.
    pub(crate) tracks: Vec<(String, &'static str)>,
    /// `mid` and track of what is received.
    pub(crate) subscriptions: Vec<(String, String)>,
}

impl OfferText {
    /// The offer as a request.
    pub(crate) fn request(&self, id: u32) -> String {
        let tracks: Vec<_> = self
            .tracks
            .iter()
            .map(|(mid, source)| serde_json::json!({ "mid": mid, "source": source }))
            .collect();
        let subscriptions: Vec<_> = self
            .subscriptions
            .iter()
            .map(|(mid, track)| serde_json::json!({ "mid": mid, "track": track }))
            .collect();
        serde_json::json!({
            "id": id, "type": "offer", "sdp": self.sdp, "tracks": tracks, "subscriptions": subscriptions,
        })
        .to_string()
    }
}

/// A microphone and a camera of three encodings, as Chromium offers them.
pub(crate) fn good(rng: &mut StdRng) -> OfferText {
    from(&Secrets::drawn(rng))
}

/// The same of somebody who has the certificate of this fingerprint.
pub(crate) fn good_of(fingerprint: String, rng: &mut StdRng) -> OfferText {
    from(&Secrets { fingerprint, ..Secrets::drawn(rng) })
}

fn from(secrets: &Secrets) -> OfferText {
    let mut sdp = head(&["0", "1"]);
    sdp += &secrets.section(Section::Microphone, "0");
    sdp += &secrets.section(Section::Camera, "1");
    let tracks = vec![("0".to_owned(), "microphone"), ("1".to_owned(), "camera")];
    OfferText { sdp, tracks, subscriptions: Vec::new() }
}

/// An offer that is wrong in its own way.
pub(crate) fn hostile(rng: &mut StdRng) -> OfferText {
    let mut offer = good(rng);
    match rng.random_range(0..14) {
        0..=4 => offer.sdp = mutate_lines(&offer.sdp, MAX_SDP, rng),
        5 => offer.tracks[0].0 = ["9", "", "\0", "0 1", "é"][rng.random_range(0..5)].to_owned(),
        6 => offer.tracks.push(("1".to_owned(), "screen")),
        7 => offer.subscriptions.push(("1".to_owned(), "05h8k2m4n6p8q0r2s4t6v8w0x2".to_owned())),
        8 => return many_sections(rng.random_range(5..=100), rng),
        9 => offer.sdp = long(&offer.sdp, rng),
        10 => offer.sdp = replaced(&offer.sdp, rng),
        11 => {
            // More subscriptions than media descriptions.
            offer.subscriptions =
                (0..rng.random_range(1..800)).map(|mid| (mid.to_string(), format!("{mid:0>26}"))).collect();
        }
        12 => {
            offer.sdp = ["", "v=0", "\r\n", "v=0\r\n\0", "{}", "v=1\r\n"][rng.random_range(0..6)].to_owned()
        }
        _ => offer.sdp = offer.sdp.replace("\r\n", ["\n", "\r", "\r\n\r\n", " "][rng.random_range(0..4)]),
    }
    offer
}

/// Offers of as many media descriptions as told, all in one bundle, some of them refused (`port 0`).
pub(crate) fn many_sections(count: usize, rng: &mut StdRng) -> OfferText {
    let secrets = Secrets::drawn(rng);
    let mids: Vec<String> = (0..count).map(|mid| mid.to_string()).collect();
    let mut sdp = head(&mids.iter().map(String::as_str).collect::<Vec<_>>());
    let mut tracks = Vec::new();
    for mid in &mids {
        let (section, source) = match rng.random_range(0..3) {
            0 => (Section::Microphone, "microphone"),
            1 => (Section::Camera, "camera"),
            _ => (Section::Receiving, "screen"),
        };
        sdp += &secrets.section(section, mid);
        tracks.push((mid.clone(), source));
    }
    if sdp.len() > MAX_SDP {
        let end = (0..=MAX_SDP).rev().find(|end| sdp.is_char_boundary(*end)).unwrap_or(0);
        sdp.truncate(end);
    }
    OfferText { sdp, tracks, subscriptions: Vec::new() }
}

/// One line, or many of them, of about the longest length.
fn long(sdp: &str, rng: &mut StdRng) -> String {
    let room = MAX_SDP.saturating_sub(sdp.len() + 2);
    match rng.random_range(0..4) {
        0 => format!("{sdp}a={}\r\n", "x".repeat(room - 4)),
        1 => format!("{sdp}{}", "a=ssrc:1 cname:a\r\n".repeat(room / 18)),
        2 => format!("{sdp}{}", "a=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\n".repeat(room / 44)),
        _ => format!("{sdp}{}", "a=extmap:5 urn:x\r\na=rtpmap:96 VP8/90000\r\n".repeat(room / 43)),
    }
}

/// One value replaced by a worse one of its kind.
fn replaced(sdp: &str, rng: &mut StdRng) -> String {
    const REPLACEMENTS: [(&str, &str); 26] = [
        ("a=fingerprint:sha-256 ", "a=fingerprint:sha-1 "),
        ("a=fingerprint:sha-256 ", "a=fingerprint:md5 "),
        ("a=fingerprint:", "a=nothing:"),
        ("a=setup:actpass", "a=setup:passive"),
        ("a=setup:actpass", "a=setup:holdconn"),
        ("a=ice-ufrag:", "a=ice-ufrag:\u{e9}"),
        ("a=ice-ufrag:", "a=ice-ufrag"),
        ("a=ice-pwd:", "a=ice-pwd:short\r\na=x:"),
        ("a=group:BUNDLE", "a=group:BUNDLE 7 8 9"),
        ("a=group:BUNDLE", "a=group:LS"),
        ("a=mid:1", "a=mid:0"),
        ("a=mid:1", "a=mid:"),
        ("a=rtcp-mux\r\n", ""),
        ("a=sendonly", "a=sendrecv"),
        ("a=sendonly", "a=inactive"),
        ("m=video 9", "m=video 0"),
        ("m=video 9", "m=application 9"),
        ("m=video 9", "m=video 99999999"),
        ("a=fmtp:97 apt=96", "a=fmtp:97 apt=97"),
        ("a=fmtp:97 apt=96", "a=fmtp:97 apt=999"),
        ("VP8/90000", "VP8/0"),
        ("VP8/90000", "AAC/44100"),
        ("a=simulcast:send l;m;h", "a=simulcast:send l;l;l;l;l;l;l;l"),
        ("a=simulcast:send l;m;h", "a=simulcast:recv ~~l,,;m;"),
        ("a=extmap:10 ", "a=extmap:0 "),
        ("a=extmap:10 ", "a=extmap:255 "),
    ];
    let (from, to) = REPLACEMENTS[rng.random_range(0..REPLACEMENTS.len())];
    sdp.replace(from, to)
}

#[derive(Clone, Copy)]
enum Section {
    Microphone,
    Camera,
    Receiving,
}

/// What an offer draws at random.
struct Secrets {
    ufrag: String,
    password: String,
    fingerprint: String,
}

impl Secrets {
    fn drawn(rng: &mut StdRng) -> Self {
        let mut word = |length: usize| -> String {
            (0..length).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
        };
        let (ufrag, password) = (word(4), word(24));
        let bytes: Vec<String> = (0..32).map(|_| format!("{:02X}", rng.random::<u8>())).collect();
        Self { ufrag, password, fingerprint: bytes.join(":") }
    }

    fn section(&self, section: Section, mid: &str) -> String {
        let (line, direction, body) = match section {
            Section::Microphone => ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "sendonly", MICROPHONE),
            Section::Camera => ("m=video 9 UDP/TLS/RTP/SAVPF 96 97 102 103 98 45", "sendonly", CAMERA),
            Section::Receiving => ("m=video 9 UDP/TLS/RTP/SAVPF 96 97", "recvonly", RECEIVING),
        };
        let mut text = String::new();
        let _ = write!(
            text,
            "{line}\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\n\
             a=ice-options:trickle\r\na=fingerprint:sha-256 {}\r\na=setup:actpass\r\na=mid:{mid}\r\n\
             a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n{body}",
            self.ufrag, self.password, self.fingerprint
        );
        text
    }
}

fn head(mids: &[&str]) -> String {
    format!(
        "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {}\r\n\
         a=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n",
        mids.join(" ")
    )
}

const MICROPHONE: &str = "\
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=msid:- voice\r\na=rtpmap:111 opus/48000/2\r\na=rtcp-fb:111 transport-cc\r\n\
a=fmtp:111 minptime=10;useinbandfec=1\r\na=ssrc:1 cname:garbage\r\n";

const CAMERA: &str = "\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n\
a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\r\n\
a=msid:- picture\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 ccm fir\r\n\
a=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n\
a=rtpmap:102 H264/90000\r\na=rtcp-fb:102 nack\r\na=rtcp-fb:102 nack pli\r\n\
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f\r\n\
a=rtpmap:103 rtx/90000\r\na=fmtp:103 apt=102\r\na=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\n\
a=rtpmap:45 AV1/90000\r\na=rid:l send\r\na=rid:m send\r\na=rid:h send\r\na=simulcast:send l;m;h\r\n";

const RECEIVING: &str = "\
a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n\
a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 transport-cc\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n\
a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n";

#[cfg(test)]
mod tests {
    use protocol::client_message::ClientEnvelope;
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn offers_are_requests_of_the_protocol_that_fit_a_message() {
        let mut rng = StdRng::seed_from_u64(1);
        for number in 0..500 {
            let request = hostile(&mut rng).request(number);
            assert!(request.len() < 256 * 1024, "{} bytes", request.len());
            // An unknown track may be no id at all, which is refused before anything else.
            let envelope = serde_json::from_str::<ClientEnvelope>(&request);
            assert!(envelope.is_ok_and(|envelope| envelope.id == number) || request.contains("000000"));
        }
    }

    #[test]
    fn most_hostile_offers_differ_from_the_good_one() {
        let lines = |offer: &OfferText| offer.sdp.lines().count();
        let mut rng = StdRng::seed_from_u64(2);
        let usual = lines(&good(&mut rng));
        let differing = (0..200).filter(|_| lines(&hostile(&mut rng)) != usual).count();
        assert!(differing > 80, "{differing}");
        assert_eq!(many_sections(100, &mut rng).tracks.len(), 100);
    }

    #[test]
    fn a_seed_repeats() {
        let offers = |seed| {
            let mut rng = StdRng::seed_from_u64(seed);
            (0..30).map(|_| hostile(&mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(offers(3), offers(3));
    }
}
