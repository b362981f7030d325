//! A counter that only grows.
