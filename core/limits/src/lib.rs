//! Limits on what sources may do.
//!
//! - [`RateLimit`]: a token bucket.
//! - [`Source`]: the unit that remote addresses are counted by.
//! - [`Lockouts`]: throttling of failed logins, by source and by source and login.
//! - [`Offenses`]: the rate-limited reports that the security log is made of.
//!
//! [`pairs`] is how maps with such keys are saved.
//!
//! All tables are bounded: an attacker with many addresses or many names replaces older entries and never adds memory.
#![forbid(unsafe_code)]

pub mod lockout;
pub mod offense;
pub mod pairs;
mod rate;
mod recent;
mod source;

pub use lockout::Lockouts;
pub use offense::Offenses;
pub use rate::RateLimit;
pub use recent::Recent;
pub use source::Source;
