//! Reports of the network that an app signs with a key which the operator of the gateway has enrolled.
//! `signaling/docs/network-shell.md` is the reference for those who write such apps.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::id::ShellNonce;
use crate::network_class::NetworkClass;

/// What a signed text begins with, so that no signature made for something else is one for a report.
const PURPOSE: &str = "tvg-network-report-1";

/// A report with its signature, as the page passes it on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct AttestedReport {
    /// The name under which the key is enrolled.
    pub app: String,
    /// The nonce of the transport that the report is for, as the last answer said it.
    pub nonce: ShellNonce,
    /// Grows with every report for that nonce.
    pub sequence: u32,
    /// The class of the network that carries the device's traffic.
    pub class: NetworkClass,
    /// When that was so, in milliseconds of a clock of the device that never goes back and does not stop in sleep.
    #[ts(type = "number")]
    pub time_ms: u64,
    /// The signature of [`Self::signed_text`]: base64, of Ed25519 (64 bytes) or ES256 (64 bytes, or in DER).
    pub signature: String,
}

/// What an [`AttestedReport`] says, once its signature is known to be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestedClaim {
    /// The transport it is for.
    pub nonce: ShellNonce,
    /// Its number.
    pub sequence: u32,
    /// The class.
    pub class: NetworkClass,
    /// When it was made, by the device's clock.
    pub time_ms: u64,
}

impl AttestedReport {
    /// The text that is signed: six lines without a line feed after the last.
    #[must_use]
    pub fn signed_text(&self) -> String {
        let Self { app, nonce, sequence, class, time_ms, .. } = self;
        format!("{PURPOSE}\n{app}\n{nonce}\n{sequence}\n{class}\n{time_ms}")
    }

    /// What it says.
    #[must_use]
    pub const fn claim(&self) -> AttestedClaim {
        AttestedClaim { nonce: self.nonce, sequence: self.sequence, class: self.class, time_ms: self.time_ms }
    }
}
