//! Assignment of flow numbers.

use offhook_sip::transport::FlowId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Assigns numbers to the flows of all transports. No number is used twice.
#[derive(Clone, Debug)]
pub(super) struct FlowNumbers(Arc<AtomicU64>);

impl FlowNumbers {
    /// Creates an instance whose first number is 1.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1)))
    }

    /// Returns the next number.
    pub(super) fn next(&self) -> FlowId {
        FlowId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}
