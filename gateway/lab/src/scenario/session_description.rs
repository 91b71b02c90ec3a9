//! The offers of a simulated browser, in the manner of Chromium's, and what it reads in answers.

use std::fmt::Write;
use std::net::SocketAddr;

use protocol::track::MediaKind;

use super::wire::{AUDIO_LEVEL_ID, MID_ID, OPUS, RED, REPAIRED_RID_ID, RID_ID, RTX, TRANSPORT_CC_ID, VP8};

/// A media description of an offer.
pub(super) struct Line<'a> {
    pub(super) mid: &'a str,
    pub(super) kind: MediaKind,
    pub(super) direction: &'static str,
    /// The RIDs that it sends.
    pub(super) rids: &'a [&'static str],
}

/// What an offer says of the transport.
pub(super) struct OfferedTransport<'a> {
    pub(super) ufrag: &'a str,
    pub(super) password: &'a str,
    pub(super) fingerprint: &'a str,
    pub(super) version: u64,
    /// Whether voices may carry earlier frames again (RFC 2198).
    pub(super) redundancy: bool,
}

pub(super) fn offer(transport: &OfferedTransport<'_>, lines: &[Line<'_>]) -> String {
    let mids: Vec<&str> = lines.iter().map(|line| line.mid).collect();
    let mut sdp = format!(
        "v=0\no=- 4097700217428939811 {} IN IP4 127.0.0.1\ns=-\nt=0 0\na=group:BUNDLE {}\na=extmap-allow-mixed\na=msid-semantic: WMS\n",
        transport.version,
        mids.join(" ")
    );
    for line in lines {
        match line.kind {
            MediaKind::Audio if transport.redundancy => {
                let codecs = format!("{}a=rtpmap:{RED} red/48000/2\na=fmtp:{RED} {OPUS}/{OPUS}\n", audio());
                write_line(&mut sdp, "audio", &format!("{OPUS} {RED}"), transport, line, &codecs);
            }
            MediaKind::Audio => write_line(&mut sdp, "audio", &format!("{OPUS}"), transport, line, &audio()),
            MediaKind::Video => {
                write_line(&mut sdp, "video", &format!("{VP8} {RTX}"), transport, line, &video())
            }
        }
    }
    sdp.replace('\n', "\r\n")
}

fn write_line(
    sdp: &mut String,
    media: &str,
    payload_types: &str,
    transport: &OfferedTransport<'_>,
    line: &Line<'_>,
    codecs: &str,
) {
    let OfferedTransport { ufrag, password, fingerprint, .. } = transport;
    let Line { mid, direction, .. } = line;
    let rids: String = line.rids.iter().map(|rid| format!("a=rid:{rid} send\n")).collect();
    let simulcast = if line.rids.is_empty() {
        String::new()
    } else {
        format!("a=simulcast:send {}\n", line.rids.join(";"))
    };
    write!(
        sdp,
        "m={media} 9 UDP/TLS/RTP/SAVPF {payload_types}\nc=IN IP4 0.0.0.0\na=rtcp:9 IN IP4 0.0.0.0\n\
         a=ice-ufrag:{ufrag}\na=ice-pwd:{password}\na=ice-options:trickle\na=fingerprint:sha-256 {fingerprint}\n\
         a=setup:actpass\na=mid:{mid}\na={direction}\na=rtcp-mux\na=rtcp-rsize\n{codecs}{rids}{simulcast}"
    )
    .expect("text grows");
}

fn audio() -> String {
    format!(
        "a=extmap:{AUDIO_LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level\n{}\
         a=rtpmap:{OPUS} opus/48000/2\na=rtcp-fb:{OPUS} transport-cc\na=fmtp:{OPUS} minptime=10;useinbandfec=1\n",
        common_extensions()
    )
}

fn video() -> String {
    format!(
        "{}a=extmap:{RID_ID} urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\n\
         a=extmap:{REPAIRED_RID_ID} urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id\n\
         a=rtpmap:{VP8} VP8/90000\na=rtcp-fb:{VP8} goog-remb\na=rtcp-fb:{VP8} transport-cc\na=rtcp-fb:{VP8} ccm fir\n\
         a=rtcp-fb:{VP8} nack\na=rtcp-fb:{VP8} nack pli\na=rtpmap:{RTX} rtx/90000\na=fmtp:{RTX} apt={VP8}\n",
        common_extensions()
    )
}

fn common_extensions() -> String {
    format!(
        "a=extmap:{TRANSPORT_CC_ID} http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n\
         a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid\n"
    )
}

/// What an answer says that a browser acts on.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) ufrag: String,
    pub(super) password: String,
    pub(super) fingerprint: String,
    pub(super) candidate: SocketAddr,
    pub(super) lines: Vec<AnsweredLine>,
}

/// A media description of an answer.
#[derive(Debug, Default)]
pub(super) struct AnsweredLine {
    pub(super) mid: String,
    pub(super) direction: String,
    pub(super) ssrc: Option<u32>,
    pub(super) rtx_ssrc: Option<u32>,
}

impl Answer {
    pub(super) fn read(sdp: &str) -> Self {
        let value = |name: &str| {
            let prefix = format!("a={name}:");
            sdp.lines().find_map(|line| line.strip_prefix(&prefix)).expect("an answer has it").to_owned()
        };
        let candidate = value("candidate");
        let words: Vec<&str> = candidate.split(' ').collect();
        Self {
            ufrag: value("ice-ufrag"),
            password: value("ice-pwd"),
            fingerprint: value("fingerprint"),
            candidate: SocketAddr::new(
                words[4].parse().expect("an address"),
                words[5].parse().expect("a port"),
            ),
            lines: sdp.split("\r\nm=").skip(1).map(read_line).collect(),
        }
    }
}

fn read_line(section: &str) -> AnsweredLine {
    let mut answered = AnsweredLine::default();
    for line in section.split("\r\n") {
        match line.strip_prefix("a=").unwrap_or_default().split_once(':') {
            Some(("mid", mid)) => answered.mid = mid.to_owned(),
            Some(("ssrc-group", group)) => {
                answered.rtx_ssrc = group.split(' ').nth(2).and_then(|ssrc| ssrc.parse().ok());
            }
            Some(("ssrc", ssrc)) if answered.ssrc.is_none() => {
                answered.ssrc = ssrc.split(' ').next().and_then(|ssrc| ssrc.parse().ok());
            }
            _ => {}
        }
        if let "a=recvonly" | "a=sendonly" | "a=inactive" = line {
            answered.direction = line[2..].to_owned();
        }
    }
    answered
}
