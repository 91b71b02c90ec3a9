//! Samples of both planes, turned into metrics.

use protocol::network_class::NetworkClass;
use sfu::sample::{JoinStage, Sample, TransportFailure};
use signaling::sample as control;

use super::Metrics;
use super::label::{Direction, JoinOutcome, MessageType, Method, Outcome, Stage, StatusClass, Step};

impl Metrics {
    /// Counts a sample of the media plane.
    pub(crate) fn media_sample(&self, sample: Sample) {
        match sample {
            Sample::JoinStage { stage, elapsed, class } => {
                self.join_duration.observe((stage.into(), class), elapsed.as_secs_f64());
                if stage == JoinStage::Dtls {
                    self.joins.count((JoinOutcome::Ok, class));
                }
            }
            Sample::TransportFailed { cause } => self.transport_failed(cause),
            Sample::FirstFrame { elapsed, class } => self.first_frame.observe(class, elapsed.as_secs_f64()),
            Sample::NetworkClassChanged { from, to } => self.network_class_changes.count((from.into(), to)),
            Sample::NetworkConflict => self.network_conflicts.count(()),
            Sample::ReportRefused(refused) => self.network_reports_refused.count(refused.into()),
            Sample::RoomCodecChanged { codec, reason } => self.room_codec_changes.count((codec, reason)),
            Sample::HdDecided { from: _, to } => self.hd_decisions.count(to),
            Sample::RungChanged { from, to, cause } => {
                let step = if to > from { Step::Up } else { Step::Down };
                self.rung_switches.count((cause, step));
            }
            Sample::Downlink { class, estimate, rtt, loss } => {
                self.estimate.observe(class, estimate.as_bps() as f64);
                self.rtt.observe(class, rtt.as_secs_f64());
                self.downlink_loss.observe(class, loss);
            }
            Sample::Voice { class, mos, loss } => {
                self.voice_mos.observe(class, mos);
                self.voice_missed.observe(class, loss);
            }
            Sample::Uplink { class, kind, jitter, loss } => {
                self.jitter.observe(class, jitter.as_secs_f64());
                self.uplink_loss.observe((kind, class), loss);
            }
        }
    }

    fn transport_failed(&self, cause: TransportFailure) {
        self.transport_failures.count(cause);
        let outcome = match cause {
            TransportFailure::IceTimeout => JoinOutcome::IceFailed,
            TransportFailure::Dtls => JoinOutcome::DtlsFailed,
            // The join had worked; the link went away later.
            TransportFailure::ConsentExpired => return,
        };
        self.joins.count((outcome, NetworkClass::Unknown));
    }

    /// Counts a sample of the control plane.
    pub(crate) fn control_sample(&self, sample: control::Sample) {
        match sample {
            control::Sample::Join(outcome) => self.join_asked(outcome),
            control::Sample::MediaConnected { after, network_class } => {
                self.join_duration.observe((Stage::Total, network_class), after.as_secs_f64());
            }
            control::Sample::MediaFailed => self.media_failures.count(()),
            control::Sample::Negotiation { outcome, after } => {
                self.negotiations.count(outcome);
                self.negotiation_duration.observe((), after.as_secs_f64());
            }
            control::Sample::MessageIn(word) => {
                self.signal_messages.count((MessageType::of(word), Direction::In))
            }
            control::Sample::MessageOut(word) => {
                self.signal_messages.count((MessageType::of(word), Direction::Out));
            }
            control::Sample::Error(code) => self.signal_errors.count(code),
            control::Sample::ApiRequest { route, method, status, duration } => {
                self.api_requests.count((route, Method::of(method), StatusClass::of(status)));
                self.api_duration.observe(route, duration.as_secs_f64());
            }
            control::Sample::AuthFailure(reason) => self.auth_failures.count(reason),
            control::Sample::AttestationRefused(refused) => {
                self.network_reports_refused.count(refused.into());
            }
            control::Sample::Resume { resumed } => self.reconnects.count(outcome(resumed)),
            control::Sample::ResumedAfter(gap) => self.reconnect_duration.observe((), gap.as_secs_f64()),
            control::Sample::SessionEnded(reason) => self.sessions_ended.count(reason),
            control::Sample::LimitHit(limit) => self.limits_hit.count(limit),
            control::Sample::StoreRequest { operation, ok, duration } => {
                self.store_duration.observe((operation, outcome(ok)), duration.as_secs_f64());
            }
        }
    }

    /// A join that is let in counts once its media can flow, or fails to.
    fn join_asked(&self, outcome: control::JoinOutcome) {
        match outcome {
            control::JoinOutcome::Ok => {}
            control::JoinOutcome::NameInvalid => {
                self.joins.count((JoinOutcome::Denied, NetworkClass::Unknown))
            }
            control::JoinOutcome::RoomFull => {
                self.joins.count((JoinOutcome::Capacity, NetworkClass::Unknown))
            }
        }
    }
}

fn outcome(ok: bool) -> Outcome {
    if ok { Outcome::Ok } else { Outcome::Failed }
}
