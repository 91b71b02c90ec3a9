//! A thread with many sessions on one epoll: it owns their sockets and reads the clock.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use mio::{Events, Interest, Poll, Token, Waker};

use super::clock::Moment;
use super::connection::{Connection, Role};
use super::figures::Figures;
use super::receive_batch::{BATCH, ReceiveBatch};

/// Sockets that one look at the kernel tells of.
const EVENTS: usize = 1_024;

const WAKER: Token = Token(usize::MAX);

/// Batches of one socket before others have their turn.
const MAX_BATCHES: usize = 64;

/// A session that a worker is to keep.
pub(crate) struct Admission {
    /// Its number among viewers.
    pub(crate) number: usize,
    /// Connected to the server.
    pub(crate) socket: UdpSocket,
    pub(crate) connection: Connection,
    /// When its request left.
    pub(crate) asked: Instant,
}

enum Command {
    Admit(Box<Admission>),
    Report(Sender<Figures>),
    End,
}

/// The other end of a worker: says what it is to do.
pub(crate) struct Worker {
    commands: Sender<Command>,
    waker: Arc<Waker>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the kernel has no epoll or no thread left.
    pub(crate) fn start(name: &str) -> anyhow::Result<Self> {
        let poll = Poll::new().context("make an epoll")?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER).context("make a waker")?);
        let (commands, inbox) = channel();
        let run = move || Turning::new(poll, inbox).run();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(run)?;
        Ok(Self { commands, waker, thread })
    }

    /// Hands a session over.
    pub(crate) fn admit(&self, admission: Admission) {
        self.tell(Command::Admit(Box::new(admission)));
    }

    /// What has been counted; `None` where the thread has ended.
    pub(crate) fn figures(&self) -> Option<Figures> {
        let (answer, figures) = channel();
        self.tell(Command::Report(answer));
        figures.recv().ok()
    }

    /// Ends the thread.
    pub(crate) fn end(self) {
        self.tell(Command::End);
        let _ = self.thread.join();
    }

    /// A thread that has ended is told nothing: its silence shows when it is asked for figures.
    fn tell(&self, command: Command) {
        let _ = self.commands.send(command);
        let _ = self.waker.wake();
    }
}

struct Session {
    number: usize,
    socket: mio::net::UdpSocket,
    connection: Connection,
    asked: Instant,
    is_playing: bool,
    /// The one entry among what is due that counts.
    due: Instant,
}

struct Turning {
    poll: Poll,
    inbox: Receiver<Command>,
    sessions: Vec<Option<Session>>,
    due: BinaryHeap<Reverse<(Instant, usize)>>,
    batch: ReceiveBatch,
    out: Vec<Bytes>,
    figures: Figures,
}

impl Turning {
    fn new(poll: Poll, inbox: Receiver<Command>) -> Self {
        Self {
            poll,
            inbox,
            sessions: Vec::new(),
            due: BinaryHeap::new(),
            batch: ReceiveBatch::new(),
            out: Vec::new(),
            figures: Figures::default(),
        }
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let wait = self.due.peek().map(|Reverse((due, _))| due.saturating_duration_since(Instant::now()));
            if let Err(error) = self.poll.poll(&mut events, wait)
                && error.kind() != io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "the epoll is broken");
                return;
            }
            for event in &events {
                match event.token() {
                    WAKER => {
                        if self.take_commands().is_break() {
                            return;
                        }
                    }
                    Token(index) => self.receive(index),
                }
            }
            self.keep_time();
        }
    }

    fn take_commands(&mut self) -> std::ops::ControlFlow<()> {
        while let Ok(command) = self.inbox.try_recv() {
            match command {
                Command::Admit(admission) => {
                    if let Err(error) = self.admit(*admission) {
                        self.figures.fail(format!("a socket: {error}"));
                    }
                }
                Command::Report(answer) => {
                    let _ = answer.send(self.report());
                }
                Command::End => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn admit(&mut self, admission: Admission) -> io::Result<()> {
        let Admission { number, socket, connection, asked } = admission;
        socket.set_nonblocking(true)?;
        let mut socket = mio::net::UdpSocket::from_std(socket);
        let index = self.sessions.len();
        self.poll.registry().register(&mut socket, Token(index), Interest::READABLE)?;
        let due = connection.poll_timeout();
        self.due.push(Reverse((due, index)));
        self.sessions.push(Some(Session { number, socket, connection, asked, is_playing: false, due }));
        Ok(())
    }

    fn report(&self) -> Figures {
        let mut figures = self.figures.clone();
        for session in self.sessions.iter().flatten() {
            match session.connection.role() {
                Role::Publish(publisher) => {
                    figures.publishing += usize::from(publisher.published > 0);
                    figures.published += publisher.published;
                    figures.resent += publisher.resent;
                }
                Role::Play(viewer) => {
                    figures.connected += usize::from(session.connection.is_open());
                    figures.by_viewer.insert(session.number, viewer.counts());
                }
            }
        }
        figures
    }

    /// The socket has something: epoll tells it once, so all of it is taken.
    fn receive(&mut self, index: usize) {
        let Some(session) = self.sessions.get_mut(index).and_then(Option::as_mut) else { return };
        for _ in 0..MAX_BATCHES {
            let count = match self.batch.receive(&session.socket) {
                Ok(count) => count,
                // A port unreachable while the server begins or ends; checks tell whether that lasts.
                Err(_) => continue,
            };
            let now = Moment::now();
            for datagram in self.batch.datagrams() {
                let latency = &mut self.figures.latency_us;
                if let Err(error) = session.connection.handle_datagram(now, datagram, latency, &mut self.out)
                {
                    self.figures.fail(error_text(&error));
                    self.sessions[index] = None;
                    self.out.clear();
                    return;
                }
            }
            session.send(&mut self.out, &mut self.figures);
            if count < BATCH {
                break;
            }
        }
        session.note_playing(&mut self.figures);
        let due = session.connection.poll_timeout();
        if due < session.due {
            session.due = due;
            self.due.push(Reverse((due, index)));
        }
    }

    fn keep_time(&mut self) {
        let mut now = Moment::now();
        while let Some(&Reverse((due, index))) = self.due.peek()
            && due <= now.instant
        {
            self.due.pop();
            let Some(session) = self.sessions.get_mut(index).and_then(Option::as_mut) else { continue };
            if due != session.due {
                continue;
            }
            if let Err(error) = session.connection.handle_timeout(now, &mut self.out) {
                self.figures.fail(error_text(&error));
                self.sessions[index] = None;
                self.out.clear();
                continue;
            }
            session.send(&mut self.out, &mut self.figures);
            while let Some(packet) = session.connection.next_packet(Moment::now()) {
                self.out.push(packet);
                session.send(&mut self.out, &mut self.figures);
            }
            // What is always due would keep the others waiting for ever.
            session.due = session.connection.poll_timeout().max(now.instant + Duration::from_micros(1));
            self.due.push(Reverse((session.due, index)));
            now = Moment::now();
        }
    }
}

impl Session {
    fn send(&self, out: &mut Vec<Bytes>, figures: &mut Figures) {
        for datagram in out.drain(..) {
            figures.unsent += u64::from(self.socket.send(&datagram).is_err());
        }
    }

    fn note_playing(&mut self, figures: &mut Figures) {
        if !self.is_playing
            && let Role::Play(viewer) = self.connection.role()
            && let Some(first) = viewer.first_packet
        {
            self.is_playing = true;
            let setup = first.saturating_duration_since(self.asked);
            figures.setup_us.record(u64::try_from(setup.as_micros()).unwrap_or(u64::MAX));
        }
    }
}

/// An error with what caused it.
fn error_text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
