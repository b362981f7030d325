//! How large a bundle and its parts may be. Part of the format: equal on all nodes, or some would
//! refuse what others deliver.

/// Bytes of a body. Small enough that one bundle fits into a frame twice, large enough for every
/// op that is allowed.
pub const BODY_BYTES_MAX: usize = 4 << 20;
/// Bytes of a whole signed bundle: the body, its header of five bytes, the signature, and the
/// array around them.
pub const SIGNED_BYTES_MAX: usize = BODY_BYTES_MAX + 1 + 5 + 66;
/// Ops of one bundle.
pub const OPS_MAX: usize = 65_536;
/// Objects that one bundle touches; each op touches one.
pub const OBJECTS_MAX: usize = OPS_MAX;
/// Bytes of one op.
pub const OP_BYTES_MAX: usize = 1 << 20;
/// Dependencies of one bundle: one on every replica that a version can name.
pub const DEPENDENCIES_MAX: usize = crate::version::REPLICAS_MAX;

/// Memory of a decoded op besides its bytes, about.
pub(crate) const OP_MEMORY_BYTES: usize = 56;
/// Memory of a decoded object, about.
pub(crate) const OBJECT_MEMORY_BYTES: usize = 160;
/// Memory of a decoded dependency.
pub(crate) const DEPENDENCY_MEMORY_BYTES: usize = 48;
/// Memory of the largest decoded bundle is below this: 4 MiB of bytes, the same again in ops, and
/// 14 MB for as many ops, objects and dependencies as there can be.
pub const MEMORY_BYTES_MAX: usize = 24 << 20;
