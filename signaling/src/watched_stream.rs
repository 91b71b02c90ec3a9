//! A TCP stream that knows whether its peer has begun something that is not answered yet: it tells a header that
//! does not end from a connection that idles between two requests.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The stream.
#[derive(Debug)]
pub(crate) struct WatchedStream<S> {
    stream: S,
    is_begun: Arc<AtomicBool>,
}

/// Tells what the stream saw last, wherever the stream itself is.
#[derive(Debug)]
pub(crate) struct StreamWatch(Arc<AtomicBool>);

/// Watches a stream.
pub(crate) fn watched<S>(stream: S) -> (WatchedStream<S>, StreamWatch) {
    let is_begun = Arc::new(AtomicBool::new(false));
    (WatchedStream { stream, is_begun: Arc::clone(&is_begun) }, StreamWatch(is_begun))
}

impl StreamWatch {
    /// Whether the peer has sent something since the last answer.
    pub(crate) fn is_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> WatchedStream<S> {
    fn note_written(&self, written: &Poll<io::Result<usize>>) {
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.is_begun.store(false, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.is_begun.store(true, Ordering::Relaxed);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note_written(&written);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.note_written(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn what_was_read_is_begun_until_something_is_written() {
        let (near, mut far) = tokio::io::duplex(64);
        let (mut near, watch) = watched(near);
        assert!(!watch.is_begun(), "a connection that says nothing");
        for _ in 0..2 {
            far.write_all(b"GET /").await.expect("room");
            near.read_exact(&mut [0; 5]).await.expect("five bytes");
            assert!(watch.is_begun());
            near.write_all(b"HTTP").await.expect("room");
            assert!(!watch.is_begun());
        }
        drop(far);
        assert_eq!(near.read(&mut [0]).await.expect("the end"), 0);
        assert!(!watch.is_begun(), "an end begins nothing");
    }
}
