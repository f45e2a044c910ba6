//! The pitch period of decoded audio: the shift at which a signal resembles itself most. Concealment repeats periods, and
//! time stretching removes or inserts one.

/// The shortest period, 2.5 ms, as a divisor of the sample rate.
const SHORTEST: u32 = 400;
/// The longest period, 10 ms.
const LONGEST: u32 = 100;
/// The rate to which the search subsamples.
const SEARCH_RATE: u32 = 8000;

/// A period of a signal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    /// The number of samples.
    pub samples: usize,
    /// The normalised correlation of one period with the next, at most 1; 1 in silence.
    pub correlation: f32,
}

/// Returns the period at the end of `signal`, which must have at least 20 ms; `None` if it is shorter.
#[must_use]
pub fn period(signal: &[i16], rate: u32) -> Option<Period> {
    let (shortest, longest) = ((rate / SHORTEST) as usize, (rate / LONGEST) as usize);
    let recent = signal.get(signal.len().checked_sub(2 * longest)?..)?;
    let step = (rate / SEARCH_RATE).max(1) as usize;
    let coarse = best(recent, longest, (shortest..=longest).step_by(step), step)?;
    if step == 1 {
        return Some(coarse);
    }
    let around = coarse.samples.saturating_sub(step - 1).max(shortest)..=(coarse.samples + step - 1).min(longest);
    best(recent, longest, around, step)
}

/// Compares the last `window` samples with those before, for each shift.
fn best(recent: &[i16], window: usize, shifts: impl Iterator<Item = usize>, step: usize) -> Option<Period> {
    let candidates = shifts.filter_map(|samples| {
        let late = recent.get(recent.len() - window..)?;
        let early = recent.get(recent.len() - window - samples..recent.len() - samples)?;
        Some(Period { samples, correlation: correlation(late, early, step) })
    });
    candidates.max_by(|a, b| a.correlation.total_cmp(&b.correlation))
}

fn correlation(a: &[i16], b: &[i16], step: usize) -> f32 {
    let (mut product, mut energy_a, mut energy_b) = (0_i64, 0_i64, 0_i64);
    for (a, b) in a.iter().step_by(step).zip(b.iter().step_by(step)) {
        let (a, b) = (i64::from(*a), i64::from(*b));
        product += a * b;
        energy_a += a * a;
        energy_b += b * b;
    }
    if energy_a == 0 && energy_b == 0 {
        return 1.0;
    }
    let energy = (energy_a as f32).sqrt() * (energy_b as f32).sqrt();
    if energy > 0.0 { product as f32 / energy } else { 0.0 }
}

/// Appends `to` to `out`, faded over from `from` along its whole length. Both have the same length.
pub fn cross_fade(from: &[i16], to: &[i16], out: &mut Vec<i16>) {
    let length = i32::try_from(from.len().min(to.len())).unwrap_or(i32::MAX).max(1);
    let faded = (0..length).zip(from.iter().zip(to)).map(|(index, (from, to))| {
        let sum = i64::from(*from) * i64::from(length - index) + i64::from(*to) * i64::from(index);
        i16::try_from(sum / i64::from(length)).unwrap_or_default()
    });
    out.extend(faded);
}

#[cfg(test)]
mod tests;
