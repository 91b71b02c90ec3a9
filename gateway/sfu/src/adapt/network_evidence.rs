//! What a room is told of a participant's network by those whose word is signed or bound to a transport.

use std::time::Instant;

use protocol::attestation::AttestedClaim;
use protocol::id::{ParticipantId, ShellNonce};
use protocol::network_class::NetworkClass;

use super::adaptation::Adaptation;
use super::classifier::ReportRefused;

impl Adaptation {
    /// Takes the nonce of the transport that a participant now has.
    pub fn handle_shell_nonce(&mut self, participant: ParticipantId, nonce: ShellNonce) {
        if let Some(participant) = self.room.participants.get_mut(&participant) {
            participant.classifier.handle_shell_nonce(nonce);
        }
    }

    /// Takes what an enrolled app says of a participant's network; its signature has been verified.
    ///
    /// # Errors
    ///
    /// [`ReportRefused`] where it is for another transport or out of order; nothing changes then.
    pub fn handle_attested(
        &mut self,
        now: Instant,
        participant: ParticipantId,
        claim: &AttestedClaim,
    ) -> Result<(), ReportRefused> {
        let mut outcome = Ok(());
        self.classify(now, participant, |classifier| outcome = classifier.handle_attested(now, claim));
        outcome
    }

    /// Takes what the mobile network operator says of a participant.
    pub fn handle_operator(&mut self, now: Instant, participant: ParticipantId, class: NetworkClass) {
        self.classify(now, participant, |classifier| classifier.handle_operator(now, class));
    }
}
