//! The two names that an SDP gives to streams and that RTP packets carry back in header extensions:
//! `a=mid` (RFC 9143 §14) and `a=rid` (RFC 8851). Both are at most 16 bytes, which is all that a one-byte
//! header extension holds (RFC 8285 §4.2), so they are small values and not heap text.

use std::fmt;

const MAX_LENGTH: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct ShortToken {
    bytes: [u8; MAX_LENGTH],
    length: u8,
}

impl ShortToken {
    fn new(text: &[u8], is_allowed: impl Fn(u8) -> bool) -> Option<Self> {
        if text.is_empty() || !text.iter().copied().all(is_allowed) {
            return None;
        }
        let mut bytes = [0; MAX_LENGTH];
        bytes.get_mut(..text.len())?.copy_from_slice(text);
        Some(Self { bytes, length: text.len() as u8 })
    }

    fn as_str(&self) -> &str {
        let text = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        std::str::from_utf8(text).unwrap_or_default()
    }
}

/// The identification of a media description.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Mid(ShortToken);

impl Mid {
    /// Reads the value of `a=mid`, or of the header extension that carries it.
    pub(crate) fn new(text: impl AsRef<[u8]>) -> Option<Self> {
        ShortToken::new(text.as_ref(), is_token_char).map(Self)
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The name of one encoding of a simulcast track.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Rid(ShortToken);

impl Rid {
    /// Reads an RID of SDP, or of one of the header extensions that carry it.
    pub(crate) fn new(text: impl AsRef<[u8]>) -> Option<Self> {
        ShortToken::new(text.as_ref(), |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            .map(Self)
    }

    /// The name as text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// RFC 8866 §9, `token-char`.
fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`{|}~".contains(&byte)
}

impl fmt::Display for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mid({self})")
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_tokens() {
        for (text, is_mid, is_rid) in [
            ("0", true, true),
            ("sixteen-bytes-is", true, true),
            ("seventeen-bytes-i", false, false),
            ("", false, false),
            ("a b", false, false),
            ("a~b", true, false),
            ("a\r\nb", false, false),
            ("é", false, false),
        ] {
            assert_eq!(Mid::new(text).is_some(), is_mid, "{text:?}");
            assert_eq!(Rid::new(text).is_some(), is_rid, "{text:?}");
        }
        assert_eq!(Mid::new("video-1").expect("a token").as_str(), "video-1");
    }
}
