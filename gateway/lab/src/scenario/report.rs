//! A story second by second, for those who read why it failed.

use std::fmt::Write;
use std::time::Duration;

use protocol::track::MediaKind;
use sfu::counters::DropReason;

use super::browser::{Browser, Receiver};
use super::{Person, Scenario, Stage};

const SECOND: Duration = Duration::from_secs(1);

impl Scenario {
    /// What everybody saw and heard of everybody, and what the media plane counted.
    pub(crate) fn report(&self) -> String {
        let mut text = String::new();
        for person in &self.people {
            let Stage::InCall(browser) = &person.stage else { continue };
            let (up, down) = (person.uplink.stats(), person.downlink.stats());
            let _ = writeln!(
                text,
                "{} ({}, {:?}): sends up to {}, {} key frames; uplink lost {} of {}, downlink lost {} and dropped {} of {}",
                person.name,
                browser.network_class(),
                browser.transport(),
                browser.publisher.estimate(),
                browser.publisher.key_frames(),
                up.lost + up.queue_full,
                up.offered,
                down.lost,
                down.queue_full,
                down.offered,
            );
            for other in self.people.iter().filter(|other| other.id != person.id) {
                self.write_sight(&mut text, browser, other);
            }
        }
        self.write_counts(&mut text);
        text
    }

    fn write_counts(&self, text: &mut String) {
        let counts = self.sfu.counters();
        let _ = write!(
            text,
            "gateway: {} video packets in, {} out; NACKs {} in, {} out; key frames asked for {} in, {} out; \
             repairs {} kB in, {} kB out; padding {} kB out; dropped",
            counts.ingress.video_packets,
            counts.egress.video_packets,
            counts.nacks_in,
            counts.nacks_out,
            counts.key_frame_requests_in,
            counts.key_frame_requests_out,
            counts.retransmitted_bytes_in / 1_000,
            counts.retransmitted_bytes_out / 1_000,
            counts.padding_bytes_out / 1_000,
        );
        for reason in DropReason::ALL {
            let count = counts.dropped[reason as usize];
            if count > 0 {
                let _ = write!(text, " {count} {}", reason.as_str());
            }
        }
        text.push('\n');
    }

    /// What was told in the present run, and when.
    fn write_told(&self, text: &mut String, browser: &Browser, other: &Person) {
        let of_run = browser.told_of(other.id).filter(|(at, _)| *at >= self.run_since);
        for (index, (at, pair)) in of_run.enumerate() {
            let lead = if index == 0 { "; was told" } else { "," };
            let late = (*at - self.run_since).as_secs_f64();
            let _ = write!(text, "{lead} {} ({:?}) at {late:.2} s", pair.rung, pair.rung_reason);
        }
    }

    fn write_sight(&self, text: &mut String, browser: &Browser, other: &Person) {
        let quality = browser.quality_of(other.id);
        let _ = write!(text, "  of {}: ", other.name);
        if let Some(pair) = quality {
            let _ = write!(text, "told {} ({:?}, HD {:?}); ", pair.rung, pair.rung_reason, pair.hd);
        }
        let picture = browser.subscription_to(other.id, MediaKind::Video);
        if let Some(Receiver::Picture(picture)) = picture.map(|subscription| &subscription.receiver) {
            let mut second = self.origin;
            let _ = write!(text, "lines×frames a second:");
            while second < self.now {
                let frames: Vec<u16> = picture
                    .shown()
                    .iter()
                    .filter(|frame| (second..second + SECOND).contains(&frame.at))
                    .map(|frame| frame.lines)
                    .collect();
                let _ = write!(text, " {}×{}", frames.last().copied().unwrap_or_default(), frames.len());
                second += SECOND;
            }
            let _ = write!(
                text,
                "; {} repaired, {} key frames asked for",
                picture.repaired, picture.key_frame_requests
            );
        }
        self.write_told(text, browser, other);
        let voice = browser.subscription_to(other.id, MediaKind::Audio);
        if let Some(Receiver::Voice(voice)) = voice.map(|subscription| &subscription.receiver) {
            let gaps: Duration = voice.gaps().iter().map(|gap| gap.length).sum();
            let first = voice.first_arrival().map(|at| at - self.origin);
            let _ = write!(text, "; voice from {first:?} with {gaps:?} of gaps");
        }
        let received = browser.received_since(self.run_since) as u64;
        let _ = writeln!(text, "; {} kB in this run", received / 1_000);
    }
}
