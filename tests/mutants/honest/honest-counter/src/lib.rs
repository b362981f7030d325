//! `Counter` without a twist: keeps to every law.

use mutant_origins::Counter;

replicant_sdk::export!(Counter);
