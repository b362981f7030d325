//! `List` without a twist: keeps to every law.

use mutant_origins::List;

replicant_sdk::export!(List);
