//! What a fleet does to a server: how many publish and play, how much, and for how long.

use std::time::Duration;

use anyhow::ensure;

use super::units;
use super::vp8::PictureSize;

/// More sockets than this need more than one address, or another process.
const MAX_VIEWERS: usize = 20_000;

/// A load, as one says it on a command line.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// How many play, in each room.
    #[arg(long, default_value_t = 10)]
    pub(crate) viewers: usize,
    /// Rooms, each with a publisher and viewers of its own.
    #[arg(long, default_value_t = 1)]
    pub(crate) rooms: usize,
    /// What the picture takes, headers included, such as 1500k or 1.5M.
    #[arg(long, default_value = "1500k", value_parser = units::bitrate)]
    pub(crate) bitrate: u64,
    /// The size that key frames claim; our gateway passes more than 360 lines on to known networks only.
    #[arg(long, default_value = "640x360", value_name = "WIDTHxHEIGHT")]
    pub(crate) picture: PictureSize,
    /// Publish a voice as well, 50 packets of 80 bytes a second.
    #[arg(long)]
    pub(crate) voice: bool,
    /// Spread the packets of a frame over its time, as a sender that paces does, instead of sending them at once.
    #[arg(long)]
    pub(crate) spread: bool,
    /// Publishers fall silent before viewers come: what those cost that only wait.
    #[arg(long)]
    pub(crate) idle: bool,
    /// Over which time viewers join, one after another.
    #[arg(long, default_value = "10s", value_parser = units::duration)]
    pub(crate) ramp: Duration,
    /// How long to measure once all play.
    #[arg(long, default_value = "20s", value_parser = units::duration)]
    pub(crate) time: Duration,
    /// Threads for viewers; the publisher has one of its own.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) threads: u8,
    /// Of how many packets of a viewer one is opened for its latency.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) open_every: u32,
}

impl Load {
    /// Viewers of one room for so long, and the rest as it is where nothing is said.
    pub(crate) fn of(viewers: usize, ramp: Duration, time: Duration) -> Self {
        Self {
            viewers,
            rooms: 1,
            bitrate: 1_500_000,
            picture: PictureSize { width: 640, height: 360 },
            voice: false,
            spread: false,
            idle: false,
            ramp,
            time,
            threads: 1,
            open_every: 50,
        }
    }

    /// Viewers of all rooms.
    pub(crate) fn all_viewers(&self) -> usize {
        self.viewers.saturating_mul(self.rooms)
    }

    /// Whether one process can do it.
    ///
    /// # Errors
    /// Says what is too much or too little.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let all = self.all_viewers();
        ensure!((1..=MAX_VIEWERS).contains(&all), "--viewers times --rooms is 1 to {MAX_VIEWERS}");
        ensure!(self.time >= Duration::from_secs(1), "--time is at least a second");
        Ok(())
    }

    /// What to type to do the same again.
    pub(crate) fn options(&self) -> String {
        let flag = |is_set, name| if is_set { name } else { "" };
        format!(
            "--rooms {} --viewers {} --bitrate {} --ramp {}s --time {}s{}{}{}",
            self.rooms,
            self.viewers,
            self.bitrate,
            self.ramp.as_secs_f64(),
            self.time.as_secs_f64(),
            flag(self.voice, " --voice"),
            flag(self.spread, " --spread"),
            flag(self.idle, " --idle"),
        )
    }
}
