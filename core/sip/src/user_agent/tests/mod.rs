//! The user agent from outside: what goes in, what comes out, when.

mod accounts;
mod bench;
mod destinations;
mod early;
mod exchanges;
mod hostile;
mod inbound;
mod outbound;
mod phone_domains;
mod phones;
mod referrals;
mod replacing;
mod requests;
mod scripts;
mod simulation;
mod tables;
mod timers;
