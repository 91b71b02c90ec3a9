//! A metric with all its time series, made at start: so every series is there before its first event,
//! and counting takes no lock.

use std::collections::HashMap;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use prometheus::{Opts, Registry};

use super::label::LabelSet;

/// The series of one metric by their labels.
#[derive(Debug)]
pub(crate) struct Family<L, M> {
    series: HashMap<L, M>,
}

/// A metric that only grows.
pub(crate) type Counters<L> = Family<L, IntCounter>;
/// A metric that goes both ways.
pub(crate) type Gauges<L> = Family<L, IntGauge>;
/// A metric that keeps a distribution.
pub(crate) type Histograms<L> = Family<L, Histogram>;

impl<L: LabelSet> Counters<L> {
    /// Adds one.
    pub(crate) fn count(&self, labels: L) {
        self.add(labels, 1);
    }

    /// Adds several.
    pub(crate) fn add(&self, labels: L, by: u64) {
        if let Some(counter) = self.series.get(&labels) {
            counter.inc_by(by);
        }
    }
}

impl<L: LabelSet> Gauges<L> {
    /// Sets the value.
    pub(crate) fn set(&self, labels: L, value: usize) {
        if let Some(gauge) = self.series.get(&labels) {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
    }
}

impl<L: LabelSet> Histograms<L> {
    /// Adds an observation.
    pub(crate) fn observe(&self, labels: L, value: f64) {
        if let Some(histogram) = self.series.get(&labels) {
            histogram.observe(value);
        }
    }
}

/// Registers metrics; a name, a help text or a label that Prometheus refuses ends the start.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    pub(crate) registry: Registry,
}

impl Declarations {
    /// Declares a counter.
    pub(crate) fn counters<L: LabelSet>(&self, name: &str, help: &str) -> prometheus::Result<Counters<L>> {
        let vector = IntCounterVec::new(Opts::new(name, help), &L::names())?;
        self.family(vector.clone(), |words| vector.get_metric_with_label_values(words))
    }

    /// Declares a gauge.
    pub(crate) fn gauges<L: LabelSet>(&self, name: &str, help: &str) -> prometheus::Result<Gauges<L>> {
        let vector = IntGaugeVec::new(Opts::new(name, help), &L::names())?;
        self.family(vector.clone(), |words| vector.get_metric_with_label_values(words))
    }

    /// Declares a histogram with the upper bounds of its buckets.
    pub(crate) fn histograms<L: LabelSet>(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> prometheus::Result<Histograms<L>> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        let vector = HistogramVec::new(options, &L::names())?;
        self.family(vector.clone(), |words| vector.get_metric_with_label_values(words))
    }

    fn family<L: LabelSet, M>(
        &self,
        collector: impl Collector + 'static,
        series: impl Fn(&[&str]) -> prometheus::Result<M>,
    ) -> prometheus::Result<Family<L, M>> {
        self.registry.register(Box::new(collector))?;
        let series = L::combinations()
            .into_iter()
            .map(|labels| Ok((labels, series(&labels.words())?)))
            .collect::<prometheus::Result<_>>()?;
        Ok(Family { series })
    }
}
