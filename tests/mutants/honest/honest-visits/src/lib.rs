//! `Visits` without a twist: keeps to every law.

use mutant_origins::{HonestVisits, Visits};

replicant_sdk::export_delta!(Visits<HonestVisits>);
