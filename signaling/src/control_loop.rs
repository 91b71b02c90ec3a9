//! The shell of the [`Registry`]: one task that owns it, feeds it inputs and the time, and carries out what
//! it says. It never waits for a client, the media plane or the store.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use protocol::attestation::AttestedClaim;
use protocol::client_message::ClientEnvelope;
use protocol::id::ConsultId;
use protocol::media_message::{MediaAction, MediaCommand, MediaEvent};
use protocol::server_message::ServerMessage;
use protocol::track::Track;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use crate::close_reason::CloseReason;
use crate::limits::{CENSUS_INTERVAL, MAX_MEDIA_BACKLOG};
use crate::message_type::server_message_type;
use crate::outbox::{Outbox, Refused};
use crate::registry::{Explanation, Greeting, Output, QueryId, Registry, SessionStep, Unexplained};
use crate::sample::{Limit, Sample};
use crate::sample_sink::SampleSink;
use crate::session::ConnectionId;
use crate::start::Census;
use crate::unix_time::UnixTime;

/// What sockets and the API tell the loop.
#[derive(Debug)]
pub(crate) enum LoopInput {
    Connected {
        connection: ConnectionId,
        outbox: Outbox,
    },
    Hello {
        connection: ConnectionId,
        greeting: Greeting,
    },
    Message {
        connection: ConnectionId,
        envelope: ClientEnvelope,
    },
    Attested {
        connection: ConnectionId,
        request: u32,
        claim: AttestedClaim,
    },
    Disconnected {
        connection: ConnectionId,
    },
    ConsultEnded(ConsultId),
    /// What could be played.
    Tracks {
        consult: ConsultId,
        reply: oneshot::Sender<Vec<Track>>,
    },
    Explain {
        consult: ConsultId,
        reply: oneshot::Sender<Result<Explanation, Unexplained>>,
    },
    ShutDown,
}

/// Owns the registry, and everything that its outputs go to.
pub(crate) struct ControlLoop {
    registry: Registry,
    outbox_by_connection: HashMap<ConnectionId, Outbox>,
    reply_by_query: HashMap<QueryId, oneshot::Sender<Result<Explanation, Unexplained>>>,
    last_query: u64,
    commands: mpsc::Sender<MediaCommand>,
    /// Commands that the media plane had no place for yet, in order.
    backlog: VecDeque<MediaCommand>,
    records: mpsc::Sender<(SessionStep, UnixTime)>,
    samples: SampleSink,
    census: watch::Sender<Census>,
}

/// What woke the loop.
enum Wake {
    Input(Option<LoopInput>),
    Event(Option<MediaEvent>),
    MediaHasPlace,
    Deadline,
    Census,
}

impl ControlLoop {
    pub(crate) fn new(
        registry: Registry,
        commands: mpsc::Sender<MediaCommand>,
        records: mpsc::Sender<(SessionStep, UnixTime)>,
        samples: SampleSink,
        census: watch::Sender<Census>,
    ) -> Self {
        Self {
            registry,
            outbox_by_connection: HashMap::new(),
            reply_by_query: HashMap::new(),
            last_query: 0,
            commands,
            backlog: VecDeque::new(),
            records,
            samples,
            census,
        }
    }

    /// Runs until it is shut down, or nobody is left to feed it.
    pub(crate) async fn run(
        mut self,
        mut inputs: mpsc::Receiver<LoopInput>,
        mut events: mpsc::Receiver<MediaEvent>,
    ) {
        let mut census_due = tokio::time::interval(CENSUS_INTERVAL);
        let mut media_is_there = true;
        loop {
            let deadline = self.registry.poll_timeout();
            let wake = tokio::select! {
                input = inputs.recv() => Wake::Input(input),
                event = events.recv(), if media_is_there => Wake::Event(event),
                _ = self.commands.reserve(), if !self.backlog.is_empty() && !self.commands.is_closed() => {
                    Wake::MediaHasPlace
                }
                () = sleep_until(deadline), if deadline.is_some() => Wake::Deadline,
                _ = census_due.tick() => Wake::Census,
            };
            let now = Instant::now();
            match wake {
                Wake::Input(Some(LoopInput::ShutDown)) => {
                    self.registry.handle_shutdown(now);
                    self.carry_out();
                    return;
                }
                Wake::Input(None) => return,
                Wake::Input(Some(input)) => self.take(now, input),
                Wake::Event(Some(event)) => self.registry.handle_media_event(now, event),
                Wake::Event(None) => {
                    media_is_there = false;
                    tracing::error!("the media plane is gone");
                }
                Wake::MediaHasPlace => self.send_backlog(),
                Wake::Deadline => {}
                Wake::Census => {
                    self.census.send_replace(self.registry.census());
                }
            }
            self.registry.handle_timeout(now);
            self.carry_out();
        }
    }

    fn take(&mut self, now: Instant, input: LoopInput) {
        match input {
            LoopInput::Connected { connection, outbox } => {
                self.outbox_by_connection.insert(connection, outbox);
                self.registry.handle_connect(now, connection);
            }
            LoopInput::Hello { connection, greeting } => {
                self.registry.handle_hello(now, connection, greeting);
            }
            LoopInput::Message { connection, envelope } => {
                self.registry.handle_message(now, connection, envelope);
            }
            LoopInput::Attested { connection, request, claim } => {
                self.registry.handle_attested(connection, request, claim);
            }
            LoopInput::Disconnected { connection } => {
                self.outbox_by_connection.remove(&connection);
                self.registry.handle_disconnect(now, connection);
            }
            LoopInput::Tracks { consult, reply } => {
                // Whoever asked may have gone.
                let _ = reply.send(self.registry.tracks(consult));
            }
            LoopInput::Explain { consult, reply } => {
                self.last_query += 1;
                let query = QueryId(self.last_query);
                self.reply_by_query.insert(query, reply);
                self.registry.handle_query(now, query, consult);
            }
            LoopInput::ConsultEnded(consult) => self.registry.handle_consult_end(now, consult),
            // The loop ends before it comes here.
            LoopInput::ShutDown => {}
        }
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.registry.poll_output() {
            match output {
                Output::Send { connection, message } => self.send(connection, message),
                Output::Media(command) => self.command(command),
                Output::Close { connection, reason } => {
                    if let Some(outbox) = self.outbox_by_connection.remove(&connection) {
                        outbox.close(reason);
                    }
                }
                Output::Explained { query, outcome } => {
                    if let Some(reply) = self.reply_by_query.remove(&query) {
                        // Whoever asked may have gone.
                        let _ = reply.send(outcome);
                    }
                }
                Output::Record(step) => self.record(step),
                Output::Count(sample) => self.samples.count(sample),
            }
        }
    }

    /// A reader that is too slow loses its connection, and may resume its session. One that is gone has lost
    /// it already, and is about to say so.
    fn send(&mut self, connection: ConnectionId, message: ServerMessage) {
        let Some(outbox) = self.outbox_by_connection.get(&connection) else { return };
        if outbox.is_socket() {
            self.samples.count(Sample::MessageOut(server_message_type(&message)));
        }
        let Err(refused) = outbox.push(message) else { return };
        if refused == Refused::Full {
            self.samples.count(Sample::LimitHit(Limit::Outbox));
        }
        if let Some(outbox) = self.outbox_by_connection.remove(&connection) {
            outbox.close(CloseReason::TooSlow);
            self.registry.handle_disconnect(Instant::now(), connection);
        }
    }

    fn command(&mut self, command: MediaCommand) {
        self.backlog.push_back(command);
        self.send_backlog();
        if self.backlog.len() > MAX_MEDIA_BACKLOG {
            // A leave is kept whatever happens, or the participant would stay; there is one per join.
            self.samples.count(Sample::LimitHit(Limit::MediaBacklog));
            if let Some(MediaCommand { action, .. }) = self.backlog.back()
                && *action != MediaAction::Leave
            {
                self.backlog.pop_back();
            }
        }
    }

    fn send_backlog(&mut self) {
        while let Some(command) = self.backlog.pop_front() {
            match self.commands.try_send(command) {
                Ok(()) => {}
                Err(TrySendError::Full(command)) => {
                    self.backlog.push_front(command);
                    return;
                }
                Err(TrySendError::Closed(_)) => self.backlog.clear(),
            }
        }
    }

    fn record(&mut self, step: SessionStep) {
        if self.records.try_send((step, UnixTime::now())).is_err() {
            self.samples.count(Sample::LimitHit(Limit::StoreBacklog));
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use protocol::quality::HdMode;
    use protocol::server_message::{Response, ResponseEnvelope};
    use protocol::video_codec::CodecPreference;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::limits::MAX_OUTBOX_MESSAGES;
    use crate::outbox::socket_outbox;
    use crate::registry::Places;

    const CLIENT: ConnectionId = ConnectionId(1);

    fn control_loop() -> (ControlLoop, mpsc::Receiver<Sample>) {
        let places = Places { people: 2, viewers: 2 };
        let registry =
            Registry::new(HdMode::Equivalent, CodecPreference::default(), places, StdRng::seed_from_u64(1));
        let (samples, counted) = mpsc::channel(2 * MAX_OUTBOX_MESSAGES);
        let (commands, records) = (mpsc::channel(1).0, mpsc::channel(1).0);
        let census = watch::channel(Census::default()).0;
        (ControlLoop::new(registry, commands, records, SampleSink::new(samples), census), counted)
    }

    #[tokio::test]
    async fn only_a_reader_that_is_there_can_be_too_slow() {
        for (is_gone, expected) in [(false, Some(Sample::LimitHit(Limit::Outbox))), (true, None)] {
            let (mut control_loop, mut counted) = control_loop();
            let (outbox, reader) = socket_outbox();
            control_loop.take(Instant::now(), LoopInput::Connected { connection: CLIENT, outbox });
            let reader = (!is_gone).then_some(reader);
            let pong = ServerMessage::Response(ResponseEnvelope { id: 1, response: Response::Pong });
            for _ in 0..=MAX_OUTBOX_MESSAGES {
                control_loop.send(CLIENT, pong.clone());
            }
            assert!(control_loop.outbox_by_connection.is_empty(), "the connection ends, gone: {is_gone}");
            let limits = std::iter::from_fn(|| counted.try_recv().ok());
            let mut limits = limits.filter(|sample| matches!(sample, Sample::LimitHit(_)));
            assert_eq!(limits.next(), expected, "gone: {is_gone}");
            drop(reader);
        }
    }
}
