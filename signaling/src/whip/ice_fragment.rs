//! The body of a `PATCH`: ICE candidates that come late, or the credentials of a restart (RFC 8840 §9, RFC 9725 §4.3).
//! The gateway is an ICE-lite agent and learns addresses from checks alone, so candidates need no reading.

/// What a fragment tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct IceFragment {
    pub(super) ufrag: Option<String>,
    pub(super) password: Option<String>,
}

impl IceFragment {
    pub(super) fn read(text: &str) -> Self {
        let value =
            |name: &str| text.lines().find_map(|line| line.trim_end().strip_prefix(name)).map(str::to_owned);
        Self { ufrag: value("a=ice-ufrag:"), password: value("a=ice-pwd:") }
    }
}

/// The ICE user name fragment of a session description.
pub(super) fn ufrag_of(sdp: &str) -> Option<String> {
    IceFragment::read(sdp).ufrag
}

/// An offer with other ICE credentials, in every place that has some.
pub(super) fn with_credentials(offer: &str, ufrag: &str, password: &str) -> String {
    let line = |line: &str| {
        let line = line.trim_end();
        if line.starts_with("a=ice-ufrag:") {
            format!("a=ice-ufrag:{ufrag}\r\n")
        } else if line.starts_with("a=ice-pwd:") {
            format!("a=ice-pwd:{password}\r\n")
        } else {
            format!("{line}\r\n")
        }
    };
    offer.lines().map(line).collect()
}

/// What an answer says of its transport, as a fragment: the session's part, and that of the first media description,
/// which all are bundled with.
pub(super) fn fragment_of(answer: &str) -> String {
    const SESSION: [&str; 3] = ["a=ice-lite", "a=ice-options:", "a=group:BUNDLE"];
    const MEDIA: [&str; 6] =
        ["m=", "a=mid:", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"];
    let mut descriptions = 0;
    let mut fragment = String::new();
    for line in answer.lines().map(str::trim_end) {
        descriptions += usize::from(line.starts_with("m="));
        let wanted: &[&str] = match descriptions {
            0 => &[SESSION.as_slice(), &MEDIA[2..]].concat(),
            1 => &MEDIA,
            _ => break,
        };
        if wanted.iter().any(|start| line.starts_with(start)) {
            fragment.push_str(line);
            fragment.push_str("\r\n");
        }
    }
    fragment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fragment_tells_credentials() {
        let text = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=mid:0\r\na=candidate:1 …\r\n";
        let fragment = IceFragment::read(text);
        assert_eq!(fragment.ufrag.as_deref(), Some("EsAw"));
        assert_eq!(fragment.password.as_deref(), Some("P2uYro0UCOQ4zxjKXaWCBui1"));
        assert_eq!(IceFragment::read("a=candidate:1\n"), IceFragment::default());
    }

    #[test]
    fn credentials_are_exchanged_everywhere_and_nothing_else() {
        let offer =
            "v=0\r\nm=audio 9 X 0\r\na=ice-ufrag:old\r\na=ice-pwd:secret\r\nm=video 9 X 0\na=ice-ufrag:old\n";
        let expected = "v=0\r\nm=audio 9 X 0\r\na=ice-ufrag:new\r\na=ice-pwd:other\r\nm=video 9 X 0\r\na=ice-ufrag:new\r\n";
        assert_eq!(with_credentials(offer, "new", "other"), expected);
    }

    #[test]
    fn an_answer_is_told_as_a_fragment() {
        let answer = "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\na=ice-lite\r\na=group:BUNDLE 0 1\r\nm=audio 9 X 111\r\na=mid:0\r\n\
            a=ice-ufrag:u\r\na=ice-pwd:p\r\na=rtpmap:111 opus/48000/2\r\na=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n\
            a=end-of-candidates\r\nm=video 9 X 96\r\na=mid:1\r\na=ice-ufrag:u\r\n";
        let expected = "a=ice-lite\r\na=group:BUNDLE 0 1\r\nm=audio 9 X 111\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n\
            a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n";
        assert_eq!(fragment_of(answer), expected);
    }
}
