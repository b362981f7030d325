//! The protocols of Replicant as plain state machines: no socket, no clock, no thread, no randomness of their own.
