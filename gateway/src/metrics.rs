//! Every metric of the gateway, declared once: name with its unit, help, labels as closed sets.
//! `gateway/docs/metrics.md` is generated from here.

mod delay_collector;
mod family;
mod label;
mod reference;
mod sample_sink;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus::{Encoder, GaugeVec, Opts, Registry, TextEncoder};
use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::{HdMode, HdReason, RungReason};
use protocol::server_message::{EndReason, ErrorCode};
use protocol::track::{MediaKind, Role};
use protocol::video_codec::{CodecReason, VideoCodec};
use sfu::counters::{Census, Counters as SfuCounters, DropReason};
use sfu::sample::{SwitchCause, TransportFailure};
use signaling::sample::{AuthFailure, Limit, NegotiationOutcome, Route, StoreOperation};

use self::delay_collector::{DelayCollector, SharedDelayCollector};
use self::family::{Counters, Declarations, Gauges, Histograms};
use self::label::{
    Direction, JoinOutcome, MessageType, Method, OldClass, Outcome, ReportRefusal, RoomSize, Stage,
    StatusClass, Step,
};
pub(crate) use self::label::{Label, NodeState};
pub use self::reference::reference;
use crate::operator::{EventOutcome, OperatorRequest, RequestOutcome};
use crate::udp_socket::{SendFailure, SocketCounts};

/// Buckets of times that a person waits: from a fast page to giving up.
const WAITS: [f64; 11] = [0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0];
/// Buckets of times that a program waits.
const LATENCIES: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Buckets of round trips: the HD policy decides at 150 ms, conversation suffers beyond 400 ms.
const ROUND_TRIPS: [f64; 10] = [0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.25, 0.4, 0.8, 2.0];
/// Buckets of jitter: voice hides 30 ms well and 100 ms badly.
const JITTERS: [f64; 8] = [0.001, 0.003, 0.005, 0.01, 0.03, 0.05, 0.1, 0.3];
/// Buckets of opinions: 4.41 is perfect, 4.0 good, below 3.6 some complain and below 3.1 most do.
const OPINIONS: [f64; 9] = [1.5, 2.0, 2.6, 3.1, 3.6, 3.8, 4.0, 4.2, 4.35];
/// Buckets of loss: 2 % ends HD, 10 % is what audio redundancy still hides.
const LOSSES: [f64; 9] = [0.0, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];
/// Buckets of estimates: around the prices of the rungs.
const ESTIMATES: [f64; 10] = [64e3, 128e3, 256e3, 512e3, 768e3, 1.2e6, 2e6, 3.5e6, 6e6, 12e6];

/// Every metric of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    node_state: Gauges<NodeState>,
    rooms: Gauges<RoomSize>,
    participants: Gauges<Role>,
    network_classes: Gauges<NetworkClass>,
    joins: Counters<(JoinOutcome, NetworkClass)>,
    join_duration: Histograms<(Stage, NetworkClass)>,
    first_frame: Histograms<NetworkClass>,
    transport_failures: Counters<TransportFailure>,
    network_class_changes: Counters<(OldClass, NetworkClass)>,
    network_conflicts: Counters<()>,
    network_reports_refused: Counters<ReportRefusal>,
    unattested_5g_accepted: Gauges<()>,
    room_codec_changes: Counters<(VideoCodec, CodecReason)>,
    operator_requests: Counters<(OperatorRequest, RequestOutcome)>,
    operator_events: Counters<EventOutcome>,
    operator_devices: Gauges<()>,
    operator_spared: Gauges<()>,
    signal_connections: Gauges<()>,
    signal_sessions_dropped: Gauges<()>,
    signal_messages: Counters<(MessageType, Direction)>,
    signal_errors: Counters<ErrorCode>,
    negotiations: Counters<NegotiationOutcome>,
    negotiation_duration: Histograms<()>,
    reconnects: Counters<Outcome>,
    reconnect_duration: Histograms<()>,
    sessions_ended: Counters<EndReason>,
    limits_hit: Counters<Limit>,
    media_failures: Counters<()>,
    tracks: Gauges<(MediaKind, Direction)>,
    rtp_packets: Counters<(Direction, MediaKind)>,
    rtp_bytes: Counters<(Direction, MediaKind)>,
    retransmitted_bytes: Counters<Direction>,
    padding_bytes: Counters<()>,
    nacks: Counters<Direction>,
    key_frame_requests: Counters<Direction>,
    uplink_loss: Histograms<(MediaKind, NetworkClass)>,
    downlink_loss: Histograms<NetworkClass>,
    rtt: Histograms<NetworkClass>,
    jitter: Histograms<NetworkClass>,
    voice_mos: Histograms<NetworkClass>,
    voice_missed: Histograms<NetworkClass>,
    voice_recovered: Counters<()>,
    voice_redundant_bytes: Counters<()>,
    estimate: Histograms<NetworkClass>,
    allocated_rung: Gauges<Rung>,
    rung_reasons: Gauges<RungReason>,
    rung_switches: Counters<(SwitchCause, Step)>,
    hd_mode: Gauges<HdMode>,
    hd_permitted_pairs: Gauges<()>,
    hd_decisions: Counters<HdReason>,
    forward_latency: Arc<DelayCollector>,
    worker_busy: GaugeVec,
    worker_lag: GaugeVec,
    events_lost: Counters<()>,
    commands_refused: Counters<()>,
    datagrams_dropped: Counters<DropReason>,
    socket_send_failures: Counters<SendFailure>,
    socket_portless: Counters<()>,
    socket_receive_drops: Counters<()>,
    api_requests: Counters<(Route, Method, StatusClass)>,
    api_duration: Histograms<Route>,
    auth_failures: Counters<AuthFailure>,
    store_duration: Histograms<(StoreOperation, Outcome)>,
    /// The newest census of every worker: gauges show their sum.
    censuses: Mutex<Vec<Census>>,
}

/// What a worker tells once a second.
#[derive(Debug)]
pub(crate) struct WorkerReport<'a> {
    /// Which worker.
    pub(crate) worker: usize,
    /// What is there.
    pub(crate) census: Census,
    /// Media counts since the start, now and at the report before.
    pub(crate) counters: (&'a SfuCounters, &'a SfuCounters),
    /// Socket counts since the start, now and at the report before.
    pub(crate) sockets: (SocketCounts, SocketCounts),
    /// Events lost since the report before.
    pub(crate) events_lost: u64,
    /// Share of the time that the thread used its core.
    pub(crate) busy: f64,
    /// The latest that a deadline was met.
    pub(crate) lag: Duration,
}

impl Metrics {
    /// Declares every metric.
    ///
    /// # Errors
    ///
    /// Where Prometheus refuses a declaration, which a test rules out.
    pub fn new(workers: usize, hd_mode: HdMode) -> prometheus::Result<Arc<Self>> {
        let metrics = Arc::new(Self::declare(workers)?);
        metrics.hd_mode.set(hd_mode, 1);
        metrics.set_node_state(NodeState::Starting);
        Ok(metrics)
    }

    fn declare(workers: usize) -> prometheus::Result<Self> {
        let it = Declarations::default();
        declare_process(&it.registry)?;
        let forward_latency = Arc::new(DelayCollector::new(
            "tvg_forward_latency_seconds",
            "Time that a forwarded packet spent in the gateway, pacing included",
            workers,
        )?);
        it.registry.register(Box::new(SharedDelayCollector(Arc::clone(&forward_latency))))?;
        Ok(Self {
            node_state: it.gauges("tvg_node_state", "1 for the state that the node is in, 0 for the others")?,
            rooms: it.gauges("tvg_rooms", "Rooms on the media plane, by number of participants")?,
            participants: it.gauges("tvg_participants", "Participants on the media plane")?,
            network_classes: it.gauges("tvg_network_class_participants", "Participants by network class")?,
            joins: it.counters("tvg_joins_total", "Joins by outcome; ok once media can flow. The network class is unknown for joins that failed before it was known")?,
            join_duration: it.histograms("tvg_join_duration_seconds", "Time from the join to flowing media (total), or from the first offer to a stage of it", &WAITS)?,
            first_frame: it.histograms("tvg_first_frame_seconds", "Time from a subscription to the first forwarded key frame", &WAITS)?,
            transport_failures: it.counters("tvg_transport_failures_total", "Media transports that never worked, or ceased to")?,
            network_class_changes: it.counters("tvg_network_class_changes_total", "Changed verdicts on participants' networks")?,
            network_conflicts: it.counters("tvg_network_class_conflicts_total", "Times that trusted sources contradicted each other about a network for more than three seconds")?,
            network_reports_refused: it.counters("tvg_network_reports_refused_total", "Reports of networks that were not taken into account")?,
            unattested_5g_accepted: it.gauges("tvg_unattested_5g_accepted", "1 where a claim of 5G that nothing attests is taken for proof, as only demonstrations may")?,
            room_codec_changes: it.counters("tvg_room_codec_changes_total", "Changes of the codec that rooms send pictures in, by the new one and why it is that one")?,
            operator_requests: it.counters("tvg_operator_requests_total", "Requests to the mobile network operator by how they went")?,
            operator_events: it.counters("tvg_operator_events_total", "Events of the mobile network operator by what became of them")?,
            operator_devices: it.gauges("tvg_operator_devices", "Devices that the mobile network operator is asked about")?,
            operator_spared: it.gauges("tvg_operator_spared", "1 while the mobile network operator is not asked because it failed")?,
            signal_connections: it.gauges("tvg_signal_connections", "Open TCP connections of browsers and API callers")?,
            signal_sessions_dropped: it.gauges("tvg_signal_dropped_sessions", "Sessions whose connection dropped and that may come back")?,
            signal_messages: it.counters("tvg_signal_messages_total", "Messages on WebSockets, by their type")?,
            signal_errors: it.counters("tvg_signal_errors_total", "Requests of clients that were refused")?,
            negotiations: it.counters("tvg_negotiations_total", "Offers by what became of them")?,
            negotiation_duration: it.histograms("tvg_negotiation_duration_seconds", "Time from an offer to its answer", &LATENCIES)?,
            reconnects: it.counters("tvg_reconnects_total", "Attempts to resume a session")?,
            reconnect_duration: it.histograms("tvg_reconnect_duration_seconds", "Time that a resumed session was without a connection", &WAITS)?,
            sessions_ended: it.counters("tvg_sessions_ended_total", "Ended sessions by reason")?,
            limits_hit: it.counters("tvg_limits_hit_total", "Limits of the control plane that somebody ran into")?,
            media_failures: it.counters("tvg_media_failures_total", "Sessions that were told to negotiate their media anew")?,
            tracks: it.gauges("tvg_tracks", "Published tracks (in) and subscriptions (out)")?,
            rtp_packets: it.counters("tvg_rtp_packets_total", "RTP packets received and sent")?,
            rtp_bytes: it.counters("tvg_rtp_bytes_total", "Bytes of RTP packets received and sent")?,
            retransmitted_bytes: it.counters("tvg_rtp_retransmitted_bytes_total", "Bytes of retransmissions received and sent")?,
            padding_bytes: it.counters("tvg_rtp_padding_bytes_total", "Bytes of padding sent to probe links")?,
            nacks: it.counters("tvg_nacks_total", "Packets asked for again, by subscribers (in) and of publishers (out)")?,
            key_frame_requests: it.counters("tvg_key_frame_requests_total", "Key frames asked for, by subscribers (in) and of publishers (out)")?,
            uplink_loss: it.histograms("tvg_uplink_loss_ratio", "Share of packets lost on the way to the gateway, before repair", &LOSSES)?,
            downlink_loss: it.histograms("tvg_downlink_loss_ratio", "Share of packets lost on the way to a subscriber, before repair", &LOSSES)?,
            rtt: it.histograms("tvg_rtt_seconds", "Round trip to subscribers", &ROUND_TRIPS)?,
            jitter: it.histograms("tvg_jitter_seconds", "Interarrival jitter of publishers (RFC 3550)", &JITTERS)?,
            voice_mos: it.histograms("tvg_voice_mos", "How voices sound to subscribers, by the E-model (ITU-T G.107): mean opinion score of every five seconds", &OPINIONS)?,
            voice_missed: it.histograms("tvg_voice_missed_ratio", "Share of voice frames that a subscriber missed on its downlink, after redundancy", &LOSSES)?,
            voice_recovered: it.counters("tvg_voice_recovered_packets_total", "Voice packets that were lost on the way to the gateway and came within later ones")?,
            voice_redundant_bytes: it.counters("tvg_voice_redundant_bytes_total", "Bytes of earlier frames that voices carried again to subscribers")?,
            estimate: it.histograms("tvg_bwe_bits_per_second", "Estimated bandwidth toward subscribers", &ESTIMATES)?,
            allocated_rung: it.gauges("tvg_allocated_rung", "Video subscriptions by the rung that they get")?,
            rung_reasons: it.gauges("tvg_rung_reason", "Video subscriptions by what holds them at their rung")?,
            rung_switches: it.counters("tvg_rung_switches_total", "Subscriptions that moved to another rung, by cause")?,
            hd_mode: it.gauges("tvg_hd_mode", "1 for the HD mode in force, 0 for the other")?,
            hd_permitted_pairs: it.gauges("tvg_hd_permitted_pairs", "Video subscriptions with HD permission")?,
            hd_decisions: it.counters("tvg_hd_decisions_total", "HD decisions on pairs: granted, or the reason of the denial")?,
            forward_latency,
            worker_busy: worker_gauge(&it.registry, workers, "tvg_worker_busy_ratio", "Share of its core that a media worker used in the last second")?,
            worker_lag: worker_gauge(&it.registry, workers, "tvg_worker_lag_seconds", "The latest that a media worker met a deadline in the last second")?,
            events_lost: it.counters("tvg_media_events_lost_total", "Events of the media plane that the control plane was too slow for")?,
            commands_refused: it.counters("tvg_media_commands_refused_total", "Joins that no media worker had room for")?,
            datagrams_dropped: it.counters("tvg_datagrams_dropped_total", "Datagrams or packets in them that the media plane dropped")?,
            socket_send_failures: it.counters("tvg_udp_send_failures_total", "Datagrams that the kernel did not take")?,
            socket_portless: it.counters("tvg_udp_portless_datagrams_total", "Datagrams from port zero, which are dropped")?,
            socket_receive_drops: it.counters("tvg_udp_socket_drops_total", "Datagrams that the kernel dropped because a receive buffer was full")?,
            api_requests: it.counters("tvg_api_requests_total", "HTTP requests answered")?,
            api_duration: it.histograms("tvg_api_request_duration_seconds", "Time to answer an HTTP request", &LATENCIES)?,
            auth_failures: it.counters("tvg_auth_failures_total", "Proofs of identity that failed")?,
            store_duration: it.histograms("tvg_store_request_duration_seconds", "Time that the store took", &LATENCIES)?,
            censuses: Mutex::new(vec![Census::default(); workers]),
            registry: it.registry,
        })
    }

    /// Everything in the text format of Prometheus.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics cannot be encoded");
        }
        text
    }

    /// Shows the state of the process.
    pub(crate) fn set_node_state(&self, state: NodeState) {
        for other in NodeState::VALUES {
            self.node_state.set(*other, usize::from(*other == state));
        }
    }

    /// Counts a request to the operator.
    pub(crate) fn count_operator_request(&self, request: OperatorRequest, outcome: RequestOutcome) {
        self.operator_requests.count((request, outcome));
    }

    /// Counts an event of the operator.
    pub(crate) fn count_operator_event(&self, outcome: EventOutcome) {
        self.operator_events.count(outcome);
    }

    /// Shows what is asked of the operator.
    pub(crate) fn show_operator(&self, devices: usize, spared: bool) {
        self.operator_devices.set((), devices);
        self.operator_spared.set((), usize::from(spared));
    }

    /// Shows that claims of 5G are believed.
    pub(crate) fn show_unattested_5g(&self, accepted: bool) {
        self.unattested_5g_accepted.set((), usize::from(accepted));
    }

    /// Counts an event of the media plane that nobody took.
    pub(crate) fn count_lost_event(&self) {
        self.events_lost.count(());
    }

    /// Counts a command that had no worker.
    pub(crate) fn count_refused_command(&self) {
        self.commands_refused.count(());
    }

    /// Counts datagrams that the kernel dropped.
    pub(crate) fn count_receive_drops(&self, drops: u64) {
        self.socket_receive_drops.add((), drops);
    }

    /// Shows what the control plane has at this moment.
    pub(crate) fn signaling_census(&self, census: &signaling::Census) {
        self.signal_connections.set((), census.connections);
        self.signal_sessions_dropped.set((), census.dropped_sessions);
    }

    /// Takes what a worker tells once a second.
    pub(crate) fn worker_report(&self, report: WorkerReport<'_>) {
        let worker = report.worker.to_string();
        self.worker_busy.with_label_values(&[&worker]).set(report.busy);
        self.worker_lag.with_label_values(&[&worker]).set(report.lag.as_secs_f64());
        self.events_lost.add((), report.events_lost);
        self.forward_latency.set(report.worker, report.counters.0.forward_delay);
        self.count_media(report.counters.0, report.counters.1);
        self.count_sockets(report.sockets.0, report.sockets.1);
        self.show_census(report.worker, report.census);
    }

    fn count_media(&self, now: &SfuCounters, before: &SfuCounters) {
        for (direction, now, before) in
            [(Direction::In, &now.ingress, &before.ingress), (Direction::Out, &now.egress, &before.egress)]
        {
            let (audio, video) = ((direction, MediaKind::Audio), (direction, MediaKind::Video));
            self.rtp_packets.add(audio, now.audio_packets - before.audio_packets);
            self.rtp_packets.add(video, now.video_packets - before.video_packets);
            self.rtp_bytes.add(audio, now.audio_bytes - before.audio_bytes);
            self.rtp_bytes.add(video, now.video_bytes - before.video_bytes);
        }
        self.retransmitted_bytes
            .add(Direction::In, now.retransmitted_bytes_in - before.retransmitted_bytes_in);
        self.retransmitted_bytes
            .add(Direction::Out, now.retransmitted_bytes_out - before.retransmitted_bytes_out);
        self.padding_bytes.add((), now.padding_bytes_out - before.padding_bytes_out);
        self.voice_recovered.add((), now.voice_packets_recovered - before.voice_packets_recovered);
        self.voice_redundant_bytes.add((), now.redundant_bytes_out - before.redundant_bytes_out);
        self.nacks.add(Direction::In, now.nacks_in - before.nacks_in);
        self.nacks.add(Direction::Out, now.nacks_out - before.nacks_out);
        self.key_frame_requests.add(Direction::In, now.key_frame_requests_in - before.key_frame_requests_in);
        self.key_frame_requests
            .add(Direction::Out, now.key_frame_requests_out - before.key_frame_requests_out);
        for reason in DropReason::ALL {
            let place = reason as usize;
            self.datagrams_dropped.add(reason, now.dropped[place] - before.dropped[place]);
        }
    }

    fn count_sockets(&self, now: SocketCounts, before: SocketCounts) {
        for reason in SendFailure::ALL {
            let place = reason as usize;
            self.socket_send_failures.add(reason, now.unsent[place] - before.unsent[place]);
        }
        self.socket_portless.add((), now.portless - before.portless);
    }

    fn show_census(&self, worker: usize, census: Census) {
        let mut censuses = self.censuses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = censuses.get_mut(worker) {
            *place = census;
        }
        let total = |count: &dyn Fn(&Census) -> usize| censuses.iter().map(count).sum::<usize>();
        for size in RoomSize::VALUES {
            let of_size =
                |it: &Census| it.room_sizes.iter().filter(|room| RoomSize::of(**room) == *size).count();
            self.rooms.set(*size, total(&of_size));
        }
        for (place, role) in Role::ALL.into_iter().enumerate() {
            self.participants.set(role, total(&|it| it.participants[place]));
        }
        for (place, class) in NetworkClass::ALL.into_iter().enumerate() {
            self.network_classes.set(class, total(&|it| it.network_classes[place]));
        }
        for (place, rung) in Rung::ALL.into_iter().enumerate() {
            self.allocated_rung.set(rung, total(&|it| it.video_subscriptions[place]));
        }
        for (place, reason) in RungReason::ALL.into_iter().enumerate() {
            self.rung_reasons.set(reason, total(&|it| it.rung_reasons[place]));
        }
        self.tracks.set((MediaKind::Audio, Direction::In), total(&|it| it.audio_tracks));
        self.tracks.set((MediaKind::Video, Direction::In), total(&|it| it.video_tracks));
        self.tracks.set((MediaKind::Audio, Direction::Out), total(&|it| it.audio_subscriptions));
        self.tracks.set((MediaKind::Video, Direction::Out), total(&|it| it.video_subscriptions.iter().sum()));
        self.hd_permitted_pairs.set((), total(&|it| it.hd_permitted));
    }
}

fn declare_process(registry: &Registry) -> prometheus::Result<()> {
    registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
    let options = Opts::new("tvg_build_info", "1; the labels name the build")
        .const_label("version", env!("CARGO_PKG_VERSION"))
        .const_label("commit", option_env!("TVG_COMMIT").unwrap_or("unknown"));
    let build_info = prometheus::IntGauge::with_opts(options)?;
    build_info.set(1);
    registry.register(Box::new(build_info))
}

/// A gauge per worker; there are no more workers than cores.
fn worker_gauge(registry: &Registry, workers: usize, name: &str, help: &str) -> prometheus::Result<GaugeVec> {
    let gauge = GaugeVec::new(Opts::new(name, help), &["worker"])?;
    registry.register(Box::new(gauge.clone()))?;
    for worker in 0..workers {
        gauge.get_metric_with_label_values(&[&worker.to_string()])?;
    }
    Ok(gauge)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Arc<Metrics> {
        Metrics::new(2, HdMode::Strict).unwrap()
    }

    fn value(metrics: &Metrics, series: &str) -> Option<f64> {
        let text = String::from_utf8(metrics.render()).unwrap();
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
    }

    fn report<'a>(
        worker: usize,
        census: Census,
        counters: (&'a SfuCounters, &'a SfuCounters),
    ) -> WorkerReport<'a> {
        let sockets = (SocketCounts { unsent: [1; 6], portless: 2 }, SocketCounts::default());
        WorkerReport {
            worker,
            census,
            counters,
            sockets,
            events_lost: 3,
            busy: 0.25,
            lag: Duration::from_millis(4),
        }
    }

    #[test]
    fn gauges_sum_over_workers_and_counters_grow_by_what_is_new() {
        let metrics = metrics();
        let census =
            |sizes: &[usize]| Census { room_sizes: sizes.to_vec(), hd_permitted: 1, ..Census::default() };
        let mut now = SfuCounters::default();
        now.ingress.audio_packets = 10;
        now.dropped[DropReason::NoKeys as usize] = 4;
        now.forward_delay.buckets[1] = 5;
        metrics.worker_report(report(0, census(&[2, 2, 1]), (&now, &SfuCounters::default())));
        metrics.worker_report(report(1, census(&[2]), (&now, &now)));
        metrics.worker_report(report(1, census(&[4]), (&now, &now)));
        for (series, expected) in [
            ("tvg_rooms{size=\"2\"}", 2.0),
            ("tvg_rooms{size=\"3_to_4\"}", 1.0),
            ("tvg_hd_permitted_pairs", 2.0),
            ("tvg_rtp_packets_total{direction=\"in\",kind=\"audio\"}", 10.0),
            ("tvg_datagrams_dropped_total{reason=\"no_keys\"}", 4.0),
            ("tvg_forward_latency_seconds_bucket{le=\"0.0001\"}", 0.0),
            ("tvg_forward_latency_seconds_bucket{le=\"0.00025\"}", 10.0),
            ("tvg_forward_latency_seconds_count", 10.0),
            ("tvg_udp_send_failures_total{reason=\"no_buffers\"}", 3.0),
            ("tvg_worker_busy_ratio{worker=\"1\"}", 0.25),
            ("tvg_hd_mode{mode=\"strict\"}", 1.0),
            ("tvg_hd_mode{mode=\"equivalent\"}", 0.0),
        ] {
            assert_eq!(value(&metrics, series), Some(expected), "{series}");
        }
    }

    #[test]
    fn a_node_is_in_one_state() {
        let metrics = metrics();
        metrics.set_node_state(NodeState::Ready);
        for (series, expected) in [("starting", 0.0), ("ready", 1.0), ("stopping", 0.0)] {
            assert_eq!(value(&metrics, &format!("tvg_node_state{{state=\"{series}\"}}")), Some(expected));
        }
    }

    #[test]
    fn series_stay_within_their_budget() {
        // Every series costs memory in each Prometheus that scrapes it.
        const BUDGET: usize = 3_000;
        let text = String::from_utf8(metrics().render()).unwrap();
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        assert!(series < BUDGET, "{series} series");
    }
}
