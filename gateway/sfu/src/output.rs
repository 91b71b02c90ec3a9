//! What the media plane tells its shell: each output is said once and asks for no answer.

use protocol::media_message::MediaEvent;

use crate::sample::Sample;

/// What the media plane wants done or known.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// To the signaling plane.
    Event(MediaEvent),
    /// To the metrics.
    Sample(Sample),
}
