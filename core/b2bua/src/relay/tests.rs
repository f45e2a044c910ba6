//! Call flows without a socket, in virtual time.
