//! A measurement from beginning to end: a publisher enters, viewers join over a time, everybody is watched for another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures_util::StreamExt as _;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use reqwest::Url;

use super::answer::Answer;
use super::connection::Role;
use super::endpoint::Endpoint;
use super::figures::Figures;
use super::handshake::Identity;
use super::load::Load;
use super::offer::Purpose;
use super::process_usage::ProcessUsage;
use super::progress::Progress;
use super::publisher::{Plan, Publisher};
use super::session::Sessions;
use super::summary::Measured;
use super::viewer::Viewer;
use super::worker::Worker;

/// How long the publisher may take until its first packet leaves, and the last viewers until theirs comes.
const PATIENCE: Duration = Duration::from_secs(12);

/// How often the fleet is looked at while one waits.
const LOOK: Duration = Duration::from_millis(250);

/// A server needs a moment to know what is published; after all play, it may still raise what it sends.
const SETTLING: Duration = Duration::from_secs(1);

/// Enough for a server to know what is published, before the publisher falls silent.
const PICTURES_OF_IDLE: u64 = 15;

/// Requests that end sessions at one time.
const ENDING: usize = 16;

/// Where one publisher sends, and where its viewers play.
pub(crate) struct Room {
    pub(crate) publish_at: Endpoint,
    pub(crate) play_at: Endpoint,
}

/// What is to be measured.
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) rooms: Vec<Room>,
    pub(crate) load: Load,
    /// Processes of the server, to tell what it costs.
    pub(crate) server_pids: Vec<u32>,
}

/// Performs a scenario.
///
/// # Errors
/// Where nothing could be published, or a process of the server is not there.
pub(crate) async fn perform(scenario: Scenario) -> anyhow::Result<Measured> {
    let identity = Arc::new(Identity::new()?);
    allow_sockets();
    let mut fleet = Fleet::start(scenario.load.threads)?;
    let (mut ends, mut playing) = (Vec::new(), Vec::new());
    for (number, room) in scenario.rooms.iter().enumerate() {
        let publishing = Sessions::new(room.publish_at.clone(), Arc::clone(&identity)).await?;
        let location = fleet.publish(&scenario, number, &publishing).await?;
        ends.extend(location.map(|location| (publishing, location)));
        playing.push(Sessions::new(room.play_at.clone(), Arc::clone(&identity)).await?);
    }
    fleet.wait_for_publishers(scenario.rooms.len()).await?;
    tokio::time::sleep(SETTLING).await;
    let before = ProcessUsage::read(&scenario.server_pids)?;
    ends.extend(fleet.join(&scenario, &playing).await?);
    let measured = fleet.measure(&scenario, before).await;
    let ended = futures_util::stream::iter(ends)
        .map(|(sessions, location)| async move { sessions.end(location).await })
        .buffer_unordered(ENDING);
    let failed = ended.filter(|ended| std::future::ready(ended.is_err())).count().await;
    if failed > 0 {
        tracing::warn!(failed, "sessions could not be ended");
    }
    fleet.end();
    measured
}

struct Fleet {
    publisher: Worker,
    viewers: Vec<Worker>,
    /// Requests that were refused.
    refused: Figures,
}

impl Fleet {
    fn start(threads: u8) -> anyhow::Result<Self> {
        let viewers = (0..threads).map(|number| Worker::start(&format!("viewers {number}")));
        Ok(Self {
            publisher: Worker::start("publisher")?,
            viewers: viewers.collect::<anyhow::Result<_>>()?,
            refused: Figures::default(),
        })
    }

    async fn publish(
        &self,
        scenario: &Scenario,
        number: usize,
        sessions: &Sessions,
    ) -> anyhow::Result<Option<Url>> {
        let mut rng = StdRng::try_from_rng(&mut SysRng).context("draw numbers")?;
        let plan = Plan {
            bitrate: scenario.load.bitrate,
            picture: scenario.load.picture,
            voice: scenario.load.voice,
            spread: scenario.load.spread,
            pictures: scenario.load.idle.then_some(PICTURES_OF_IDLE),
            audio_ssrc: rng.random_range(1..u32::MAX / 2),
            video_ssrc: rng.random_range(u32::MAX / 2..u32::MAX),
        };
        let purpose = Purpose::Publish { audio: plan.audio_ssrc, video: plan.video_ssrc };
        let role = |answer: &Answer, _: u32, now| Role::Publish(Publisher::new(plan, answer, now));
        let opened = sessions.open(number, purpose, role).await.context("publish")?;
        self.publisher.admit(opened.admission);
        Ok(opened.location)
    }

    async fn wait_for_publishers(&self, publishers: usize) -> anyhow::Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let figures = self.publisher.figures().context("the publishers' thread has ended")?;
            if let Some(failure) = figures.failures.first() {
                bail!("publish: {failure}");
            }
            if figures.publishing == publishers {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("not all of {publishers} publishers sent something within {PATIENCE:?}")
    }

    /// Lets viewers join one after another, room by room; gives what ends them.
    async fn join(
        &mut self,
        scenario: &Scenario,
        rooms: &[Sessions],
    ) -> anyhow::Result<Vec<(Sessions, Url)>> {
        let (began, open_every) = (Instant::now(), scenario.load.open_every);
        let (viewers, mut joining) = (scenario.load.all_viewers(), tokio::task::JoinSet::new());
        for (number, sessions) in (0..viewers).zip(rooms.iter().cycle()) {
            let at = began + scenario.load.ramp.mul_f64(number as f64 / viewers as f64);
            let sessions = sessions.clone();
            joining.spawn(async move {
                tokio::time::sleep_until(at.into()).await;
                let role =
                    |answer: &Answer, ssrc, now| Role::Play(Viewer::new(ssrc, answer, open_every, now));
                let opened = sessions.open(number, Purpose::Play, role).await?;
                anyhow::Ok((sessions, opened))
            });
        }
        let (mut locations, mut look) = (Vec::new(), tokio::time::interval(LOOK));
        let (mut until, mut progress) = (None, Progress::default());
        loop {
            tokio::select! {
                Some(joined) = joining.join_next() => match joined.context("a task panicked")? {
                    Ok((sessions, opened)) => {
                        locations.extend(opened.location.map(|location| (sessions, location)));
                        let worker = &self.viewers[opened.admission.number % self.viewers.len()];
                        worker.admit(opened.admission);
                    }
                    Err(error) => self.refused.fail(format!("{error:#}")),
                },
                _ = look.tick() => {
                    let figures = self.figures()?;
                    let there = if scenario.load.idle { figures.connected } else { figures.playing() };
                    let what = if scenario.load.idle { "are connected" } else { "play" };
                    progress.show(&format!("{there} of {viewers} viewers {what}"));
                    let is_over = there + figures.failed as usize >= viewers;
                    if joining.is_empty() {
                        let until = *until.get_or_insert_with(|| Instant::now() + PATIENCE);
                        if is_over || Instant::now() >= until {
                            return Ok(locations);
                        }
                    }
                }
            }
        }
    }

    async fn measure(&self, scenario: &Scenario, before: ProcessUsage) -> anyhow::Result<Measured> {
        tokio::time::sleep(SETTLING).await;
        let own = [std::process::id()];
        let (began, first) = (Instant::now(), self.figures()?);
        let (server_first, own_first) =
            (ProcessUsage::read(&scenario.server_pids)?, ProcessUsage::read(&own)?);
        let mut progress = Progress::default();
        while let Some(left) = scenario.load.time.checked_sub(began.elapsed()) {
            progress.show(&format!("{} s left", left.as_secs()));
            tokio::time::sleep(left.min(Duration::from_secs(1))).await;
        }
        let (took, last) = (began.elapsed(), self.figures()?);
        let (server_last, own_last) = (ProcessUsage::read(&scenario.server_pids)?, ProcessUsage::read(&own)?);
        progress.clear();
        let used = ProcessUsage { cpu: server_last.cpu.saturating_sub(server_first.cpu), ..server_last };
        let grown = server_last.resident_kib.saturating_sub(before.resident_kib);
        Ok(Measured {
            name: scenario.name.clone(),
            viewers: scenario.load.all_viewers(),
            viewers_per_room: scenario.load.viewers,
            is_idle: scenario.load.idle,
            window: last.since(&first),
            took,
            server: (!scenario.server_pids.is_empty()).then_some((used, grown)),
            own_cpu: own_last.cpu.saturating_sub(own_first.cpu),
        })
    }

    fn figures(&self) -> anyhow::Result<Figures> {
        let mut sum = self.refused.clone();
        for worker in self.viewers.iter().chain([&self.publisher]) {
            sum.merge(worker.figures().context("a thread of the fleet has ended")?);
        }
        Ok(sum)
    }

    fn end(self) {
        self.viewers.into_iter().chain([self.publisher]).for_each(Worker::end);
    }
}

/// As many sockets as the system lets a process have; what that refuses shows where a session cannot be opened.
fn allow_sockets() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
