//! The lines of a session description (RFC 8866 §5), cut into its session section and its media
//! sections. Only `m=` and `a=` lines carry anything that the gateway looks at.

use protocol::media_message::NegotiationFailure;

use crate::limits::{MAX_MEDIA_DESCRIPTIONS, MAX_SDP_BYTES};

/// Bytes of one line. Chromium's longest, the list of payload types, has some 150.
const MAX_LINE_BYTES: usize = 1_024;

/// The session section, or one media section.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// The value of the `m=` line; empty in the session section.
    pub(super) media: &'a str,
    /// Name and value of its `a=` lines; the value of a flag is empty.
    pub(super) attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Section<'a> {
    /// The value of the first attribute of that name.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes_named(name).next()
    }

    /// The values of all attributes of that name.
    pub(super) fn attributes_named(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.attributes.iter().filter(move |(key, _)| *key == name).map(|(_, value)| *value)
    }
}

/// Cuts a session description into its session section and its media sections.
pub(super) fn cut(text: &str) -> Result<(Section<'_>, Vec<Section<'_>>), NegotiationFailure> {
    if text.len() > MAX_SDP_BYTES {
        return Err(NegotiationFailure::Malformed);
    }
    let mut lines = text.lines().take_while(|line| !line.is_empty());
    if lines.next() != Some("v=0") {
        return Err(NegotiationFailure::Malformed);
    }
    let mut session = Section::default();
    let mut media: Vec<Section<'_>> = Vec::new();
    for line in lines {
        match split_line(line)? {
            ('m', value) => {
                if media.len() == MAX_MEDIA_DESCRIPTIONS {
                    return Err(NegotiationFailure::TooMany);
                }
                media.push(Section { media: value, attributes: Vec::new() });
            }
            ('a', value) => {
                let section = media.last_mut().unwrap_or(&mut session);
                section.attributes.push(value.split_once(':').unwrap_or((value, "")));
            }
            _ => {}
        }
    }
    Ok((session, media))
}

fn split_line(line: &str) -> Result<(char, &str), NegotiationFailure> {
    let (kind, value) = line.split_once('=').ok_or(NegotiationFailure::Malformed)?;
    let mut kind = kind.chars();
    match (kind.next(), kind.next()) {
        (Some(kind @ 'a'..='z'), None) if line.len() <= MAX_LINE_BYTES && !line.contains(['\r', '\0']) => {
            Ok((kind, value))
        }
        _ => Err(NegotiationFailure::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fall_into_their_sections() {
        let (session, media) =
            cut("v=0\r\na=ice-lite\r\nm=audio 9 X 0\r\na=mid:0\r\nm=video 9 X 1\r\n").expect("well formed");
        assert_eq!(session.attributes, [("ice-lite", "")]);
        assert_eq!(
            media.iter().map(|section| section.media).collect::<Vec<_>>(),
            ["audio 9 X 0", "video 9 X 1"]
        );
        assert_eq!(media[0].attribute("mid"), Some("0"));
        assert_eq!(media[1].attribute("mid"), None);
    }

    #[test]
    fn text_beyond_the_limits_is_refused() {
        use NegotiationFailure::*;
        for (text, failure) in [
            (String::new(), Malformed),
            ("o=- 1 1 IN IP4 0.0.0.0\r\n".into(), Malformed),
            ("v=0\r\nnonsense\r\n".into(), Malformed),
            ("v=0\r\naa=mid:0\r\n".into(), Malformed),
            ("v=0\r\na=mid:0\rm=audio\r\n".into(), Malformed),
            (format!("v=0\r\na={}\r\n", "x".repeat(MAX_LINE_BYTES)), Malformed),
            (format!("v=0\r\n{}", "a=x\r\n".repeat(MAX_SDP_BYTES / 5)), Malformed),
            (format!("v=0\r\n{}", "m=audio 9 X 0\r\n".repeat(MAX_MEDIA_DESCRIPTIONS + 1)), TooMany),
        ] {
            assert_eq!(cut(&text).map(|_| ()), Err(failure), "{:?}", &text[..text.len().min(40)]);
        }
    }
}
