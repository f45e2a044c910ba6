//! Numbers of flows.

use offhook_sip::transport::FlowId;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers flows of all transports. No number is used twice.
#[derive(Clone, Debug)]
pub(super) struct FlowNumbers(Arc<AtomicU64>);

impl FlowNumbers {
    /// Numbers from 1 on.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(1)))
    }

    /// The next number.
    pub(super) fn next(&self) -> FlowId {
        FlowId(self.0.fetch_add(1, Ordering::Relaxed))
    }
}
