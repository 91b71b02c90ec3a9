//! How a participant's transport comes and goes: connectivity checks, the DTLS handshake, and the end.

use std::net::SocketAddr;
use std::time::Instant;

use protocol::media_message::{MediaReport, TransportState};

use super::{Room, reports};
use crate::congestion::NetworkName;
use crate::counters::DropReason;
use crate::directory::ParticipantIndex;
use crate::dtls::DtlsEvent;
use crate::ice::{ConnectivityCheck, Selection};
use crate::premises::Premises;
use crate::sample::{JoinStage, Sample, TransportFailure};
use crate::srtp::SrtpSession;

impl Room {
    /// Takes a connectivity check that names this room's participant and is not trusted yet.
    pub(crate) fn handle_check(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        source: SocketAddr,
        mut check: ConnectivityCheck,
        premises: &mut Premises,
    ) {
        self.now = now;
        self.agenda.stir(index);
        let seat = self.seat(index);
        let Some(participant) = self.participants.get_mut(index.0).and_then(Option::as_mut) else { return };
        let Some(transport) = participant.transport.as_mut() else { return };
        let password = transport.agent.credentials().password.clone();
        if !check.is_authentic(&password, premises.crypto()) {
            return premises.counters.drop_one(DropReason::StunUnauthenticated);
        }
        participant.heard_at = now;
        let is_first = !transport.agent.is_validated();
        let (selection, evicted) = transport.agent.handle_check(now, source, check.nominates());
        if let Some(evicted) = evicted {
            premises.directory.strike_address(evicted, seat);
        }
        premises.directory.list_address(source, seat);
        transport.dtls.handle_validated(now);
        if let Some(response) = check.response(source, &password, premises.crypto()) {
            transport.send(source, response);
        }
        let (id, offered_at, selected) = (participant.id, transport.offered_at, transport.agent.selected());
        if selection == Selection::Changed {
            self.adaptation.handle_address(now, id, source.ip());
            premises.path(self.id, id, Some(source));
        }
        if let Some(network) = check.network_info().filter(|_| selected == Some(source)) {
            self.adaptation.handle_network_cost(now, id, network.network_id, network.cost);
        }
        if selected == Some(source)
            && let Some(participant) = self.participants[index.0].as_mut()
        {
            let network = check.network_info().map_or(0, |network| network.network_id);
            participant.egress.handle_network(now, NetworkName { id: network, address: source.ip() });
        }
        self.apply_decisions(now, premises);
        if is_first {
            let class = self.class(index);
            let elapsed = now.saturating_duration_since(offered_at);
            premises.sample(Sample::JoinStage { stage: JoinStage::Ice, elapsed, class });
        }
    }

    /// Takes a DTLS datagram from a validated address.
    pub(crate) fn handle_dtls(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        datagram: &[u8],
        premises: &mut Premises,
    ) {
        self.now = now;
        self.agenda.stir(index);
        let mut events = Vec::new();
        let Some(transport) = self.transport(index) else { return };
        if !transport.handle_dtls(now, datagram, &mut events) {
            premises.counters.drop_one(DropReason::DtlsRefused);
        }
        self.handle_dtls_events(now, index, events, premises);
    }

    fn handle_dtls_events(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        events: Vec<DtlsEvent>,
        premises: &mut Premises,
    ) {
        for event in events {
            match event {
                DtlsEvent::Connected { profile, keying_material } => {
                    match SrtpSession::from_dtls(profile, &keying_material) {
                        Ok(srtp) => self.connected(now, index, srtp, premises),
                        Err(_) => self.fail_transport(index, TransportFailure::Dtls, premises),
                    }
                }
                DtlsEvent::Failed => self.fail_transport(index, TransportFailure::Dtls, premises),
                // On purpose: a page leaves by signaling, or negotiates anew; other clients may say no more than this.
                DtlsEvent::Closed => {
                    self.drop_transport(index, premises);
                    if let Some(participant) = self.participants[index.0].as_ref() {
                        let (participant, state) = (participant.id, TransportState::Closed);
                        premises.report(self.id, MediaReport::Transport { participant, state });
                    }
                }
            }
        }
    }

    fn connected(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        srtp: SrtpSession,
        premises: &mut Premises,
    ) {
        let class = self.class(index);
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        let Some(transport) = participant.transport.as_mut() else { return };
        transport.srtp = Some(srtp);
        let elapsed = now.saturating_duration_since(transport.offered_at);
        participant.egress.begin(now, class);
        participant.report_at = Some(now + reports::INTERVAL);
        let report = MediaReport::Transport { participant: participant.id, state: TransportState::Connected };
        premises.sample(Sample::JoinStage { stage: JoinStage::Dtls, elapsed, class });
        premises.report(self.id, report);
    }

    fn fail_transport(&mut self, index: ParticipantIndex, cause: TransportFailure, premises: &mut Premises) {
        let Some(participant) = self.participants[index.0].as_ref() else { return };
        let report = MediaReport::Transport { participant: participant.id, state: TransportState::Failed };
        premises.sample(Sample::TransportFailed { cause });
        premises.report(self.id, report);
        self.drop_transport(index, premises);
    }

    pub(super) fn drop_transport(&mut self, index: ParticipantIndex, premises: &mut Premises) {
        let seat = self.seat(index);
        let Some(participant) = self.participants[index.0].as_mut() else { return };
        if let Some(transport) = participant.transport.take() {
            premises.directory.strike_ufrag(&transport.agent.credentials().ufrag);
            transport.agent.validated().for_each(|address| premises.directory.strike_address(address, seat));
            participant.forget_streams();
            premises.path(self.id, participant.id, None);
        }
    }

    pub(super) fn handle_transport_timeout(
        &mut self,
        now: Instant,
        index: ParticipantIndex,
        premises: &mut Premises,
    ) {
        let Some(transport) = self.transport(index) else { return };
        if transport.agent.expires_at() <= now {
            let cause = if transport.agent.is_validated() {
                TransportFailure::ConsentExpired
            } else {
                TransportFailure::IceTimeout
            };
            return self.fail_transport(index, cause, premises);
        }
        let mut events = Vec::new();
        transport.handle_timeout(now, &mut events);
        self.handle_dtls_events(now, index, events, premises);
    }
}
