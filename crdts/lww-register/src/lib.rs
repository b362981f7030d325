//! A register whose last write wins.
