//! Packet loss concealment for codecs that have none of their own, by repetition of the last pitch period (similar to
//! ITU-T G.711 Appendix I). It becomes silent within 60 ms.

use super::pitch::{cross_fade, period};

/// Replaces lost samples of one source.
#[derive(Clone, Debug)]
pub struct Concealment {
    rate: u32,
    /// The last 20 ms that were decoded.
    history: Vec<i16>,
    /// The period that is repeated, if the last packet was lost.
    repeated: Option<Repetition>,
}

#[derive(Clone, Debug)]
struct Repetition {
    cycle: Vec<i16>,
    /// The number of samples since the loss.
    count: usize,
}

impl Repetition {
    /// Repeats the last period of `history`. The end of the cycle is faded into the samples before its begin, so that the
    /// repetitions join smoothly.
    fn new(history: &[i16], rate: u32) -> Self {
        let length = period(history, rate).map_or(history.len() / 2, |period| period.samples);
        let begin = history.len().saturating_sub(length);
        let joint = (length / 4).min(begin);
        let kept = history.get(begin..history.len() - joint).unwrap_or_default();
        let mut cycle = kept.to_vec();
        let end = history.get(history.len() - joint..).unwrap_or_default();
        let before = history.get(begin - joint..begin).unwrap_or_default();
        cross_fade(end, before, &mut cycle);
        Self { cycle, count: 0 }
    }

    /// Full amplitude for 10 ms, then falling to silence at 60 ms.
    fn next(&mut self, rate: u32) -> i16 {
        let sample = self.cycle.get(self.count % self.cycle.len().max(1)).copied().unwrap_or_default();
        let (full, silent) = (rate as usize / 100, rate as usize * 6 / 100);
        let position = self.count.clamp(full, silent);
        self.count += 1;
        let [rest, range] = [silent - position, silent - full].map(|samples| i64::try_from(samples).unwrap_or(1));
        i16::try_from(i64::from(sample) * rest / range.max(1)).unwrap_or_default()
    }
}

impl Concealment {
    /// Creates the state for a source with one channel.
    #[must_use]
    pub const fn new(rate: u32) -> Self {
        Self { rate, history: Vec::new(), repeated: None }
    }

    /// Processes decoded samples. After a loss, their first 4 ms are faded over from the concealment.
    pub fn decoded(&mut self, samples: &mut [i16]) {
        if let Some(mut repeated) = self.repeated.take() {
            let length = (self.rate as usize / 250).min(samples.len());
            let from: Vec<i16> = (0..length).map(|_| repeated.next(self.rate)).collect();
            let mut faded = Vec::with_capacity(length);
            if let Some(begin) = samples.get_mut(..length) {
                cross_fade(&from, begin, &mut faded);
                begin.copy_from_slice(&faded);
            }
        }
        let limit = self.rate as usize / 50;
        let kept = samples.get(samples.len().saturating_sub(limit)..).unwrap_or_default();
        let excess = (self.history.len() + kept.len()).saturating_sub(limit);
        self.history.drain(..excess.min(self.history.len()));
        self.history.extend_from_slice(kept);
    }

    /// Appends samples in place of those that were lost.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let (history, rate) = (&self.history, self.rate);
        let repeated = self.repeated.get_or_insert_with(|| Repetition::new(history, rate));
        out.extend((0..samples).map(|_| repeated.next(rate)));
    }
}

#[cfg(test)]
mod tests;
