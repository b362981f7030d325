//! The first version: reads nothing but its own ops.

replicant_sdk::export!(tally_origin::Plain<0>);
