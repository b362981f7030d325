//! Ops, saved state, commands and value are others; reads the ops and the state of 1.x.

replicant_sdk::export!(tally_origin::Named);
