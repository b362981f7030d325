//! Where a node listens, as text in a message.

use std::net::SocketAddr;

/// Longer texts are no socket address: an IPv6 address with scope and port has at most 58.
const ADDRESS_BYTES_MAX: usize = 64;

/// Reads an address that somebody can be reached at and that has its one form; or says what is
/// wrong with it.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, &'static str> {
    if text.len() > ADDRESS_BYTES_MAX {
        return Err("address too long");
    }
    let address: SocketAddr = text.parse().map_err(|_| "not a socket address")?;
    if address.to_string() != text {
        return Err("address in an unusual form");
    }
    if address.ip().is_unspecified() || address.port() == 0 {
        return Err("nobody can be reached at this address");
    }
    Ok(address)
}
