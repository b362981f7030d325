//! An add-wins set without tombstones.
