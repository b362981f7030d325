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

/// Tells the node that so many of the ops that are being applied could not be read and have no
/// effect: it counts them and shows the count with the object.
#[cfg(target_arch = "wasm32")]
pub fn unread(ops: u32) {
    crate::guest::bindings::replicant::crdt::log::unread(ops);
}

/// Natively nobody counts.
#[cfg(not(target_arch = "wasm32"))]
pub fn unread(_ops: u32) {}

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
