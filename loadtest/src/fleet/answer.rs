//! What of an SDP answer a session needs. Whoever wrote it is not trusted: all that is wrong with it is an error.

use std::net::SocketAddr;

use super::ice::Credentials;
use super::offer::{MID_URI, TRANSPORT_CC_URI};

/// More lines are no answer to an offer of two media descriptions.
const MAX_LINES: usize = 2_000;

/// One-byte extension elements have ids up to this (RFC 8285 §4.2).
const MAX_EXTENSION_ID: u8 = 14;

/// What was agreed upon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) remote: Credentials,
    pub(crate) candidate: SocketAddr,
    pub(crate) audio: Option<Media>,
    pub(crate) video: Media,
}

/// One media description that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Media {
    pub(crate) payload_type: u8,
    pub(crate) mid_extension: Option<u8>,
    /// The extension with the transport-wide number, where feedback about it was agreed upon, too.
    pub(crate) transport_cc: Option<u8>,
}

/// The answer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the answer is no SDP")]
    NotSdp,
    #[error("the answer has no a=ice-ufrag or no a=ice-pwd")]
    NoCredentials,
    #[error("the answer has no host candidate for UDP over the protocol of the offer's candidate")]
    NoCandidate,
    #[error("the answer refuses the video, or takes no VP8")]
    NoVideo,
    #[error("the answer takes the active role in DTLS, which the offer keeps for itself")]
    NotPassive,
}

/// Reads an answer to the offer of a socket with this address.
///
/// # Errors
/// Where something is missing that a session cannot do without.
pub(crate) fn read(sdp: &str, local: SocketAddr) -> Result<Answer, AnswerError> {
    let lines: Vec<&str> = sdp.lines().map(str::trim_end).collect();
    if lines.first() != Some(&"v=0") || lines.len() > MAX_LINES {
        return Err(AnswerError::NotSdp);
    }
    let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    let (ufrag, password) =
        value("a=ice-ufrag:").zip(value("a=ice-pwd:")).ok_or(AnswerError::NoCredentials)?;
    if lines.contains(&"a=setup:active") {
        return Err(AnswerError::NotPassive);
    }
    let candidate =
        lines.iter().find_map(|line| host_candidate(line, local)).ok_or(AnswerError::NoCandidate)?;
    let sections: Vec<&[&str]> = sections(&lines).collect();
    let of_kind = |kind: &str, codec: &str| {
        sections
            .iter()
            .filter(|section| section[0].starts_with(kind))
            .find_map(|section| media(section, codec))
    };
    let video = of_kind("m=video ", "VP8/90000").ok_or(AnswerError::NoVideo)?;
    let audio = of_kind("m=audio ", "opus/48000");
    Ok(Answer { remote: Credentials { ufrag, password }, candidate, audio, video })
}

/// The media descriptions; none is empty.
pub(crate) fn sections<'l, 's>(lines: &'l [&'s str]) -> impl Iterator<Item = &'l [&'s str]> {
    let starts: Vec<usize> =
        lines.iter().enumerate().filter(|(_, line)| line.starts_with("m=")).map(|(at, _)| at).collect();
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain([lines.len()]).collect();
    starts.into_iter().zip(ends).map(|(start, end)| &lines[start..end])
}

/// What a media description says of a codec, such as `VP8/90000`; `None` where it is refused, or does not know it.
pub(crate) fn media(section: &[&str], codec: &str) -> Option<Media> {
    if section[0].split(' ').nth(1) == Some("0") {
        return None;
    }
    let payload_type = section.iter().find_map(|line| {
        let (number, name) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let is_codec = name.get(..codec.len()).is_some_and(|name| name.eq_ignore_ascii_case(codec));
        number.parse().ok().filter(|number| is_codec && *number < 128)
    })?;
    let extension = |uri: &str| {
        section.iter().find_map(|line| {
            let (id, name) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
            let id = id.split('/').next()?.parse().ok()?;
            (name == uri && (1..=MAX_EXTENSION_ID).contains(&id)).then_some(id)
        })
    };
    let has_feedback = section.iter().any(|line| {
        let about = line.strip_prefix("a=rtcp-fb:").and_then(|line| line.split_once(' '));
        about.is_some_and(|(number, what)| {
            what == "transport-cc" && (number == "*" || number.parse() == Ok(payload_type))
        })
    });
    Some(Media {
        payload_type,
        mid_extension: extension(MID_URI),
        transport_cc: extension(TRANSPORT_CC_URI).filter(|_| has_feedback),
    })
}

/// RFC 8839 §5.1.
fn host_candidate(line: &str, local: SocketAddr) -> Option<SocketAddr> {
    let mut words = line.strip_prefix("a=candidate:")?.split_whitespace().skip(1);
    let (component, transport, _priority) = (words.next()?, words.next()?, words.next()?);
    let (ip, port) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    let is_host = words.next() == Some("typ") && words.next() == Some("host");
    let address = SocketAddr::new(ip, port);
    let fits = component == "1" && transport.eq_ignore_ascii_case("udp") && is_host && port != 0;
    (fits && address.is_ipv4() == local.is_ipv4()).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-lite\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\na=setup:passive\r\n\
        a=candidate:1 1 tcp 1 192.0.2.1 9 typ host tcptype passive\r\n\
        a=candidate:2 1 udp 1 2001:db8::1 7000 typ host\r\na=candidate:3 1 udp 1 nobody.local 7000 typ host\r\n\
        a=candidate:4 1 UDP 1 192.0.2.1 7000 typ host generation 0\r\na=rtpmap:111 opus/48000/2\r\n\
        a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 100 101\r\na=mid:1\r\na=rtpmap:101 rtx/90000\r\na=rtpmap:100 VP8/90000\r\n\
        a=rtcp-fb:100 nack\r\na=rtcp-fb:100 transport-cc\r\n\
        a=extmap:3/sendonly http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n";

    fn local() -> SocketAddr {
        "192.0.2.9:1".parse().expect("an address")
    }

    fn without(text: &str) -> Result<Answer, AnswerError> {
        assert!(ANSWER.contains(text), "{text}");
        read(&ANSWER.replace(text, "a=x"), local())
    }

    #[test]
    fn an_answer_by_example() {
        let answer = read(ANSWER, local()).expect("an answer");
        assert_eq!(answer.remote, Credentials { ufrag: "abcd".into(), password: "secret".into() });
        assert_eq!(answer.candidate.to_string(), "192.0.2.1:7000");
        assert_eq!(answer.video, Media { payload_type: 100, mid_extension: None, transport_cc: Some(3) });
        assert_eq!(
            answer.audio,
            Some(Media { payload_type: 111, mid_extension: Some(4), transport_cc: None })
        );
    }

    #[test]
    fn feedback_needs_both_its_lines() {
        for text in ["a=rtcp-fb:100 transport-cc", "a=extmap:3/sendonly "] {
            assert_eq!(without(text).expect("an answer").video.transport_cc, None, "{text}");
        }
    }

    #[test]
    fn what_is_missing_is_told() {
        let table = [
            ("v=0", AnswerError::NotSdp),
            ("a=ice-ufrag:abcd", AnswerError::NoCredentials),
            ("a=ice-pwd:secret", AnswerError::NoCredentials),
            ("a=candidate:4", AnswerError::NoCandidate),
            ("a=rtpmap:100 VP8/90000", AnswerError::NoVideo),
        ];
        for (text, error) in table {
            assert_eq!(without(text), Err(error), "{text}");
        }
        let answer = |from: &str, to: &str| read(&ANSWER.replace(from, to), local());
        assert_eq!(answer("m=video 9", "m=video 0"), Err(AnswerError::NoVideo));
        assert_eq!(answer("setup:passive", "setup:active"), Err(AnswerError::NotPassive));
        assert_eq!(answer("m=audio 9", "m=audio 0").expect("an answer").audio, None);
    }

    #[test]
    fn no_cut_answer_breaks_the_reader() {
        for length in 0..ANSWER.len() {
            let _ = read(&ANSWER[..length], local());
        }
        let strange =
            "v=0\r\na=ice-ufrag:\r\na=ice-pwd:\r\nm=\r\nm=video \r\na=rtpmap:é VP8\r\na=rtpmap:1 é\r\n";
        assert_eq!(read(strange, local()), Err(AnswerError::NoCandidate));
    }
}
