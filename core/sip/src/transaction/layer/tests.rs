//! The layer between two ends.
