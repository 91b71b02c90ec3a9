//! The bus between the planes within one process: two bounded channels.

use protocol::media_message::{MediaCommand, MediaEvent};
use tokio::sync::mpsc;

/// Commands or events that may wait in one direction: one second of a busy node.
pub const MEDIA_LINK_CAPACITY: usize = 4_096;

/// The control plane's end of the bus.
///
/// Where `commands` is full, commands wait in order in a bounded backlog; beyond that, new ones are dropped
/// and counted, a leave never. Where `events` is closed, the media plane counts as gone: negotiations fail.
/// The media plane sends with `try_send` and may drop `Quality` where the channel is full: the next
/// one replaces it.
#[derive(Debug)]
pub struct MediaLink {
    /// To the media plane.
    pub commands: mpsc::Sender<MediaCommand>,
    /// From the media plane.
    pub events: mpsc::Receiver<MediaEvent>,
}

/// The media plane's end of the bus.
#[derive(Debug)]
pub struct MediaEnd {
    /// From the control plane.
    pub commands: mpsc::Receiver<MediaCommand>,
    /// To the control plane.
    pub events: mpsc::Sender<MediaEvent>,
}

impl MediaLink {
    /// Makes both ends of a bus.
    #[must_use]
    pub fn pair() -> (Self, MediaEnd) {
        let (command_sender, commands) = mpsc::channel(MEDIA_LINK_CAPACITY);
        let (event_sender, events) = mpsc::channel(MEDIA_LINK_CAPACITY);
        (Self { commands: command_sender, events }, MediaEnd { commands, events: event_sender })
    }
}
