//! Any bytes are a message with exactly these bytes, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use replicant_protocol::wire::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::from_bytes(bytes) {
        assert_eq!(message.to_bytes(), bytes);
    }
});
