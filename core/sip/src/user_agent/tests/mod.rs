//! Tests of the user agent through its inputs and outputs.

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
mod simulation;
mod tables;
mod timers;
