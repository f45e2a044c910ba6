//! RTP header extensions in the one-byte and two-byte form (RFC 8285).

/// Profile word of the one-byte form.
const ONE_BYTE: u16 = 0xbede;
/// Profile word of the two-byte form, without its four application bits.
const TWO_BYTE: u16 = 0x1000;

/// URI of the MID extension (RFC 8843 §15).
pub const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";

/// Iterates over the elements of an extension block; stops at the first malformed one.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [u8],
    two_byte: bool,
}

impl<'a> Elements<'a> {
    /// Iterates over a block with this profile word.
    #[must_use]
    pub fn new(profile: u16, block: &'a [u8]) -> Self {
        match profile {
            ONE_BYTE => Self { rest: block, two_byte: false },
            other if other & 0xfff0 == TWO_BYTE => Self { rest: block, two_byte: true },
            _ => Self::none(),
        }
    }

    /// Iterates over nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { rest: &[], two_byte: false }
    }

    fn take(&mut self, header: usize, length: usize) -> Option<&'a [u8]> {
        let data = self.rest.get(header..header + length)?;
        self.rest = self.rest.get(header + length..)?;
        Some(data)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((0, rest)) = self.rest.split_first() {
            self.rest = rest;
        }
        let element = if self.two_byte {
            let (&id, rest) = self.rest.split_first()?;
            let length = usize::from(*rest.first()?);
            self.take(2, length).map(|data| (id, data))
        } else {
            let &first = self.rest.first()?;
            let (id, length) = (first >> 4, usize::from(first & 0x0f) + 1);
            // Identifier 15 ends the block (RFC 8285 §4.2).
            if id == 15 { None } else { self.take(1, length).map(|data| (id, data)) }
        };
        if element.is_none() {
            self.rest = &[];
        }
        element
    }
}

/// Writes a block with its profile word and length, in one-byte form if possible. Returns the profile word.
pub fn write(elements: &[(u8, &[u8])], out: &mut Vec<u8>) -> u16 {
    let one_byte = elements.iter().all(|(id, data)| (1..=14).contains(id) && (1..=16).contains(&data.len()));
    let profile = if one_byte { ONE_BYTE } else { TWO_BYTE };
    out.extend_from_slice(&profile.to_be_bytes());
    let length_at = out.len();
    out.extend_from_slice(&[0, 0]);
    let start = out.len();
    for (id, data) in elements {
        let Ok(length) = u8::try_from(data.len()) else { continue };
        if one_byte {
            out.push(id << 4 | length.saturating_sub(1));
        } else {
            out.extend_from_slice(&[*id, length]);
        }
        out.extend_from_slice(data);
    }
    while !(out.len() - start).is_multiple_of(4) {
        out.push(0);
    }
    let words = u16::try_from((out.len() - start) / 4).unwrap_or(u16::MAX);
    if let Some(slot) = out.get_mut(length_at..length_at + 2) {
        slot.copy_from_slice(&words.to_be_bytes());
    }
    profile
}

#[cfg(test)]
mod tests;
