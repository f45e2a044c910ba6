//! The half of the protocol that runs in the relay.
