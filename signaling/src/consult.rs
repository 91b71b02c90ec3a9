//! A consult: who is invited to it, as what, and whether it is open.

use protocol::id::{ConsultId, ParticipantId};
use protocol::track::Role;

use crate::redacted::Redacted;
use crate::unix_time::UnixTime;

/// The medical appointment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Consult {
    pub(crate) id: ConsultId,
    /// What it is about, for its participants' eyes only.
    pub(crate) subject: Redacted<String>,
    pub(crate) created_at: UnixTime,
    /// Its links work from here on.
    pub(crate) not_before: UnixTime,
    /// Its links work until here.
    pub(crate) expires_at: UnixTime,
    pub(crate) ended_at: Option<UnixTime>,
    pub(crate) invitations: Vec<Invitation>,
}

/// One participant who is invited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invitation {
    pub(crate) participant: ParticipantId,
    pub(crate) role: Role,
    pub(crate) name: Option<Redacted<String>>,
}

/// Whether a consult can be entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConsultState {
    Open,
    Ended,
}

/// What a participant speaks to the gateway with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientKind {
    /// A WebSocket: it takes a lost session up again, and a lost transport.
    Page,
    /// Plain HTTP: its session ends with its media.
    Resource,
}

/// A participant who has proven to be invited to an open consult.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) consult: ConsultId,
    pub(crate) subject: Redacted<String>,
    pub(crate) participant: ParticipantId,
    pub(crate) role: Role,
    /// The name of the invitation; a page asks for one in any case.
    pub(crate) name: Option<Redacted<String>>,
    /// Whose invitation it is: the participant's own, unless it is one of the players that this one lets in.
    pub(crate) invitation: ParticipantId,
    pub(crate) client: ClientKind,
}

impl Admission {
    /// Whether it is a player: somebody who only watches, and is not invited itself.
    pub(crate) fn is_viewer(&self) -> bool {
        self.participant != self.invitation
    }
}

impl Consult {
    pub(crate) fn state(&self, now: UnixTime) -> ConsultState {
        if self.ended_at.is_some() || now >= self.expires_at {
            ConsultState::Ended
        } else {
            ConsultState::Open
        }
    }

    /// Admits an invited participant while the consult is open. The role is the one of the invitation,
    /// whatever a token says.
    pub(crate) fn admit(&self, participant: ParticipantId, now: UnixTime) -> Option<Admission> {
        let invitation = self.invitations.iter().find(|invitation| invitation.participant == participant)?;
        (self.state(now) == ConsultState::Open).then(|| Admission {
            consult: self.id,
            subject: self.subject.clone(),
            participant,
            role: invitation.role,
            name: invitation.name.clone(),
            invitation: participant,
            client: ClientKind::Page,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCTOR: ParticipantId = ParticipantId::from_bits(1);
    const STRANGER: ParticipantId = ParticipantId::from_bits(2);

    fn consult(ended_at: Option<u64>) -> Consult {
        Consult {
            id: ConsultId::from_bits(7),
            subject: "follow-up".to_owned().into(),
            created_at: UnixTime::from_secs(0),
            not_before: UnixTime::from_secs(0),
            expires_at: UnixTime::from_secs(100),
            ended_at: ended_at.map(UnixTime::from_secs),
            invitations: vec![Invitation { participant: DOCTOR, role: Role::Clinician, name: None }],
        }
    }

    #[test]
    fn only_invited_participants_of_open_consults_are_admitted() {
        let table = [
            (DOCTOR, None, 99, Some(Role::Clinician)),
            (DOCTOR, None, 100, None),
            (DOCTOR, Some(50), 60, None),
            (STRANGER, None, 1, None),
        ];
        for (participant, ended_at, now, role) in table {
            let admission = consult(ended_at).admit(participant, UnixTime::from_secs(now));
            assert_eq!(
                admission.map(|admission| admission.role),
                role,
                "{participant} at {now}, {ended_at:?}"
            );
        }
    }
}
