//! Metrics of all planes in the Prometheus text format and in OpenMetrics.
//!
//! The state machines and planes count the values for other purposes, too; this module only writes them. The
//! `prometheus-client` crate is not used: it would hold a second copy of each counter, and it writes OpenMetrics only.

mod calls;
mod exposition;
mod histogram;
mod hooks;
mod process;
mod sources;
mod streams;

pub use calls::CallMetrics;
pub use exposition::Format;
pub use hooks::HookMetrics;
pub use sources::MetricSources;
pub(crate) use sources::dropped_by_reason;

use exposition::Exposition;

/// Returns all metrics.
#[must_use]
pub fn render(sources: &MetricSources<'_>, format: Format) -> String {
    let mut out = Exposition::new(format);
    sources.write_relay(&mut out);
    sources.write_calls(&mut out);
    sources.write_signaling(&mut out);
    sources.write_media(&mut out);
    sources.write_records(&mut out);
    sources.write_api(&mut out);
    sources.hooks.write(&mut out);
    process::write(&mut out);
    out.finish()
}

#[cfg(test)]
mod tests;
