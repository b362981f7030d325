//! An embeddable Replicant node.
