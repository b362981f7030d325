//! `Register` without a twist: keeps to every law.

use mutant_origins::Register;

replicant_sdk::export!(Register);
