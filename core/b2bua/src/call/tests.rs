//! The call machine in virtual time.
