//! What all rooms of a worker share: the configuration, the certificate, the source of chance, the
//! directory, and the books in which they write what happened.

use std::collections::VecDeque;

use protocol::id::RoomId;
use protocol::media_message::{MediaEvent, MediaReport};
use rand::rngs::StdRng;
use rtc_crypto::RTCCrypto;

use crate::config::SfuConfig;
use crate::counters::Counters;
use crate::directory::Directory;
use crate::dtls::DtlsCertificate;
use crate::output::Output;
use crate::sample::Sample;

/// What all rooms of a worker share.
pub(crate) struct Premises {
    pub(crate) config: SfuConfig,
    pub(crate) certificate: DtlsCertificate,
    pub(crate) rng: StdRng,
    pub(crate) directory: Directory,
    pub(crate) counters: Counters,
    outputs: VecDeque<Output>,
}

impl Premises {
    pub(crate) fn new(config: SfuConfig, certificate: DtlsCertificate, rng: StdRng) -> Self {
        Self {
            config,
            certificate,
            rng,
            directory: Directory::default(),
            counters: Counters::default(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn crypto(&self) -> &dyn RTCCrypto {
        self.certificate.crypto()
    }

    pub(crate) fn report(&mut self, room: RoomId, report: MediaReport) {
        self.outputs.push_back(Output::Event(MediaEvent { room, report }));
    }

    pub(crate) fn sample(&mut self, sample: Sample) {
        self.outputs.push_back(Output::Sample(sample));
    }

    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}
