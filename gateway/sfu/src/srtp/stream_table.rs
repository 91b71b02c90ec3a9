//! The streams of one peer that have authenticated, each with the window of indices that it used up.

use crate::limits::MAX_STREAMS;
use crate::rtp::Ssrc;
use crate::srtp::index_window::IndexWindow;
use crate::srtp::session::OpenError;

/// The streams that a peer may send, and the one under whose name a peer without streams reports.
pub(super) const MAX_AUTHENTICATED_STREAMS: usize = MAX_STREAMS + 1;

/// Windows by SSRC. Only an authentic packet adds one.
#[derive(Debug, Clone, Default)]
pub(super) struct StreamTable {
    streams: Vec<Stream>,
    /// Where the last packet was found: packets of a stream come in runs.
    last: usize,
}

#[derive(Debug, Clone)]
struct Stream {
    ssrc: Ssrc,
    window: IndexWindow,
}

/// Where a stream stands in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    At(usize),
    New,
}

impl StreamTable {
    /// The window of a stream, empty for a new one.
    ///
    /// # Errors
    ///
    /// [`OpenError::TooManyStreams`] where a new one has no room.
    #[inline]
    pub(super) fn find(&mut self, ssrc: Ssrc) -> Result<(Place, IndexWindow), OpenError> {
        if let Some(stream) = self.streams.get(self.last)
            && stream.ssrc == ssrc
        {
            return Ok((Place::At(self.last), stream.window));
        }
        if let Some((position, stream)) =
            self.streams.iter().enumerate().find(|(_, stream)| stream.ssrc == ssrc)
        {
            self.last = position;
            return Ok((Place::At(position), stream.window));
        }
        if self.streams.len() >= MAX_AUTHENTICATED_STREAMS {
            return Err(OpenError::TooManyStreams);
        }
        Ok((Place::New, IndexWindow::default()))
    }

    /// Takes note of an index that authenticated.
    #[inline]
    pub(super) fn accept(&mut self, place: Place, ssrc: Ssrc, index: u64) {
        match place {
            Place::At(position) => {
                if let Some(stream) = self.streams.get_mut(position) {
                    stream.window.mark_used(index);
                }
            }
            Place::New => {
                let mut window = IndexWindow::default();
                window.mark_used(index);
                self.last = self.streams.len();
                self.streams.push(Stream { ssrc, window });
            }
        }
    }

    /// Makes room: the stream is gone from the session description, and its packets go nowhere.
    pub(super) fn forget(&mut self, ssrc: Ssrc) {
        self.streams.retain(|stream| stream.ssrc != ssrc);
    }
}
