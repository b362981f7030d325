//! Any bytes are a bundle with exactly these bytes, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicant_protocol::bundle::SignedBundle;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(bundle) = SignedBundle::decode(bytes) {
        assert_eq!(bundle.as_bytes(), bytes);
    }
});
