//! `Tally` without a twist: keeps to every law.

use mutant_origins::Tally;

replicant_sdk::export!(Tally);
