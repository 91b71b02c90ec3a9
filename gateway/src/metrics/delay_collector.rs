//! The forwarding delay of all workers as one Prometheus histogram. The media plane counts it in plain
//! integers, per packet; a Prometheus histogram could only take it observation by observation.

use std::sync::{Mutex, PoisonError};

use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, Metric, MetricFamily, MetricType};
use sfu::counters::DelayHistogram;

/// The newest histogram of every worker.
#[derive(Debug)]
pub(crate) struct DelayCollector {
    description: Desc,
    by_worker: Mutex<Vec<DelayHistogram>>,
}

impl DelayCollector {
    /// Makes an empty one.
    pub(crate) fn new(name: &str, help: &str, workers: usize) -> prometheus::Result<Self> {
        let description = Desc::new(name.to_owned(), help.to_owned(), Vec::new(), Default::default())?;
        Ok(Self { description, by_worker: Mutex::new(vec![DelayHistogram::default(); workers]) })
    }

    /// Takes what a worker has counted since its start.
    pub(crate) fn set(&self, worker: usize, histogram: DelayHistogram) {
        let mut by_worker = self.by_worker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(place) = by_worker.get_mut(worker) {
            *place = histogram;
        }
    }

    fn histogram(&self) -> Histogram {
        let by_worker = self.by_worker.lock().unwrap_or_else(PoisonError::into_inner);
        let mut cumulative = 0;
        let mut buckets = Vec::new();
        for (place, bound) in DelayHistogram::BOUNDS.into_iter().enumerate() {
            cumulative += by_worker.iter().map(|it| it.buckets[place]).sum::<u64>();
            let mut bucket = Bucket::default();
            bucket.set_cumulative_count(cumulative);
            bucket.set_upper_bound(bound.as_secs_f64());
            buckets.push(bucket);
        }
        let count = by_worker.iter().flat_map(|it| it.buckets).sum();
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(count);
        histogram.set_sample_sum(by_worker.iter().map(|it| it.total.as_secs_f64()).sum());
        histogram
    }
}

/// The registry keeps one handle, whoever sets it the other.
#[derive(Debug, Clone)]
pub(crate) struct SharedDelayCollector(pub(crate) std::sync::Arc<DelayCollector>);

impl Collector for SharedDelayCollector {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.description]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let mut metric = Metric::default();
        metric.set_histogram(self.0.histogram());
        let mut family = MetricFamily::default();
        family.set_name(self.0.description.fq_name.clone());
        family.set_help(self.0.description.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(vec![metric]);
        vec![family]
    }
}
