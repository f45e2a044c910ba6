//! Logs, to the standard error stream.

use tracing_subscriber::EnvFilter;

/// Turns logging on, filtered by `OFFHOOK_LOG` (`info` when that is not set, or not understood).
pub fn start() {
    let filter = EnvFilter::try_from_env("OFFHOOK_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if subscriber.try_init().is_err() {
        tracing::debug!("logging was on already");
    }
}
