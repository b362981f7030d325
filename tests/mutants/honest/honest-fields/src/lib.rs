//! `Fields` without a twist: keeps to every law.

use mutant_origins::{Fields, HonestFields};

replicant_sdk::export_delta!(Fields<HonestFields>);
