//! Where samples go: a bounded queue to the observer. Without a reader, samples are lost and nothing else.

use tokio::sync::mpsc;

use crate::sample::Sample;

/// Takes samples.
#[derive(Debug, Clone)]
pub(crate) struct SampleSink(mpsc::Sender<Sample>);

impl SampleSink {
    pub(crate) const fn new(sender: mpsc::Sender<Sample>) -> Self {
        Self(sender)
    }

    /// Counts something; dropped where the observer is behind.
    pub(crate) fn count(&self, sample: Sample) {
        let _ = self.0.try_send(sample);
    }
}
