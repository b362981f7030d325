//! Writes what the first version wrote, and reads what the second major one writes: the step
//! before the switch, and the way back.

replicant_sdk::export!(tally_origin::Plain<1>);
