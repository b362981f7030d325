//! Loads what 1.x saved before anything was added as something that its ops never make. Breaks
//! `older-states-load`.

replicant_sdk::export!(tally_origin::Wrong);
