//! Rate limits, login lockouts and offense reports by source address.
//!
//! - [`RateLimit`]: a token bucket.
//! - [`SourceNetwork`]: an IPv4 address or an IPv6 /64 network, the unit of all limits by remote address.
//! - [`Lockouts`]: throttling of failed logins, by source and by source and login.
//! - [`Offenses`]: rate-limited reports for the security log.
//! - [`Recent`]: a map of bounded size, in which a new entry replaces the least recently used one.
//!
//! [`pairs`] serializes maps whose keys are not strings.
//!
//! All tables are bounded: an attacker with many addresses or many names replaces older entries and does not increase memory.
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
pub use source::SourceNetwork;
