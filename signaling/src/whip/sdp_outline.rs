//! As much of an offer as says what its media descriptions are for; the media plane reads the rest.

use protocol::track::MediaKind;

/// A media description that can carry something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OutlinedMedia {
    /// Its `a=mid`.
    pub(super) mid: String,
    pub(super) kind: MediaKind,
    /// Whether the client wants to send.
    pub(super) sends: bool,
    /// Whether it wants to receive.
    pub(super) receives: bool,
}

/// The audio and video descriptions of an offer that are in use and have a name, in their order.
pub(super) fn outline(sdp: &str) -> Vec<OutlinedMedia> {
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    for line in sdp.lines().map(str::trim_end) {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    let mut sections = sections.into_iter();
    let session_direction = sections.next().and_then(|session| direction(&session));
    sections.filter_map(|section| media(&section, session_direction)).collect()
}

fn media(section: &[&str], session_direction: Option<Direction>) -> Option<OutlinedMedia> {
    let mut words = section.first()?.strip_prefix("m=")?.split(' ');
    let kind = match words.next()? {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => return None,
    };
    let is_stopped = words.next() == Some("0") && !section.contains(&"a=bundle-only");
    let mid = section.iter().find_map(|line| line.strip_prefix("a=mid:"))?;
    let direction =
        direction(section).or(session_direction).unwrap_or(Direction { sends: true, receives: true });
    (!is_stopped).then(|| OutlinedMedia {
        mid: mid.to_owned(),
        kind,
        sends: direction.sends,
        receives: direction.receives,
    })
}

#[derive(Debug, Clone, Copy)]
struct Direction {
    sends: bool,
    receives: bool,
}

fn direction(section: &[&str]) -> Option<Direction> {
    section.iter().find_map(|line| match *line {
        "a=sendonly" => Some(Direction { sends: true, receives: false }),
        "a=recvonly" => Some(Direction { sends: false, receives: true }),
        "a=sendrecv" => Some(Direction { sends: true, receives: true }),
        "a=inactive" => Some(Direction { sends: false, receives: false }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sdp: &str) -> Vec<(String, MediaKind, bool, bool)> {
        let all = outline(sdp).into_iter();
        all.map(|media| (media.mid, media.kind, media.sends, media.receives)).collect()
    }

    #[test]
    fn descriptions_are_told_by_kind_and_direction() {
        let sdp = "v=0\r\ns=-\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:pictures\r\na=recvonly\r\n\
            m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:2\r\n\
            m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:3\r\n";
        let (audio, video) = (MediaKind::Audio, MediaKind::Video);
        let expected = [
            ("0".to_owned(), audio, true, false),
            ("pictures".to_owned(), video, false, true),
            ("2".to_owned(), video, true, true),
        ];
        assert_eq!(read(sdp), expected);
    }

    #[test]
    fn what_is_stopped_or_nameless_is_none() {
        let line = "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n";
        assert_eq!(read(line), []);
        assert_eq!(read(&format!("{line}a=bundle-only\r\n")).len(), 1);
        assert_eq!(read("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\n"), []);
        assert_eq!(read(""), []);
    }

    #[test]
    fn the_direction_of_the_session_counts_where_there_is_no_other() {
        let sdp = "v=0\na=sendonly\nm=audio 9 X 0\na=mid:0\nm=audio 9 X 0\na=mid:1\na=inactive\n";
        let told: Vec<_> = read(sdp).into_iter().map(|(_, _, sends, receives)| (sends, receives)).collect();
        assert_eq!(told, [(true, false), (false, false)]);
    }
}
