//! Metrics of one name, whose series differ by their labels.

use std::fmt::Result;

use palisade::{BUCKETS_US, Counts, Timings};
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// The series of one metric, being written.
pub(super) struct Family<'a>(MetricEncoder<'a>);

impl<'a> Family<'a> {
    /// Begins a metric. Its name is written as it stands: the encoder's own counters end in `_total` where the type is
    /// declared without, which is OpenMetrics and not the text format.
    fn begin(
        encoder: &'a mut DescriptorEncoder<'_>,
        (name, help): (&'a str, &str),
        kind: MetricType,
    ) -> std::result::Result<Self, std::fmt::Error> {
        Ok(Self(encoder.encode_descriptor(name, help, None, kind)?))
    }

    pub(super) fn counter(
        encoder: &'a mut DescriptorEncoder<'_>,
        about: (&'a str, &str),
    ) -> std::result::Result<Self, std::fmt::Error> {
        Self::begin(encoder, about, MetricType::Counter)
    }

    pub(super) fn gauge(
        encoder: &'a mut DescriptorEncoder<'_>,
        about: (&'a str, &str),
    ) -> std::result::Result<Self, std::fmt::Error> {
        Self::begin(encoder, about, MetricType::Gauge)
    }

    pub(super) fn histogram(
        encoder: &'a mut DescriptorEncoder<'_>,
        about: (&'a str, &str),
    ) -> std::result::Result<Self, std::fmt::Error> {
        Self::begin(encoder, about, MetricType::Histogram)
    }

    /// One number.
    pub(super) fn value(&mut self, labels: &impl EncodeLabelSet, value: u64) -> Result {
        self.0.encode_family(labels)?.encode_gauge(&value)
    }

    /// One number without labels.
    pub(super) fn only(&mut self, value: u64) -> Result {
        self.0.encode_gauge(&value)
    }

    /// One number for each word, which is the value of the label `name`.
    pub(super) fn counts(&mut self, name: &str, counts: &Counts) -> Result {
        for (word, count) in counts {
            self.value(&[(name, *word)], *count)?;
        }
        Ok(())
    }

    /// [`counts`](Self::counts) of one plugin.
    pub(super) fn counts_of(&mut self, plugin: &str, name: &str, counts: &Counts) -> Result {
        for (word, count) in counts {
            self.value(&[("plugin", plugin), (name, *word)], *count)?;
        }
        Ok(())
    }

    /// Times in their buckets.
    pub(super) fn timings(&mut self, labels: &impl EncodeLabelSet, timings: &Timings) -> Result {
        encode(&mut self.0.encode_family(labels)?, timings)
    }

    /// Times in their buckets, without labels.
    pub(super) fn only_timings(&mut self, timings: &Timings) -> Result {
        encode(&mut self.0, timings)
    }
}

fn encode(encoder: &mut MetricEncoder<'_>, timings: &Timings) -> Result {
    // The encoder adds them up, and calls the highest number there is `+Inf`.
    let bounds = BUCKETS_US.map(|us| std::time::Duration::from_micros(us).as_secs_f64());
    let counts = timings.buckets.iter().copied().chain(std::iter::repeat(0));
    let buckets: Vec<_> = bounds.into_iter().chain([f64::MAX]).zip(counts).collect();
    encoder.encode_histogram::<NoLabelSet>(timings.sum.as_secs_f64(), timings.count(), &buckets, None)
}
