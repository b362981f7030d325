//! `Set` without a twist: keeps to every law.

use mutant_origins::Set;

replicant_sdk::export!(Set);
