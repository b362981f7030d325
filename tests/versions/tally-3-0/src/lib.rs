//! Says that it reads the ops of 1.x, and cannot.

replicant_sdk::export!(tally_origin::Forgetful);
