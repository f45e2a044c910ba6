//! Histogram with fixed buckets.

/// Counts values in buckets.
#[derive(Clone, Debug)]
pub(super) struct Histogram {
    /// Upper bounds, ascending, inclusive.
    bounds: &'static [f64],
    /// Number of observations in each bucket; the last one has no bound.
    buckets: Vec<u64>,
    sum: f64,
}

impl Histogram {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, buckets: vec![0; bounds.len() + 1], sum: 0.0 }
    }

    /// Counts a value that is not negative.
    pub(super) fn observe(&mut self, value: f64) {
        let bucket = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        if let Some(count) = self.buckets.get_mut(bucket) {
            *count += 1;
        }
        self.sum += value;
    }

    /// The number of observations up to each bound; the last pair has no bound.
    pub(super) fn cumulative(&self) -> impl Iterator<Item = (Option<f64>, u64)> + '_ {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        bounds.zip(self.buckets.iter().scan(0, |total, count| {
            *total += count;
            Some(*total)
        }))
    }

    /// The sum of all observations.
    pub(super) const fn sum(&self) -> f64 {
        self.sum
    }

    /// The number of observations.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}
