//! Writes the steps of sessions to the store, in batches. A store that fails costs records, never a call.

use std::time::Instant;

use tokio::sync::mpsc;

use crate::limits::MAX_STORE_BATCH;
use crate::registry::SessionStep;
use crate::sample::{Sample, StoreOperation};
use crate::sample_sink::SampleSink;
use crate::store::Store;
use crate::unix_time::UnixTime;

/// Runs until the loop that feeds it is gone and everything is written.
pub(crate) async fn record_sessions(
    store: Store,
    mut steps: mpsc::Receiver<(SessionStep, UnixTime)>,
    samples: SampleSink,
) {
    let mut batch = Vec::with_capacity(MAX_STORE_BATCH);
    while steps.recv_many(&mut batch, MAX_STORE_BATCH).await > 0 {
        let asked_at = Instant::now();
        let outcome = store.record(&batch).await;
        samples.count(Sample::StoreRequest {
            operation: StoreOperation::RecordSession,
            ok: outcome.is_ok(),
            duration: asked_at.elapsed(),
        });
        if let Err(error) = outcome {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, steps = batch.len(), "steps of sessions are not recorded");
        }
        batch.clear();
    }
}
