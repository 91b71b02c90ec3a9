//! A connectivity check: a STUN Binding request (RFC 8445 §7.2) and the response to it.

use std::net::SocketAddr;

use rtc_crypto::RTCCrypto;
use rtc_stun::attributes::{ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType};
use rtc_stun::fingerprint::FINGERPRINT;
use rtc_stun::integrity::MessageIntegrity;
use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message};
use rtc_stun::xoraddr::XorMappedAddress;

/// `GOOG_NETWORK_INFO`: network id and cost, 16 bits each (draft-thatcher-ice-network-cost-01).
const ATTR_GOOG_NETWORK_INFO: AttrType = AttrType(0xC057);

/// A STUN header (RFC 8489 §5).
const HEADER_LENGTH: usize = 20;

/// Longest check that is looked at; browsers send about 120 bytes.
const MAX_LENGTH: usize = 548;

/// A Binding request that could be read, and is not trusted yet.
pub(crate) struct ConnectivityCheck {
    message: Message,
    local_ufrag: String,
}

/// A check was no well-formed Binding request.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a well-formed STUN binding request")]
pub(crate) struct MalformedCheck;

/// What `GOOG_NETWORK_INFO` says of the network that a check left by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NetworkInfo {
    pub(crate) network_id: u16,
    pub(crate) cost: u16,
}

impl ConnectivityCheck {
    /// Reads a datagram. The user name of a check is `LOCAL:REMOTE`, seen from the one who answers it.
    pub(crate) fn parse(datagram: &[u8]) -> Result<Self, MalformedCheck> {
        let body = datagram.len().checked_sub(HEADER_LENGTH).ok_or(MalformedCheck)?;
        let declared = usize::from(u16::from_be_bytes([datagram[2], datagram[3]]));
        if datagram.len() > MAX_LENGTH || declared != body || !body.is_multiple_of(4) {
            return Err(MalformedCheck);
        }
        let mut message = Message::new();
        message.unmarshal_binary(datagram).map_err(|_| MalformedCheck)?;
        if message.typ != BINDING_REQUEST {
            return Err(MalformedCheck);
        }
        let username = message.get(ATTR_USERNAME).map_err(|_| MalformedCheck)?;
        let username = String::from_utf8(username).map_err(|_| MalformedCheck)?;
        let (local_ufrag, _remote) = username.split_once(':').ok_or(MalformedCheck)?;
        let local_ufrag = local_ufrag.to_owned();
        Ok(Self { message, local_ufrag })
    }

    /// The gateway's own user name fragment: says whose check it is.
    pub(crate) fn local_ufrag(&self) -> &str {
        &self.local_ufrag
    }

    /// Whether the sender knows the password that goes with the user name.
    pub(crate) fn is_authentic(&mut self, password: &str, crypto: &dyn RTCCrypto) -> bool {
        MessageIntegrity::check(&mut self.message, password.as_bytes(), crypto).is_ok()
    }

    /// Whether the controlling side nominates the pair that the check came by.
    pub(crate) fn nominates(&self) -> bool {
        self.message.contains(ATTR_USE_CANDIDATE)
    }

    /// What the sender says of its network, if it does.
    pub(crate) fn network_info(&self) -> Option<NetworkInfo> {
        let value = self.message.get(ATTR_GOOG_NETWORK_INFO).ok()?;
        let [id_high, id_low, cost_high, cost_low] = *value.first_chunk()?;
        Some(NetworkInfo {
            network_id: u16::from_be_bytes([id_high, id_low]),
            cost: u16::from_be_bytes([cost_high, cost_low]),
        })
    }

    /// The success response to the address that the check came from.
    pub(crate) fn response(
        &self,
        source: SocketAddr,
        password: &str,
        crypto: &dyn RTCCrypto,
    ) -> Option<Vec<u8>> {
        let mut response = Message::new();
        response
            .build(&[
                Box::new(self.message.transaction_id),
                Box::new(BINDING_SUCCESS),
                Box::new(XorMappedAddress { ip: source.ip(), port: source.port() }),
                Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
                    password.to_owned(),
                    crypto,
                )),
                Box::new(FINGERPRINT),
            ])
            .ok()?;
        Some(response.raw)
    }
}
