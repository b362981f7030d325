//! `Balance` without a twist: keeps to every law.

use mutant_origins::Balance;

replicant_sdk::export!(Balance);
