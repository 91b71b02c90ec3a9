//! The body of a `PATCH`: ICE candidates that come late, or the credentials of a restart (RFC 8840 §9, RFC 9725 §4.3).
//! The gateway is an ICE-lite agent and learns addresses from checks alone, so candidates need no reading.

/// The credentials that a fragment tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IceCredentials {
    pub(super) ufrag: String,
    pub(super) password: String,
}

/// A fragment names only a half of its credentials, or breaks their bounds (RFC 8839 §5.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadCredentials;

impl IceCredentials {
    /// Reads a fragment; `None` where it has no credentials.
    pub(super) fn read(fragment: &str) -> Result<Option<Self>, BadCredentials> {
        let is_ice_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let fits = |value: &str, least: usize| {
            (least..=256).contains(&value.len()) && value.bytes().all(is_ice_char)
        };
        match (value(fragment, "a=ice-ufrag:"), value(fragment, "a=ice-pwd:")) {
            (None, None) => Ok(None),
            (Some(ufrag), Some(password)) if fits(ufrag, 4) && fits(password, 22) => {
                Ok(Some(Self { ufrag: ufrag.to_owned(), password: password.to_owned() }))
            }
            _ => Err(BadCredentials),
        }
    }
}

/// The ICE user name fragment of a session description.
pub(super) fn ufrag_of(sdp: &str) -> Option<&str> {
    value(sdp, "a=ice-ufrag:")
}

fn value<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.trim_end().strip_prefix(name))
}

/// An offer with other ICE credentials, in every place that has some.
pub(super) fn with_credentials(offer: &str, IceCredentials { ufrag, password }: &IceCredentials) -> String {
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
        let mut wanted = match descriptions {
            0 => SESSION.iter().chain(&MEDIA[2..]),
            1 => MEDIA.iter().chain(&[]),
            _ => break,
        };
        if wanted.any(|start| line.starts_with(start)) {
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
    fn a_fragment_tells_credentials_or_none() {
        let password = "P2uYro0UCOQ4zxjKXaWCBui1";
        let read = |ufrag: &str, password: &str| {
            IceCredentials::read(&format!("{ufrag}\r\n{password}\r\na=mid:0\r\na=candidate:1 …\r\n"))
        };
        let line = format!("a=ice-pwd:{password}");
        let told = IceCredentials { ufrag: "EsAw".to_owned(), password: password.to_owned() };
        assert_eq!(read("a=ice-ufrag:EsAw", &line), Ok(Some(told)));
        assert_eq!(read("", ""), Ok(None));
        let long = format!("a=ice-ufrag:{}", "x".repeat(257));
        for (ufrag, password) in [
            ("a=ice-ufrag:EsAw", ""),
            ("", &*line),
            ("a=ice-ufrag:EsA", &*line),
            ("a=ice-ufrag:E\"Aw", &*line),
            ("a=ice-ufrag:EsAw", "a=ice-pwd:short"),
            (&*long, &*line),
        ] {
            assert_eq!(read(ufrag, password), Err(BadCredentials), "{ufrag} {password}");
        }
    }

    #[test]
    fn credentials_are_exchanged_everywhere_and_nothing_else() {
        let offer =
            "v=0\r\nm=audio 9 X 0\r\na=ice-ufrag:old\r\na=ice-pwd:secret\r\nm=video 9 X 0\na=ice-ufrag:old\n";
        let expected = "v=0\r\nm=audio 9 X 0\r\na=ice-ufrag:new\r\na=ice-pwd:other\r\nm=video 9 X 0\r\na=ice-ufrag:new\r\n";
        let credentials = IceCredentials { ufrag: "new".to_owned(), password: "other".to_owned() };
        assert_eq!(with_credentials(offer, &credentials), expected);
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
