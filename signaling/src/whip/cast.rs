//! Which media description carries what: a client of WHIP or WHEP offers descriptions, and says nothing of sources
//! and tracks.

use protocol::id::ParticipantId;
use protocol::media_message::{PublishedMid, SubscribedMid};
use protocol::track::{MediaKind, Track, TrackSource};

use super::sdp_outline::OutlinedMedia;

/// What a publisher's descriptions carry: the first sound is its microphone, the first picture its camera, and the
/// second its screen. More than that has no place.
pub(super) fn publications(media: &[OutlinedMedia]) -> Vec<PublishedMid> {
    let sending = |kind| media.iter().filter(move |media| media.sends && media.kind == kind);
    let sounds = sending(MediaKind::Audio).zip([TrackSource::Microphone]);
    let pictures = sending(MediaKind::Video).zip([TrackSource::Camera, TrackSource::Screen]);
    sounds.chain(pictures).map(|(media, source)| PublishedMid { mid: media.mid.clone(), source }).collect()
}

/// Which tracks a player's descriptions receive: those of the publisher that it asks for, or else of the one that
/// showed a picture first; then those of the others, as far as there are descriptions.
pub(super) fn subscriptions(
    media: &[OutlinedMedia],
    tracks: &[Track],
    asked_for: Option<ParticipantId>,
) -> Vec<SubscribedMid> {
    let shows = |track: &&Track| track.source.kind() == MediaKind::Video;
    let lead = asked_for.or_else(|| tracks.iter().find(shows).map(|track| track.publisher));
    let of_kind = |kind| {
        let is_lead = move |track: &&Track| Some(track.publisher) == lead;
        let fits = move |track: &&Track| track.source.kind() == kind;
        let others = tracks.iter().filter(move |track| asked_for.is_none() && !is_lead(track));
        tracks.iter().filter(is_lead).chain(others).filter(fits)
    };
    let receiving = |kind| media.iter().filter(move |media| media.receives && media.kind == kind);
    [MediaKind::Audio, MediaKind::Video]
        .into_iter()
        .flat_map(|kind| receiving(kind).zip(of_kind(kind)))
        .map(|(media, track)| SubscribedMid { mid: media.mid.clone(), track: track.id })
        .collect()
}

#[cfg(test)]
mod tests {
    use protocol::id::TrackId;

    use super::*;
    use MediaKind::{Audio, Video};
    use TrackSource::{Camera, Microphone, Screen};

    fn lines(kinds: &[MediaKind], sends: bool) -> Vec<OutlinedMedia> {
        let named = kinds.iter().enumerate();
        named
            .map(|(index, kind)| OutlinedMedia {
                mid: index.to_string(),
                kind: *kind,
                sends,
                receives: !sends,
            })
            .collect()
    }

    fn track(id: u128, publisher: u128, source: TrackSource) -> Track {
        let (id, publisher) = (TrackId::from_bits(id), ParticipantId::from_bits(publisher));
        Track { id, publisher, source, muted: false }
    }

    #[test]
    fn a_publisher_has_a_voice_a_camera_and_a_screen() {
        let told = |kinds: &[MediaKind]| {
            let published = publications(&lines(kinds, true));
            published.into_iter().map(|one| (one.mid, one.source)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[Video, Audio]), [("1".to_owned(), Microphone), ("0".to_owned(), Camera)]);
        assert_eq!(told(&[Video, Video, Video]), [("0".to_owned(), Camera), ("1".to_owned(), Screen)]);
        assert_eq!(publications(&lines(&[Audio, Video], false)), []);
    }

    #[test]
    fn a_player_gets_who_is_seen_first_and_then_the_others() {
        let room =
            [track(1, 1, Microphone), track(2, 2, Microphone), track(3, 2, Camera), track(4, 1, Camera)];
        let told = |kinds: &[MediaKind], asked_for: Option<u128>| {
            let asked_for = asked_for.map(ParticipantId::from_bits);
            let cast = subscriptions(&lines(kinds, false), &room, asked_for).into_iter();
            cast.map(|one| (one.mid, one.track)).collect::<Vec<_>>()
        };
        let got = |all: &[(&str, u128)]| {
            all.iter().map(|(mid, id)| ((*mid).to_owned(), TrackId::from_bits(*id))).collect::<Vec<_>>()
        };
        assert_eq!(told(&[Audio, Video], None), got(&[("0", 2), ("1", 3)]));
        assert_eq!(told(&[Video, Video, Audio, Audio], None), got(&[("2", 2), ("3", 1), ("0", 3), ("1", 4)]));
        assert_eq!(told(&[Video, Video, Audio], Some(1)), got(&[("2", 1), ("0", 4)]));
        assert_eq!(told(&[Audio, Video], Some(9)), got(&[]));
        assert_eq!(subscriptions(&lines(&[Audio, Video], true), &room, None), []);
    }
}
