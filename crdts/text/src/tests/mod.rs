//! Tests of the algebra: many replicas, random edits, random causal orders of delivery, liars.

mod batches;
mod convergence;
mod hostile;
mod interleaving;
mod reference;
mod world;

replicant_sdk::laws!(crate::Text);
