//! All media workers of the process, and the way of a command to the worker that its room lives on.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;

use mio::Waker;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use protocol::media_message::{MediaAction, MediaCommand, MediaEvent};
use sfu::config::{SfuConfig, SiteProfile};
use sfu::relay::WorkerId;
use sfu::sfu::Path;
use tokio::sync::mpsc;

use crate::config::Config;
use crate::event_outbox::EventOutbox;
use crate::interface_addresses::interface_addresses;
use crate::kernel_drops::WatchedSockets;
use crate::media_worker::{Dispatch, MediaWorker, WorkerError, WorkerSetup, WorkerSockets};
use crate::metrics::Metrics;
use crate::relay_queue::relay_queues;
use crate::room_placement::{RoomPlacement, Route};

/// Commands that wait for one worker. A worker takes dozens per turn; more than this means that it hangs,
/// and then the control plane's own backlog fills and refuses.
const COMMAND_QUEUE: usize = 1_024;

/// The media workers.
#[derive(Debug)]
pub(crate) struct MediaPlane {
    workers: Vec<Worker>,
    placement: RoomPlacement,
    metrics: Arc<Metrics>,
    watched: WatchedSockets,
    candidates: Vec<SocketAddr>,
}

/// One worker as others see it.
#[derive(Debug)]
struct Worker {
    commands: mpsc::Sender<Dispatch>,
    waker: Arc<Waker>,
    thread: JoinHandle<()>,
}

/// A worker that does not run yet, as others see it.
struct MadeWorker {
    commands: mpsc::Sender<Dispatch>,
    waker: Arc<Waker>,
}

/// Tells of the end of a thread, be it a return or a panic.
struct ExitNotice {
    worker: WorkerId,
    exits: mpsc::Sender<WorkerId>,
}

impl Drop for ExitNotice {
    fn drop(&mut self) {
        // The channel holds one notice per worker; nobody listens once the process stops.
        let _ = self.exits.try_send(self.worker);
    }
}

impl MediaPlane {
    /// Binds the ports and starts the threads. `exits` hears of every thread that ends.
    pub(crate) fn start(
        config: &Config,
        metrics: &Arc<Metrics>,
        (events, paths): (&mpsc::Sender<MediaEvent>, Option<&mpsc::Sender<Path>>),
        exits: &mpsc::Sender<WorkerId>,
    ) -> Result<Self, WorkerError> {
        let count = config.media.worker_count();
        let mut plane = Self {
            workers: Vec::with_capacity(count),
            placement: RoomPlacement::new(count),
            metrics: Arc::clone(metrics),
            watched: WatchedSockets::default(),
            candidates: Vec::new(),
        };
        let mut workers = Vec::new();
        for index in 0..count {
            workers.push(plane.make_worker(config, index, (events.clone(), paths.cloned()))?);
        }
        let wakers: Vec<Arc<Waker>> = workers.iter().map(|(_, made)| Arc::clone(&made.waker)).collect();
        for (index, ((mut worker, made), relays)) in
            workers.into_iter().zip(relay_queues(&wakers)).enumerate()
        {
            worker.share_rooms(relays);
            plane.workers.push(made.start(WorkerId(index), count > 1, worker, exits.clone())?);
        }
        Ok(plane)
    }

    fn make_worker(
        &mut self,
        config: &Config,
        index: usize,
        (events, paths): (mpsc::Sender<MediaEvent>, Option<mpsc::Sender<Path>>),
    ) -> Result<(MediaWorker, MadeWorker), WorkerError> {
        let offset = u16::try_from(index).unwrap_or(u16::MAX);
        let port = if config.media.port == 0 { 0 } else { config.media.port.saturating_add(offset) };
        let sockets = WorkerSockets::bind(&config.media.bind, port)?;
        sockets.iter().for_each(|socket| self.watched.watch(socket));
        let sfu = sfu_config(config, &sockets)?;
        self.candidates.extend(&sfu.candidates);
        let (sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let (worker, waker) = MediaWorker::new(WorkerSetup {
            index,
            sockets,
            sfu,
            commands,
            events: EventOutbox::new(events),
            paths,
            metrics: Arc::clone(&self.metrics),
        })?;
        Ok((worker, MadeWorker { commands: sender, waker: Arc::new(waker) }))
    }

    /// The candidates of all workers.
    pub(crate) fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// The sockets of all workers.
    pub(crate) fn watched_sockets(&self) -> WatchedSockets {
        self.watched.clone()
    }

    /// Hands commands to their workers until there are no more, then ends the workers.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<MediaCommand>) {
        while let Some(command) = commands.recv().await {
            if let Some((worker, home)) = self.worker_for(&command) {
                worker.hand_over(Dispatch { command, home }).await;
            }
        }
        // Joining threads may take a turn of their loops: not on a thread of the runtime.
        let _ = tokio::task::spawn_blocking(move || self.workers.into_iter().for_each(Worker::end)).await;
    }

    /// The worker that a command is for, and the home of the room where that is another one.
    fn worker_for(&mut self, command: &MediaCommand) -> Option<(&Worker, Option<WorkerId>)> {
        let Route { worker, home } = match (self.placement.route(command), &command.action) {
            (Some(route), _) => route,
            // Any worker can tell that the participant is not there; silence would cost a timeout.
            (None, MediaAction::Negotiate { .. }) => Route { worker: WorkerId(0), home: WorkerId(0) },
            (None, MediaAction::Join { .. }) => {
                self.metrics.count_refused_command();
                return None;
            }
            (None, _) => return None,
        };
        Some((self.workers.get(worker.0)?, (worker != home).then_some(home)))
    }
}

impl MadeWorker {
    fn start(
        self,
        id: WorkerId,
        is_pinned: bool,
        worker: MediaWorker,
        exits: mpsc::Sender<WorkerId>,
    ) -> io::Result<Worker> {
        let thread = std::thread::Builder::new().name(format!("media-{}", id.0)).spawn(move || {
            let _notice = ExitNotice { worker: id, exits };
            if is_pinned {
                pin_to_core(id.0);
            }
            worker.run();
        })?;
        Ok(Worker { commands: self.commands, waker: self.waker, thread })
    }
}

impl Worker {
    async fn hand_over(&self, command: Dispatch) {
        // A worker that is gone ends the process; see the exit notice.
        if self.commands.send(command).await.is_ok()
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "a media worker cannot be woken");
        }
    }

    fn end(self) {
        drop(self.commands);
        if self.waker.wake().is_ok() && self.thread.join().is_err() {
            tracing::error!("a media worker had panicked");
        }
    }
}

fn sfu_config(config: &Config, sockets: &WorkerSockets) -> io::Result<SfuConfig> {
    let port = sockets.port()?;
    let bound: Vec<IpAddr> =
        sockets.iter().filter_map(|socket| socket.local_address().ok()).map(|it| it.ip()).collect();
    let advertised = match config.media.advertise.as_slice() {
        [] => interface_addresses().into_iter().filter(|address| receives(&bound, *address)).collect(),
        named => named.to_vec(),
    };
    let site_profiles = config
        .policy
        .site_profiles
        .iter()
        .map(|it| SiteProfile { range: it.range, class: it.class })
        .collect();
    Ok(SfuConfig {
        candidates: advertised.into_iter().map(|address| SocketAddr::new(address, port)).collect(),
        hd_mode: config.policy.hd_mode,
        adaptation: config.policy.adaptation,
        video_codecs: config.policy.video_codecs.clone(),
        site_profiles,
        accept_unattested_5g: config.policy.accept_unattested_5g,
    })
}

/// Whether one of the bound addresses takes in what is sent to this one.
fn receives(bound: &[IpAddr], address: IpAddr) -> bool {
    bound.iter().any(|it| *it == address || (it.is_unspecified() && it.is_ipv4() == address.is_ipv4()))
}

/// Keeps the calling thread on one of the cores that the process may use. Best effort: where the system
/// refuses, the scheduler decides.
fn pin_to_core(index: usize) {
    let this_thread = Pid::from_raw(0);
    let Ok(allowed) = sched_getaffinity(this_thread) else { return };
    let cores: Vec<usize> = (0..CpuSet::count()).filter(|core| allowed.is_set(*core) == Ok(true)).collect();
    let Some(core) = cores.get(index % cores.len().max(1)) else { return };
    let mut chosen = CpuSet::new();
    if chosen.set(*core).is_ok() && sched_setaffinity(this_thread, &chosen).is_ok() {
        tracing::debug!(worker = index, core, "media worker pinned");
    }
}
