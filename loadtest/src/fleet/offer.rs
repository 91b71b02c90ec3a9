//! The SDP offer of a publisher or of a viewer (RFC 9725 §4.2): one bundle of a voice and a picture, and its own
//! candidate, so that servers that check by themselves can.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use super::ice::Credentials;

/// What the bundle carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Media leave, from these SSRCs.
    Publish { audio: u32, video: u32 },
    /// Media come.
    Play,
}

/// Payload types and extension ids of the offer; an answer may know fewer.
const OPUS: u8 = 111;
const VP8: u8 = 96;
const RTX: u8 = 97;
const TRANSPORT_CC: u8 = 3;
const MID: u8 = 4;

/// Names that tie an id to its meaning in offers and answers.
pub(super) const TRANSPORT_CC_URI: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
pub(super) const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// The media descriptions, in their order.
pub(crate) const AUDIO_MID: &str = "0";
pub(crate) const VIDEO_MID: &str = "1";

/// Writes the offer of somebody who only takes the active role in DTLS, which RFC 9725 §4.4.2 lets a client say.
pub(crate) fn write(
    purpose: Purpose,
    local: &Credentials,
    fingerprint: &str,
    candidate: SocketAddr,
    session: u64,
) -> String {
    let shared = shared(local, fingerprint, candidate);
    let mut sdp = format!(
        "v=0\r\no=- {session} 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {AUDIO_MID} {VIDEO_MID}\r\n\
         a=msid-semantic: WMS *\r\n"
    );
    // Writing to a string cannot fail.
    let _ = write!(
        sdp,
        "m=audio 9 UDP/TLS/RTP/SAVPF {OPUS}\r\n{shared}a=mid:{AUDIO_MID}\r\n{}a=rtpmap:{OPUS} opus/48000/2\r\n\
         a=rtcp-fb:{OPUS} transport-cc\r\na=fmtp:{OPUS} minptime=10;useinbandfec=1\r\n",
        direction(purpose, |audio, _| audio)
    );
    let _ = write!(
        sdp,
        "m=video 9 UDP/TLS/RTP/SAVPF {VP8} {RTX}\r\n{shared}a=mid:{VIDEO_MID}\r\n{}a=rtpmap:{VP8} VP8/90000\r\n\
         a=rtcp-fb:{VP8} transport-cc\r\na=rtcp-fb:{VP8} ccm fir\r\na=rtcp-fb:{VP8} nack\r\n\
         a=rtcp-fb:{VP8} nack pli\r\na=rtpmap:{RTX} rtx/90000\r\na=fmtp:{RTX} apt={VP8}\r\n",
        direction(purpose, |_, video| video)
    );
    sdp
}

fn shared(local: &Credentials, fingerprint: &str, candidate: SocketAddr) -> String {
    let (ip, port) = (candidate.ip(), candidate.port());
    let family = match ip {
        IpAddr::V4(_) => "IP4 0.0.0.0",
        IpAddr::V6(_) => "IP6 ::",
    };
    format!(
        "c=IN {family}\r\na=rtcp:9 IN {family}\r\na=candidate:1 1 udp 2130706431 {ip} {port} typ host\r\n\
         a=end-of-candidates\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:active\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=extmap:{TRANSPORT_CC} {TRANSPORT_CC_URI}\r\na=extmap:{MID} {MID_URI}\r\n",
        local.ufrag, local.password
    )
}

fn direction(purpose: Purpose, pick: impl Fn(u32, u32) -> u32) -> String {
    match purpose {
        Purpose::Play => "a=recvonly\r\n".to_owned(),
        Purpose::Publish { audio, video } => {
            let ssrc = pick(audio, video);
            let track = if ssrc == audio { "voice" } else { "picture" };
            format!(
                "a=sendonly\r\na=msid:fleet {track}\r\na=ssrc:{ssrc} cname:fleet\r\na=ssrc:{ssrc} msid:fleet {track}\r\n"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(purpose: Purpose) -> String {
        let local = Credentials { ufrag: "abcd".to_owned(), password: "efgh".to_owned() };
        let candidate = "127.0.0.1:4000".parse().expect("an address");
        write(purpose, &local, "AA:BB", candidate, 7)
    }

    #[test]
    fn a_publisher_says_what_it_sends() {
        let sdp = offer(Purpose::Publish { audio: 5, video: 6 });
        for line in ["a=sendonly", "a=ssrc:5 cname:fleet", "a=ssrc:6 cname:fleet", "a=msid:fleet picture"] {
            assert!(sdp.lines().any(|each| each == line), "{line}");
        }
        assert!(!sdp.contains("recvonly"));
    }

    #[test]
    fn a_viewer_sends_nothing() {
        let sdp = offer(Purpose::Play);
        assert_eq!(sdp.lines().filter(|line| *line == "a=recvonly").count(), 2);
        assert!(!sdp.contains("a=ssrc") && !sdp.contains("sendonly"));
    }

    #[test]
    fn every_line_ends_as_it_should() {
        let sdp = offer(Purpose::Play);
        assert!(sdp.ends_with("\r\n") && !sdp.contains("\r\n\r\n"));
        assert!(sdp.split("\r\n").all(|line| !line.contains(['\n', '\r']) && !line.starts_with(' ')));
        assert!(sdp.contains("a=candidate:1 1 udp 2130706431 127.0.0.1 4000 typ host\r\n"));
    }
}
