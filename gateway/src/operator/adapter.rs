//! The shell of the [`Watchlist`]: one task that feeds it paths, answers, events and the time, asks the operator
//! what it wants to know, and tells the rooms what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use protocol::media_message::{MediaAction, MediaCommand};
use sfu::sfu::Path;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use super::camara::{CamaraClient, Sink};
use super::config::OperatorConfig;
use super::events_route::EventsEnd;
use super::watchlist::{Answer, DeviceKey, Output, Question, Watchlist};
use super::{ClientError, SinkCredential};
use crate::metrics::Metrics;

/// Ending subscriptions must not hold up the end of the process; they end by themselves within an hour.
const FAREWELL: Duration = Duration::from_secs(1);

/// Subscriptions that are ended at once at the end.
const AT_ONCE: usize = 16;

/// What an adapter is made of.
pub(crate) struct AdapterSetup {
    pub(crate) config: OperatorConfig,
    /// Where the operator reaches this gateway, if it shall.
    pub(crate) public_url: Option<String>,
    pub(crate) credential: SinkCredential,
    /// Where media comes from.
    pub(crate) paths: mpsc::Receiver<Path>,
    pub(crate) events: EventsEnd,
    /// To the media plane.
    pub(crate) commands: mpsc::Sender<MediaCommand>,
    pub(crate) metrics: Arc<Metrics>,
}

/// Asks the operator of the mobile network.
pub(crate) struct Adapter {
    watchlist: Watchlist,
    client: Arc<CamaraClient>,
    paths: mpsc::Receiver<Path>,
    events: EventsEnd,
    commands: mpsc::Sender<MediaCommand>,
    metrics: Arc<Metrics>,
    asked: JoinSet<(DeviceKey, Question, Answer)>,
}

/// An adapter at work.
#[derive(Debug)]
pub(crate) struct OperatorHandle {
    stop: oneshot::Sender<()>,
    work: JoinHandle<()>,
}

impl OperatorHandle {
    /// Ends it, and its subscriptions as far as there is time.
    pub(crate) async fn shut_down(self) {
        let _ = self.stop.send(());
        let _ = self.work.await;
    }
}

impl Adapter {
    pub(crate) fn new(setup: AdapterSetup) -> Result<Self, ClientError> {
        let AdapterSetup { config, public_url, credential, paths, events, commands, metrics } = setup;
        let root = public_url.filter(|_| config.events);
        let sink = root
            .map(|root| Sink { url: format!("{}/operator/events", root.trim_end_matches('/')), credential });
        let client = CamaraClient::new(config.clone(), sink, Arc::clone(&metrics))?;
        Ok(Self {
            watchlist: Watchlist::new(config),
            client: Arc::new(client),
            paths,
            events,
            commands,
            metrics,
            asked: JoinSet::new(),
        })
    }

    /// Sets it to work.
    pub(crate) fn start(self) -> OperatorHandle {
        let (stop, stopped) = oneshot::channel();
        OperatorHandle { stop, work: tokio::spawn(self.run(stopped)) }
    }

    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        loop {
            let deadline = self.watchlist.poll_timeout();
            tokio::select! {
                _ = &mut stopped => break,
                path = self.paths.recv() => match path {
                    Some(path) => self.watchlist.handle_path(Instant::now(), path),
                    None => break,
                },
                Some((event, reply)) = self.events.events.recv() => {
                    // Whoever sent it may be gone.
                    let _ = reply.send(self.watchlist.handle_event(Instant::now(), &event));
                }
                Some(answered) = self.asked.join_next(), if !self.asked.is_empty() => {
                    if let Ok((key, question, answer)) = answered {
                        self.watchlist.handle_answer(Instant::now(), key, &question, answer);
                    }
                }
                () = sleep_until(deadline), if deadline.is_some() => {
                    self.watchlist.handle_timeout(Instant::now());
                }
            }
            self.carry_out();
            self.metrics.show_operator(self.watchlist.devices(), self.watchlist.is_spared());
        }
        self.say_farewell().await;
    }

    fn carry_out(&mut self) {
        while let Some(output) = self.watchlist.poll_output() {
            match output {
                Output::Ask { key, question } => {
                    let client = Arc::clone(&self.client);
                    self.asked.spawn(async move {
                        let answer = client.ask(&question).await;
                        (key, question, answer)
                    });
                }
                Output::Tell { room, participant, class } => {
                    tracing::debug!(%room, %participant, %class, "the operator tells a network");
                    let action = MediaAction::Operator { class };
                    // A full queue means a media plane that hangs; the word is said again within a minute.
                    let _ = self.commands.try_send(MediaCommand { room, participant, action });
                }
            }
        }
    }

    async fn say_farewell(&mut self) {
        self.asked.shutdown().await;
        let subscriptions = self.watchlist.subscriptions();
        let endings = async {
            for some in subscriptions.chunks(AT_ONCE) {
                let mut endings = JoinSet::new();
                for subscription in some.iter().cloned() {
                    let client = Arc::clone(&self.client);
                    endings.spawn(async move { client.ask(&Question::Unsubscribe { subscription }).await });
                }
                endings.join_all().await;
            }
        };
        if timeout(FAREWELL, endings).await.is_err() {
            tracing::warn!("subscriptions at the operator were not ended in time");
        }
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
