//! What a room sends its pictures in over time: it narrows at once when somebody comes who can decode less, and widens
//! when nobody has needed the narrower choice for a while. Publishers are asked to change where they have to, or could
//! send what the site likes better.

use std::time::{Duration, Instant};

use protocol::id::TrackId;
use protocol::track::TrackSource;
use protocol::video_codec::{CodecPreference, CodecReason, VideoCodec};

use super::codec_choice::CodecChoice;
use crate::sdp::CodecSet;

/// Who left may be back in a moment: a page that is reloaded takes seconds, and every change costs a key frame or,
/// between simulcast and spatial layers, a new track.
const WIDEN_HOLD: Duration = Duration::from_secs(10);

/// The codecs of one room.
#[derive(Debug, Clone)]
pub(super) struct RoomCodecs {
    preference: CodecPreference,
    choice: CodecChoice,
    /// What everybody can decode, where that is more than the choice, and when it is taken up.
    wider: Option<(CodecSet, Instant)>,
    pictures: Vec<Picture>,
    /// What the others were told of the choice.
    told: (Vec<VideoCodec>, CodecReason),
}

/// What is new about the codecs of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// What everybody can decode, the most liked first.
    pub(super) codecs: Vec<VideoCodec>,
    pub(super) reason: CodecReason,
    /// Another codec is the first, or for another reason.
    pub(super) begins_otherwise: bool,
}

/// A published picture, and what its publisher can send it in.
#[derive(Debug, Clone, Copy)]
struct Picture {
    track: TrackId,
    source: TrackSource,
    offered: CodecSet,
    /// By the last answer.
    sends: Option<VideoCodec>,
    asked: Option<(VideoCodec, Need)>,
}

/// Why a publisher is asked to change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// The site likes the other codec better.
    May,
    /// Somebody cannot decode what it sends.
    Must,
}

/// What a publisher is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) track: TrackId,
    pub(super) codecs: Vec<VideoCodec>,
    pub(super) reason: CodecReason,
}

impl RoomCodecs {
    pub(super) fn new(preference: CodecPreference) -> Self {
        let choice = CodecChoice::of([], &preference);
        let told = (choice.codecs.clone(), choice.reason);
        Self { preference, choice, wider: None, pictures: Vec::new(), told }
    }

    pub(super) fn choice(&self) -> &CodecChoice {
        &self.choice
    }

    /// Takes what those in the room can decode: somebody came, left, or offered anew.
    pub(super) fn handle_everyone(&mut self, now: Instant, everyone: impl IntoIterator<Item = CodecSet>) {
        let target = CodecChoice::of(everyone, &self.preference);
        let narrowed = CodecChoice::of([target.streams, self.choice.streams], &self.preference);
        // Where the first codec has to change anyway, it changes once.
        let goes_on = narrowed.codecs.first() == self.choice.codecs.first();
        let is_empty = CodecReason::NothingInCommon;
        let holds = goes_on && target.reason != is_empty && narrowed.reason != is_empty;
        self.choice = if holds { narrowed } else { target.clone() };
        self.wider = match self.wider {
            _ if self.choice == target => None,
            Some(waiting @ (streams, _)) if streams == target.streams => Some(waiting),
            Some(_) | None => Some((target.streams, now + WIDEN_HOLD)),
        };
    }

    /// Widens the choice if that is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some((streams, due)) = self.wider
            && due <= now
        {
            self.wider = None;
            self.choice = CodecChoice::of([streams], &self.preference);
        }
    }

    /// Takes note of an answer: what a publisher has offered to send a picture in, and what it sends from here on.
    pub(super) fn handle_answer(
        &mut self,
        track: TrackId,
        source: TrackSource,
        offered: CodecSet,
        sends: Option<VideoCodec>,
    ) {
        match self.pictures.iter_mut().find(|picture| picture.track == track) {
            Some(picture) => *picture = Picture { offered, sends, ..*picture },
            None => self.pictures.push(Picture { track, source, offered, sends, asked: None }),
        }
    }

    /// Forgets the pictures that have ended.
    pub(super) fn keep(&mut self, lives: impl Fn(TrackId) -> bool) {
        self.pictures.retain(|picture| lives(picture.track));
    }

    /// What is new since the last call.
    pub(super) fn poll_change(&mut self) -> Option<Change> {
        let CodecChoice { codecs, reason, .. } = &self.choice;
        let (told, because) = &self.told;
        if told == codecs && because == reason {
            return None;
        }
        let begins_otherwise = told.first() != codecs.first() || because != reason;
        self.told = (codecs.clone(), *reason);
        Some(Change { codecs: codecs.clone(), reason: *reason, begins_otherwise })
    }

    /// What the next publisher is to be asked for; call until `None`. Nobody is asked twice for the same.
    pub(super) fn poll_request(&mut self) -> Option<Request> {
        let choice = &self.choice;
        self.pictures.iter_mut().find_map(|picture| {
            let sendable = picture.offered.and(choice.streams);
            let codecs: Vec<VideoCodec> =
                choice.codecs.iter().copied().filter(|codec| sendable.has(*codec)).collect();
            let wanted = *codecs.first()?;
            let Some(need) = picture.need(wanted, &codecs) else {
                picture.asked = None;
                return None;
            };
            // Who was asked for the same because it had to change has made its choice.
            if picture.asked.is_some_and(|(codec, before)| codec == wanted && before >= need) {
                return None;
            }
            picture.asked = Some((wanted, need));
            Some(Request { track: picture.track, codecs, reason: choice.reason })
        })
    }
}

impl Picture {
    /// The order that the site likes is about cameras: a screen goes in whatever its publisher likes and all decode.
    fn need(&self, wanted: VideoCodec, codecs: &[VideoCodec]) -> Option<Need> {
        if !self.sends.is_some_and(|sends| codecs.contains(&sends)) {
            return Some(Need::Must);
        }
        (self.source == TrackSource::Camera && self.sends != Some(wanted)).then_some(Need::May)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sdp::Codec;
    use crate::sdp::H264Profile::ConstrainedBaseline;
    use crate::testing::origin;
    use VideoCodec::{Av1, H264, Vp8, Vp9};

    const CAMERA: TrackId = TrackId::from_bits(1);
    const SCREEN: TrackId = TrackId::from_bits(2);

    fn firefox() -> CodecSet {
        CodecSet::of([Codec::Vp8, Codec::Vp9])
    }

    /// A room whose site likes H.264 best, with one camera and one screen in it.
    fn room() -> RoomCodecs {
        let mut room = RoomCodecs::new([H264].into_iter().collect());
        room.handle_everyone(origin(), [CodecSet::ALL]);
        room.handle_answer(CAMERA, TrackSource::Camera, CodecSet::ALL, Some(H264));
        room.handle_answer(SCREEN, TrackSource::Screen, CodecSet::ALL, Some(Vp8));
        assert_eq!(room.poll_request(), None);
        room
    }

    fn requests(room: &mut RoomCodecs) -> Vec<(TrackId, VideoCodec, CodecReason)> {
        std::iter::from_fn(|| room.poll_request())
            .map(|request| (request.track, request.codecs[0], request.reason))
            .collect()
    }

    #[test]
    fn who_cannot_decode_the_codec_changes_it_and_who_can_does_not() {
        let now = origin();
        let mut room = room();
        room.handle_everyone(
            now,
            [CodecSet::ALL, CodecSet::of([Codec::H264(ConstrainedBaseline), Codec::Vp8])],
        );
        assert_eq!(requests(&mut room), []);
        room.handle_everyone(now, [CodecSet::ALL, firefox()]);
        assert_eq!(requests(&mut room), [(CAMERA, Vp8, CodecReason::SomebodyLacks)]);
        assert_eq!(requests(&mut room), [], "once is enough");
    }

    #[test]
    fn the_codec_that_the_site_likes_comes_back_when_nobody_lacks_it_for_a_while() {
        let start = origin();
        let mut room = room();
        room.handle_everyone(start, [CodecSet::ALL, firefox()]);
        requests(&mut room);
        room.handle_answer(CAMERA, TrackSource::Camera, CodecSet::ALL, Some(Vp8));
        room.handle_everyone(start, [CodecSet::ALL]);
        room.handle_timeout(start + WIDEN_HOLD / 2);
        assert_eq!(requests(&mut room), []);
        // Back again before that: nothing has to change.
        room.handle_everyone(start + WIDEN_HOLD / 2, [CodecSet::ALL, firefox()]);
        room.handle_timeout(start + 2 * WIDEN_HOLD);
        assert_eq!(requests(&mut room), []);
        let left = start + 3 * WIDEN_HOLD;
        room.handle_everyone(left, [CodecSet::ALL]);
        room.handle_timeout(left + WIDEN_HOLD);
        assert_eq!(requests(&mut room), [(CAMERA, H264, CodecReason::SitePreference)]);
    }

    #[test]
    fn nobody_is_asked_for_what_it_cannot_send() {
        let mut room = RoomCodecs::new([Av1, Vp9].into_iter().collect());
        room.handle_everyone(origin(), [CodecSet::ALL]);
        room.handle_answer(CAMERA, TrackSource::Camera, firefox(), Some(Vp9));
        assert_eq!(requests(&mut room), [], "VP9 is the best that it can");
        let no_vp9 = CodecSet::of([Codec::Vp8, Codec::Av1]);
        room.handle_everyone(origin(), [CodecSet::ALL, no_vp9]);
        assert_eq!(requests(&mut room), [(CAMERA, Vp8, CodecReason::SitePreference)]);
    }

    #[test]
    fn with_nothing_in_common_it_is_vp8_and_what_is_in_common_again_counts_at_once() {
        let mut room = room();
        let h264 = CodecSet::of([Codec::H264(ConstrainedBaseline)]);
        room.handle_everyone(origin(), [h264, firefox()]);
        assert_eq!(requests(&mut room), [(CAMERA, Vp8, CodecReason::NothingInCommon)]);
        room.handle_answer(CAMERA, TrackSource::Camera, CodecSet::ALL, Some(Vp8));
        room.handle_everyone(origin(), [h264]);
        let both = [(CAMERA, H264, CodecReason::SitePreference), (SCREEN, H264, CodecReason::SitePreference)];
        assert_eq!(requests(&mut room), both);
    }

    #[test]
    fn a_screen_changes_only_where_it_must() {
        let mut room = room();
        let no_vp8 = CodecSet::of([Codec::H264(ConstrainedBaseline), Codec::Vp9]);
        room.handle_everyone(origin(), [CodecSet::ALL, no_vp8]);
        assert_eq!(requests(&mut room), [(SCREEN, H264, CodecReason::SitePreference)]);
        room.keep(|track| track == CAMERA);
        room.handle_everyone(origin(), [firefox()]);
        assert_eq!(requests(&mut room), [(CAMERA, Vp8, CodecReason::SomebodyLacks)]);
    }
}
