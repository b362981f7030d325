//! The network driver: sockets, sessions, timers; membership, broadcast and content beneath it.
//
// Being written by a second engineer, in parallel with `topics` and `storage`; its boundary to the
// rest of the node is `NetworkHandle` (commands in) and `NetworkEvent` (a bounded channel out).
