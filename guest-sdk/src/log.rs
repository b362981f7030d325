//! Messages for the node's log. They have no effect on anything replicated, and may be dropped.

/// Writes that something is wrong with the type itself.
pub fn error(message: &str) {
    write(0, message);
}

/// Writes that something unexpected came in and was left out.
pub fn warning(message: &str) {
    write(1, message);
}

/// Writes something that an operator may want to know.
pub fn info(message: &str) {
    write(2, message);
}

/// Writes something for the author of the type.
pub fn debug(message: &str) {
    write(3, message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: u8, message: &str) {
    crate::guest::bindings::replicant::crdt::log::write(level, message);
}

/// Natively, tests show it with the rest of their output.
#[cfg(not(target_arch = "wasm32"))]
fn write(level: u8, message: &str) {
    let names = ["error", "warning", "info", "debug"];
    eprintln!(
        "{}: {message}",
        names.get(usize::from(level)).unwrap_or(&"debug")
    );
}
