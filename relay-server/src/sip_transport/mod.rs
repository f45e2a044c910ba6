//! SIP on the network: sockets, connections and names.

pub mod resolver;
