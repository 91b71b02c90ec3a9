//! What a participant experienced, as JSON and as a table.

use protocol::id::{ParticipantId, TrackId};
use protocol::ladder::Rung;
use protocol::network_class::NetworkClass;
use protocol::quality::PairQuality;
use protocol::track::{MediaKind, Role, TrackSource};
use protocol::units::Bitrate;
use serde::Serialize;

use super::meter::Figures;
use super::publisher::SentFigures;
use crate::results::number;
use crate::table;

/// The whole stay of one participant.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// Its id.
    pub participant: ParticipantId,
    /// Its role.
    pub role: Role,
    /// Why it ended early.
    pub failure: Option<String>,
    /// From the beginning until the media transport stood.
    pub connected_ms: Option<u64>,
    /// How long it stayed.
    pub stayed_ms: u64,
    /// Offers that were answered.
    pub negotiations: u32,
    /// Uplink plans that came.
    pub uplink_plans: u32,
    /// The last verdict on its network.
    pub network_class: Option<NetworkClass>,
    /// What it sent.
    pub sent: Vec<Sent>,
    /// What it received.
    pub received: Vec<Received>,
    /// Second by second; written to a file of its own.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}

/// One encoding that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// `audio`, or `video` and the RID.
    pub encoding: String,
    /// The figures.
    #[serde(flatten)]
    pub figures: SentFigures,
}

/// One track that was received.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Received {
    /// Its id.
    pub track: TrackId,
    /// Who published it.
    pub publisher: ParticipantId,
    /// What it shows.
    pub source: TrackSource,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// The last word of the gateway on it.
    pub quality: Option<PairQuality>,
}

/// One second of one received track.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sample {
    /// Since the participant began.
    pub second: u64,
    /// Who received it.
    pub participant: String,
    /// The track.
    pub track: TrackId,
    /// What it shows.
    pub source: TrackSource,
    /// Rate of its payload.
    pub kbps: f64,
    /// Frames that ended.
    pub fps: f64,
    /// Packets given up.
    pub lost: u64,
    /// Freezes or sound gaps that ended.
    pub gap_ms: u64,
    /// The rung that the gateway says it sends.
    pub rung: Option<Rung>,
}

impl Record {
    pub(crate) fn new(name: &str, participant: ParticipantId, role: Role) -> Self {
        Self {
            name: name.to_owned(),
            participant,
            role,
            failure: None,
            connected_ms: None,
            stayed_ms: 0,
            negotiations: 0,
            uplink_plans: 0,
            network_class: None,
            sent: Vec::new(),
            received: Vec::new(),
            samples: Vec::new(),
        }
    }
}

/// All records as tables: who was there, what was sent, what was received.
#[must_use]
pub fn tables(records: &[Record]) -> String {
    let optional = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    let people = records.iter().map(|record| {
        let failure = record.failure.clone().unwrap_or_default();
        let class = record.network_class.map_or("-", NetworkClass::as_str).to_owned();
        let cells =
            [record.role.as_str().to_owned(), optional(record.connected_ms), record.negotiations.to_string()];
        [vec![record.name.clone()], cells.to_vec(), vec![record.uplink_plans.to_string(), class, failure]]
            .concat()
    });
    let people = table::render(
        &["participant", "role", "connected ms", "offers", "plans", "class", "failure"],
        &people.collect::<Vec<_>>(),
    );
    let sent = records.iter().flat_map(|record| record.sent.iter().map(move |sent| sent_row(record, sent)));
    let sent = table::render(
        &["sent by", "encoding", "packets", "kbit/s", "frames", "key frames", "requests"],
        &sent.collect::<Vec<_>>(),
    );
    let received = records
        .iter()
        .flat_map(|record| record.received.iter().map(move |track| received_row(record, track)));
    let received = table::render(
        &[
            "received by",
            "source",
            "packets",
            "lost %",
            "kbit/s",
            "fps",
            "key frames",
            "gaps",
            "gap ms",
            "longest ms",
            "first ms",
            "rung",
        ],
        &received.collect::<Vec<_>>(),
    );
    format!("{people}\n{sent}\n{received}")
}

fn sent_row(record: &Record, sent: &Sent) -> Vec<String> {
    let figures = &sent.figures;
    vec![
        record.name.clone(),
        sent.encoding.clone(),
        figures.packets.to_string(),
        kbps(figures.payload_bytes, record),
        figures.frames.to_string(),
        figures.key_frames.to_string(),
        figures.requests.to_string(),
    ]
}

fn received_row(record: &Record, track: &Received) -> Vec<String> {
    let figures = &track.figures;
    let seconds = record.stayed_ms as f64 / 1e3;
    let fps = match track.source.kind() {
        MediaKind::Audio => "-".to_owned(),
        MediaKind::Video => number(figures.frames as f64 / seconds.max(1e-9)),
    };
    vec![
        record.name.clone(),
        format!("{:?}", track.source).to_lowercase(),
        figures.packets.to_string(),
        number(figures.loss_ratio() * 100.0),
        kbps(figures.payload_bytes, record),
        fps,
        figures.key_frames.to_string(),
        figures.gaps.to_string(),
        figures.gap_ms.to_string(),
        figures.longest_gap_ms.to_string(),
        figures.first_packet_ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string()),
        track.quality.map_or("-", |quality| quality.rung.as_str()).to_owned(),
    ]
}

/// The mean over the whole stay.
fn kbps(bytes: u64, record: &Record) -> String {
    let rate = Bitrate::bps(bytes.saturating_mul(8_000) / record.stayed_ms.max(1));
    number(rate.as_bps() as f64 / 1e3)
}
