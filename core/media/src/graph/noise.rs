//! Comfort noise (RFC 3389): the level of a payload, and noise of that level.

/// A generator of comfort noise. The spectrum in the payload is not used: the noise is white, with the high frequencies
/// attenuated.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ComfortNoise {
    amplitude: f32,
    state: u32,
    last: f32,
}

impl ComfortNoise {
    /// Creates a generator for a payload, whose first octet is the level in -dBov (RFC 3389 §3.1); `None` if it is empty.
    #[must_use]
    pub fn of(payload: &[u8]) -> Option<Self> {
        let level = f32::from(payload.first()? & 0x7f);
        // 0 dBov is the level of a square wave of full scale. White noise that is evenly distributed in -1 to 1 has the
        // effective value 1/√3; the filter reduces it by the factor √3.
        let amplitude = 3.0 * 32_767.0 * 10.0_f32.powf(-level / 20.0);
        Some(Self { amplitude, state: 0x2545_f491, last: 0.0 })
    }

    /// Appends samples.
    pub fn generate(&mut self, samples: usize, out: &mut Vec<i16>) {
        for _ in 0..samples {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 17;
            self.state ^= self.state << 5;
            let white = (self.state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            self.last = 0.5 * (self.last + white);
            out.push((self.last * self.amplitude).round() as i16);
        }
    }
}

#[cfg(test)]
mod tests;
