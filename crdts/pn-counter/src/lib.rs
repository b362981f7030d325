//! A counter that grows and shrinks.
