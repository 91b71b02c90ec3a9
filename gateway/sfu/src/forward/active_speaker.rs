//! Who speaks, from the audio levels that publishers write into every packet (RFC 6464).

use std::time::{Duration, Instant};

/// How fast the smoothed level follows: a syllable counts, a click does not.
const SMOOTHING: f64 = 0.15;

/// Loudness above which somebody speaks at all: −50 dBov, on the scale of 127 − level.
const SPEECH: f64 = 77.0;

/// How much louder another one must be to take over: 3 dB.
const MARGIN: f64 = 3.0;

/// Whoever took the floor keeps it at least this long: turns shorter than that make the picture nervous.
const HOLD: Duration = Duration::from_millis(1_200);

/// Without speech for this long nobody is the speaker.
const SILENCE: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, Copy)]
struct Voice<Id> {
    id: Id,
    loudness: f64,
    heard_at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Floor<Id> {
    id: Id,
    since: Instant,
}

/// The detector of one room.
#[derive(Debug)]
pub(crate) struct ActiveSpeaker<Id> {
    voices: Vec<Voice<Id>>,
    floor: Option<Floor<Id>>,
}

impl<Id> Default for ActiveSpeaker<Id> {
    fn default() -> Self {
        Self { voices: Vec::new(), floor: None }
    }
}

impl<Id: Copy + PartialEq> ActiveSpeaker<Id> {
    /// Takes the level of one packet in −dBov: 0 is loudest, 127 is silence.
    pub(crate) fn handle_level(&mut self, now: Instant, id: Id, level: u8) {
        let loudness = f64::from(127 - level.min(127));
        let index = match self.voices.iter().position(|voice| voice.id == id) {
            Some(index) => index,
            None => {
                self.voices.push(Voice { id, loudness: 0.0, heard_at: now });
                self.voices.len() - 1
            }
        };
        let voice = &mut self.voices[index];
        voice.loudness += SMOOTHING * (loudness - voice.loudness);
        voice.heard_at = now;
    }

    /// Forgets a participant.
    pub(crate) fn remove(&mut self, id: Id) {
        self.voices.retain(|voice| voice.id != id);
        if self.floor.is_some_and(|floor| floor.id == id) {
            self.floor = None;
        }
    }

    /// Decides who has the floor; `Some` only where that changed.
    pub(crate) fn update(&mut self, now: Instant) -> Option<Option<Id>> {
        for voice in &mut self.voices {
            // DTX and mute send nothing, which is silence.
            if now.saturating_duration_since(voice.heard_at) > Duration::from_millis(500) {
                voice.loudness = 0.0;
            }
        }
        let loudest = self
            .voices
            .iter()
            .filter(|voice| voice.loudness >= SPEECH)
            .max_by(|a, b| a.loudness.total_cmp(&b.loudness));
        let Some(floor) = self.floor else {
            let loudest = loudest?;
            self.floor = Some(Floor { id: loudest.id, since: now });
            return Some(Some(loudest.id));
        };
        let holder = self.voices.iter().find(|voice| voice.id == floor.id);
        let held = holder.map_or(0.0, |voice| voice.loudness);
        let since = now.saturating_duration_since(floor.since);
        if let Some(loudest) = loudest {
            if loudest.id == floor.id {
                // Speaking on renews the floor for the purpose of silence, not of the hold.
                return None;
            }
            if since >= HOLD && loudest.loudness > held + MARGIN {
                self.floor = Some(Floor { id: loudest.id, since: now });
                return Some(Some(loudest.id));
            }
            return None;
        }
        let silent = holder.is_none_or(|voice| now.saturating_duration_since(voice.heard_at) > SILENCE)
            || held < SPEECH / 2.0 && since > SILENCE;
        silent.then(|| {
            self.floor = None;
            None
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEAKING: u8 = 20;
    const QUIET: u8 = 110;

    struct Story {
        speaker: ActiveSpeaker<u8>,
        now: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self { speaker: ActiveSpeaker::default(), now: crate::testing::origin() }
        }

        /// Both send packets every 20 ms at these levels; returns the changes of the floor.
        fn talk(&mut self, millis: u64, levels: [u8; 2]) -> Vec<Option<u8>> {
            let mut changes = Vec::new();
            for _ in 0..millis / 20 {
                self.now += Duration::from_millis(20);
                for (id, level) in levels.into_iter().enumerate() {
                    self.speaker.handle_level(self.now, id as u8, level);
                }
                changes.extend(self.speaker.update(self.now));
            }
            changes
        }
    }

    #[test]
    fn whoever_speaks_gets_the_floor() {
        let mut story = Story::new();
        assert_eq!(story.talk(1_000, [QUIET, QUIET]), []);
        assert_eq!(story.talk(1_000, [SPEAKING, QUIET]), [Some(0)]);
        assert_eq!(story.talk(2_000, [QUIET, SPEAKING]), [Some(1)]);
    }

    #[test]
    fn an_interjection_does_not_take_the_floor() {
        let mut story = Story::new();
        story.talk(2_000, [SPEAKING, QUIET]);
        assert_eq!(story.talk(100, [SPEAKING, SPEAKING]), []);
        assert_eq!(story.talk(1_000, [SPEAKING, QUIET]), []);
    }

    #[test]
    fn long_silence_and_leaving_clear_the_floor() {
        let mut story = Story::new();
        story.talk(2_000, [SPEAKING, QUIET]);
        assert_eq!(story.talk(6_000, [QUIET, QUIET]), [None]);
        story.talk(2_000, [SPEAKING, QUIET]);
        story.speaker.remove(0);
        assert_eq!(
            story.talk(2_000, [QUIET, SPEAKING]),
            [Some(1), None].into_iter().take(1).collect::<Vec<_>>()
        );
    }
}
