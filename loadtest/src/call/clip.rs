//! VP8 clips: recorded pictures that are sent over and over, one per rung of the ladder.

use std::time::Duration;

use bytes::Bytes;
use protocol::ladder::Rung;
use protocol::quality::EncodingPlan;
use protocol::units::{Bitrate, DataSize};

/// More frames than any clip of this crate has.
const MAX_FRAMES: usize = 10_000;

const FILE_HEADER: usize = 32;
const FRAME_HEADER: usize = 12;

/// The bytes are not a VP8 clip in IVF form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadClipError {
    /// It does not begin as an IVF file of VP8 does.
    #[error("not an IVF file of VP8")]
    Header,
    /// It ends within a frame, has none, or has too many.
    #[error("the frames of the IVF file do not add up")]
    Frames,
}

/// A few seconds of encoded video: a key frame, then frames that build on the ones before.
#[derive(Debug, Clone)]
pub struct Clip {
    /// What it shows.
    pub rung: Rung,
    /// What it costs on average.
    pub rate: Bitrate,
    /// The time between two frames.
    pub frame_time: Duration,
    frames: Vec<Bytes>,
}

impl Clip {
    /// Reads the IVF form.
    ///
    /// # Errors
    /// Where the bytes are not of that form.
    pub fn read(file: &'static [u8]) -> Result<Self, ReadClipError> {
        let header = file.get(..FILE_HEADER).ok_or(ReadClipError::Header)?;
        if !header.starts_with(b"DKIF") || header.get(8..12) != Some(b"VP80") {
            return Err(ReadClipError::Header);
        }
        let lines = u16_at(header, 14).ok_or(ReadClipError::Header)?;
        let (rate, scale) = (u32_at(header, 16), u32_at(header, 20));
        let (Some(rate @ 1..), Some(scale @ 1..)) = (rate, scale) else { return Err(ReadClipError::Header) };
        let frame_time = Duration::from_secs(scale.into()) / rate;

        let mut frames = Vec::new();
        let mut rest = file.get(FILE_HEADER..).unwrap_or_default();
        while !rest.is_empty() && frames.len() < MAX_FRAMES {
            let length = u32_at(rest, 0).ok_or(ReadClipError::Frames)? as usize;
            let end = FRAME_HEADER.checked_add(length).ok_or(ReadClipError::Frames)?;
            frames.push(Bytes::from_static(rest.get(FRAME_HEADER..end).ok_or(ReadClipError::Frames)?));
            rest = rest.get(end..).unwrap_or_default();
        }
        if frames.len() < 2 || !rest.is_empty() {
            return Err(ReadClipError::Frames);
        }
        let size: DataSize = frames.iter().map(|frame| DataSize::bytes(frame.len() as u64)).sum();
        let length = frame_time * u32::try_from(frames.len()).unwrap_or(u32::MAX);
        Ok(Self { rung: Rung::at_most(lines), rate: size.per(length), frame_time, frames })
    }

    /// The frame at a position; after its end a clip goes on with its second frame, so that key frames come
    /// only when asked for. The picture then smears, but every frame decodes.
    #[must_use]
    pub fn frame(&self, position: usize) -> Bytes {
        let index = match position.checked_sub(self.frames.len()) {
            None => position,
            Some(beyond) => 1 + beyond % (self.frames.len() - 1).max(1),
        };
        self.frames.get(index).cloned().unwrap_or_default()
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// The clips that ship with the crate, from the smallest up.
///
/// # Errors
/// Where a committed clip is damaged.
pub fn shipped() -> Result<Vec<Clip>, ReadClipError> {
    let files: [&'static [u8]; 4] = [
        include_bytes!("../../clips/180p.ivf"),
        include_bytes!("../../clips/360p.ivf"),
        include_bytes!("../../clips/480p.ivf"),
        include_bytes!("../../clips/720p.ivf"),
    ];
    files.into_iter().map(Clip::read).collect()
}

/// The clip to send for what the gateway asks: the largest within its rung and rate. Where even the smallest of its rung
/// is too dear, a smaller picture goes, as an encoder would do; `None` while the encoding is not to be sent.
#[must_use]
pub fn choose<'clips>(clips: &'clips [Clip], plan: &EncodingPlan) -> Option<&'clips Clip> {
    if !plan.active {
        return None;
    }
    let fits = |clip: &&Clip| clip.rung <= plan.rung && clip.rate <= plan.max_bitrate_bps;
    clips.iter().rev().find(fits).or_else(|| clips.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shipped_clips_are_one_key_frame_each_at_their_rung() {
        let clips = shipped().expect("the committed clips");
        let rungs: Vec<_> = clips.iter().map(|clip| clip.rung).collect();
        assert_eq!(rungs, [Rung::P180, Rung::P360, Rung::P480, Rung::P720]);
        for clip in &clips {
            // RFC 6386 §9.1: the lowest bit of the first byte is zero in a key frame.
            let is_key = |position| clip.frame(position).first().is_some_and(|byte| byte & 1 == 0);
            assert!(is_key(0), "{}", clip.rung);
            assert!((1..200).all(|position| !is_key(position)), "{}", clip.rung);
            assert!(clip.rate < clip.rung.nominal_bitrate(), "{} costs {}", clip.rung, clip.rate);
        }
    }

    #[test]
    fn the_plan_bounds_the_clip() {
        let clips = shipped().expect("the committed clips");
        let plan = |active, rung, kbps| EncodingPlan {
            rid: "h".to_owned(),
            active,
            rung,
            max_bitrate_bps: Bitrate::kbps(kbps),
            max_framerate: 30,
        };
        // (plan, rung sent)
        let table = [
            (plan(true, Rung::P720, 2_000), Some(Rung::P720)),
            (plan(true, Rung::P1080, 4_000), Some(Rung::P720)),
            (plan(true, Rung::P720, 800), Some(Rung::P480)),
            (plan(true, Rung::P480, 2_000), Some(Rung::P480)),
            (plan(true, Rung::P360, 20), Some(Rung::P180)),
            (plan(false, Rung::P720, 2_000), None),
        ];
        for (plan, rung) in table {
            assert_eq!(choose(&clips, &plan).map(|clip| clip.rung), rung, "{plan:?}");
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let whole: &'static [u8] = include_bytes!("../../clips/180p.ivf");
        for (file, error) in [
            (&whole[..0], ReadClipError::Header),
            (&whole[1..], ReadClipError::Header),
            (&whole[..32], ReadClipError::Frames),
            (&whole[..whole.len() - 1], ReadClipError::Frames),
        ] {
            assert_eq!(Clip::read(file).err(), Some(error));
        }
    }
}
