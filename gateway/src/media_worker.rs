//! A media worker: one thread with its own port, its own rooms and the only clock of its media plane.
//! Every turn of its loop waits for datagrams, a command or the deadline, feeds the media plane,
//! and sends what that wants sent.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token, Waker};
use protocol::media_message::MediaCommand;
use rand::SeedableRng;
use rand::rngs::StdRng;
use sfu::burst::BurstSlab;
use sfu::config::SfuConfig;
use sfu::relay::WorkerId;
use sfu::sfu::{Fill, Output, Path, SetupError, Sfu};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::departures::Departures;
use crate::event_outbox::EventOutbox;
use crate::metrics::Metrics;
use crate::relay_queue::{RelayInbox, RelayOutbox, Relayed};
use crate::udp_socket::{Backlog, ReceiveBatch, UdpSocket};
use crate::worker_pulse::WorkerPulse;

/// Commands of one turn; more wait for the next, so that a flood of joins cannot starve media.
const COMMANDS_PER_TURN: usize = 64;

/// Full batches of one socket and turn, before what came in is sent on.
const BATCHES_PER_TURN: usize = 4;

/// Messages of other workers in one turn. More wait in the queue, and a waker that was used again.
const RELAYS_PER_TURN: usize = 512;

/// How long to wait before others are offered again what they had no room for.
const OUTBOX_RETRY: Duration = Duration::from_millis(10);

/// Tries to find a port that is free for both families, where the system chooses it.
const PORT_ATTEMPTS: usize = 16;

const WAKER: Token = Token(usize::MAX);

/// A media worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// None of the addresses can be bound.
    #[error("UDP port {port} cannot be bound")]
    Bind {
        /// The port.
        port: u16,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system refuses a poll or a thread.
    #[error("a media worker cannot be set up")]
    System(#[from] io::Error),
    /// The media plane refuses.
    #[error(transparent)]
    Sfu(#[from] SetupError),
}

/// A command on its way to a worker.
#[derive(Debug)]
pub(crate) struct Dispatch {
    pub(crate) command: MediaCommand,
    /// Where its room lives, if that is another worker.
    pub(crate) home: Option<WorkerId>,
}

/// The sockets of a worker: one per address family, on the same port.
#[derive(Debug)]
pub(crate) struct WorkerSockets {
    sockets: Vec<Watched>,
}

#[derive(Debug)]
struct Watched {
    socket: UdpSocket,
    is_readable: bool,
}

impl WorkerSockets {
    /// Binds the port on each address; zero takes any port that is free on all. An address family that
    /// the machine lacks is left out.
    pub(crate) fn bind(addresses: &[IpAddr], port: u16) -> Result<Self, WorkerError> {
        let mut result = Err(io::Error::from(io::ErrorKind::AddrNotAvailable));
        for _ in 0..if port == 0 { PORT_ATTEMPTS } else { 1 } {
            result = bind_all(addresses, port);
            if result.is_ok() {
                break;
            }
        }
        result.map(|sockets| Self { sockets }).map_err(|source| WorkerError::Bind { port, source })
    }

    /// The port that all are bound to.
    pub(crate) fn port(&self) -> io::Result<u16> {
        let first = self.sockets.first().ok_or(io::ErrorKind::NotFound)?;
        Ok(first.socket.local_address()?.port())
    }

    /// The sockets themselves.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &UdpSocket> {
        self.sockets.iter().map(|watched| &watched.socket)
    }
}

fn bind_all(addresses: &[IpAddr], mut port: u16) -> io::Result<Vec<Watched>> {
    let mut sockets = Vec::new();
    let mut refusal = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match UdpSocket::bind(SocketAddr::new(*address, port)) {
            Ok(socket) => {
                port = socket.local_address()?.port();
                sockets.push(Watched { socket, is_readable: true });
            }
            Err(error) if is_family_missing(&error) => {
                tracing::info!(family = if address.is_ipv4() { 4 } else { 6 }, "no such address family here");
                refusal = error;
            }
            Err(error) => return Err(error),
        }
    }
    if sockets.is_empty() { Err(refusal) } else { Ok(sockets) }
}

fn is_family_missing(error: &io::Error) -> bool {
    use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT};
    matches!(error.raw_os_error(), Some(EAFNOSUPPORT | EADDRNOTAVAIL))
}

/// What a worker is made of.
#[derive(Debug)]
pub(crate) struct WorkerSetup {
    /// Its place among the workers.
    pub(crate) index: usize,
    /// Its bound sockets.
    pub(crate) sockets: WorkerSockets,
    /// The settings of its media plane.
    pub(crate) sfu: SfuConfig,
    /// What it is asked to do; its end stops the worker.
    pub(crate) commands: mpsc::Receiver<Dispatch>,
    /// What it reports.
    pub(crate) events: EventOutbox,
    /// Who wants to know where media comes from.
    pub(crate) paths: Option<mpsc::Sender<Path>>,
    /// Where it counts.
    pub(crate) metrics: Arc<Metrics>,
}

/// The loop of one media worker.
pub(crate) struct MediaWorker {
    poll: Poll,
    sockets: WorkerSockets,
    batch: ReceiveBatch,
    commands: mpsc::Receiver<Dispatch>,
    /// The ways from and to the other workers; none where this is the only one.
    relays: Option<(RelayInbox, RelayOutbox)>,
    may_have_commands: bool,
    sfu: Sfu,
    slab: BurstSlab,
    events: EventOutbox,
    paths: Option<mpsc::Sender<Path>>,
    metrics: Arc<Metrics>,
    pulse: WorkerPulse,
    deadline: Option<Instant>,
}

/// Whether the loop goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Continue,
    Stop,
}

impl MediaWorker {
    /// Makes a worker and the waker that its commands need.
    pub(crate) fn new(setup: WorkerSetup) -> Result<(Self, Waker), WorkerError> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let mut sockets = setup.sockets;
        for (place, watched) in sockets.sockets.iter_mut().enumerate() {
            poll.registry().register(watched.socket.source(), Token(place), Interest::READABLE)?;
        }
        let sfu = Sfu::new(setup.sfu, StdRng::from_rng(&mut rand::rng()))?;
        let worker = Self {
            poll,
            sockets,
            batch: ReceiveBatch::default(),
            commands: setup.commands,
            relays: None,
            may_have_commands: true,
            sfu,
            slab: BurstSlab::default(),
            events: setup.events,
            paths: setup.paths,
            pulse: WorkerPulse::new(setup.index, Instant::now()),
            metrics: setup.metrics,
            deadline: None,
        };
        Ok((worker, waker))
    }

    /// Lets rooms span this worker and others.
    pub(crate) fn share_rooms(&mut self, relays: (RelayInbox, RelayOutbox)) {
        self.relays = Some(relays);
    }

    /// Works until nobody can send commands any more.
    pub(crate) fn run(mut self) {
        let mut polled = Events::with_capacity(8);
        let mut departures = Departures::new();
        let mut now = Instant::now();
        loop {
            self.wait(now, &mut polled);
            now = Instant::now();
            if self.turn(now, &mut departures) == Flow::Stop {
                return;
            }
        }
    }

    fn wait(&mut self, now: Instant, polled: &mut Events) {
        let timeout = self.timeout(now);
        match self.poll.poll(polled, Some(timeout)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => tracing::error!(%error, "poll"),
        }
        for event in polled.iter() {
            match event.token() {
                // Commands, or news of another worker, which every turn looks for.
                WAKER => self.may_have_commands = true,
                Token(place) => {
                    if let Some(watched) = self.sockets.sockets.get_mut(place) {
                        watched.is_readable = true;
                    }
                }
            }
        }
    }

    fn timeout(&self, now: Instant) -> Duration {
        if self.may_have_commands || self.sockets.sockets.iter().any(|watched| watched.is_readable) {
            return Duration::ZERO;
        }
        let due = self.deadline.map_or(self.pulse.next_report(), |it| it.min(self.pulse.next_report()));
        let wait = due.saturating_duration_since(now);
        let is_all_told = self.relays.as_ref().is_none_or(|(_, outbox)| outbox.is_empty());
        if self.events.is_empty() && is_all_told { wait } else { wait.min(OUTBOX_RETRY) }
    }

    fn turn(&mut self, now: Instant, departures: &mut Departures) -> Flow {
        if let Some(deadline) = self.deadline {
            self.pulse.meet(now, deadline);
        }
        let flow = self.take_commands(now);
        self.take_relays(now);
        self.take_datagrams(now);
        if self.sfu.poll_timeout().is_some_and(|deadline| deadline <= now) {
            self.sfu.handle_timeout(now);
        }
        self.pass_on_outputs();
        self.pass_on_relays();
        self.send(now, departures);
        // Filling the slab may settle what then is worth telling.
        self.pass_on_outputs();
        self.pass_on_relays();
        if now >= self.pulse.next_report() {
            let sockets = self.sockets.iter().map(UdpSocket::counts);
            self.pulse.report(now, &self.metrics, &self.sfu, sockets, self.events.lost());
        }
        self.deadline = self.sfu.poll_timeout();
        flow
    }

    fn take_commands(&mut self, now: Instant) -> Flow {
        if !self.may_have_commands {
            return Flow::Continue;
        }
        for _ in 0..COMMANDS_PER_TURN {
            match self.commands.try_recv() {
                Ok(Dispatch { command, home }) => {
                    let _room = tracing::debug_span!("room", id = %command.room).entered();
                    let _participant =
                        tracing::debug_span!("participant", id = %command.participant).entered();
                    match home {
                        Some(home) => self.sfu.handle_command_of(now, home, command),
                        None => self.sfu.handle_command(now, command),
                    }
                }
                Err(TryRecvError::Empty) => {
                    self.may_have_commands = false;
                    return Flow::Continue;
                }
                Err(TryRecvError::Disconnected) => return Flow::Stop,
            }
        }
        Flow::Continue
    }

    fn take_relays(&mut self, now: Instant) {
        let Some((inbox, _)) = &self.relays else { return };
        for _ in 0..RELAYS_PER_TURN {
            let Some((from, message)) = inbox.poll() else { break };
            self.sfu.handle_relay(now, from, &message);
        }
    }

    /// Before this worker sends to its own: the others can seal meanwhile.
    fn pass_on_relays(&mut self) {
        let Some((_, outbox)) = &mut self.relays else { return };
        while let Some(relay) = self.sfu.poll_relay() {
            if outbox.push(relay) == Relayed::Lost {
                self.sfu.count_lost_relay();
            }
        }
        outbox.wake();
    }

    fn take_datagrams(&mut self, now: Instant) {
        for watched in &mut self.sockets.sockets {
            for _ in 0..BATCHES_PER_TURN {
                if !watched.is_readable {
                    break;
                }
                // An error other than "nothing there" belongs to one datagram; the next one wakes the poll.
                let backlog = watched.socket.receive(&mut self.batch).unwrap_or(Backlog::Empty);
                watched.is_readable = backlog == Backlog::Unknown;
                for (source, datagram) in self.batch.datagrams() {
                    self.sfu.handle_datagram(now, source, datagram);
                }
            }
        }
    }

    fn pass_on_outputs(&mut self) {
        self.events.flush();
        while let Some(output) = self.sfu.poll_output() {
            match output {
                Output::Event(event) => self.events.push(event),
                Output::Sample(sample) => self.metrics.media_sample(sample),
                Output::Path(path) => {
                    if self.paths.as_ref().is_some_and(|paths| paths.try_send(path).is_err()) {
                        self.metrics.count_lost_event();
                    }
                }
            }
        }
    }

    fn send(&mut self, now: Instant, departures: &mut Departures) {
        loop {
            let fill = self.sfu.fill(now, &mut self.slab);
            for Watched { socket, .. } in &mut self.sockets.sockets {
                let is_ipv4 = socket.is_ipv4();
                let reachable = self.slab.bursts().filter(|burst| burst.destination.is_ipv4() == is_ipv4);
                socket.send_all(now, reachable, departures);
            }
            self.slab.clear();
            match fill {
                Fill::More => {}
                Fill::Drained => return,
            }
        }
    }
}
