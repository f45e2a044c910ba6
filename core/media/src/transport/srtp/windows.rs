//! The replay windows of one direction, by SSRC.

use super::replay::Window;
use std::collections::BTreeMap;

/// Replay windows in the order of their SSRCs. The one that was used last is tried first, because nearly all packets of
/// a direction have one or two SSRCs.
#[derive(Clone, Debug, Default)]
pub(super) struct Windows {
    ssrcs: Vec<u32>,
    windows: Vec<Window>,
    last: usize,
}

impl Windows {
    fn place(&self, ssrc: u32) -> Result<usize, usize> {
        if self.ssrcs.get(self.last) == Some(&ssrc) { Ok(self.last) } else { self.ssrcs.binary_search(&ssrc) }
    }

    pub(super) fn get(&self, ssrc: u32) -> Option<&Window> {
        self.windows.get(self.place(ssrc).ok()?)
    }

    #[expect(clippy::indexing_slicing, reason = "both arrays have the same length")]
    pub(super) fn find_or_insert(&mut self, ssrc: u32) -> &mut Window {
        self.last = self.place(ssrc).unwrap_or_else(|place| {
            self.ssrcs.insert(place, ssrc);
            self.windows.insert(place, Window::default());
            place
        });
        &mut self.windows[self.last]
    }

    pub(super) const fn len(&self) -> usize {
        self.ssrcs.len()
    }

    pub(super) fn to_map(&self) -> BTreeMap<u32, Window> {
        self.ssrcs.iter().copied().zip(self.windows.iter().copied()).collect()
    }

    pub(super) fn from_map(map: BTreeMap<u32, Window>) -> Self {
        let (ssrcs, windows) = map.into_iter().unzip();
        Self { ssrcs, windows, last: 0 }
    }
}
