//! Which of the interface's worlds a component implements.

use crate::error::LoadError;
use crate::{DELTA_BASED_INTERFACE, OP_BASED_INTERFACE};

/// The world that a component implements. Both offer the same calls on an
/// [`Instance`](crate::Instance): to the host a delta is an op.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum World {
    /// `op-type`: commands become ops, which every replica applies.
    OpBased,
    /// `delta-type`: commands become small states, which every replica merges.
    DeltaBased,
}

/// The functions that both interfaces have.
const SHARED_FUNCTIONS: [&str; 7] = [
    "describe",
    "[constructor]object",
    "[static]object.load",
    "[method]object.query",
    "[method]object.save",
    "[method]object.compact",
    "[method]object.sample",
];

impl World {
    /// Finds out which world a component with such exports implements.
    ///
    /// # Errors
    ///
    /// [`LoadError`] if it exports neither interface, or both.
    pub(crate) fn of(exports: &[String]) -> Result<Self, LoadError> {
        let has = |world: &Self| exports.iter().any(|name| name == world.interface());
        match (has(&Self::OpBased), has(&Self::DeltaBased)) {
            (true, false) => Ok(Self::OpBased),
            (false, true) => Ok(Self::DeltaBased),
            (true, true) => Err(LoadError::TwoWorlds),
            (false, false) => Err(LoadError::NoWorld),
        }
    }

    /// The interface that a component of this world exports.
    #[must_use]
    pub fn interface(self) -> &'static str {
        match self {
            Self::OpBased => OP_BASED_INTERFACE,
            Self::DeltaBased => DELTA_BASED_INTERFACE,
        }
    }

    /// What the interface calls the function that carries out commands.
    pub(crate) fn update(self) -> &'static str {
        match self {
            Self::OpBased => "update",
            Self::DeltaBased => "mutate",
        }
    }

    /// What the interface calls the function that takes what other replicas made.
    pub(crate) fn apply(self) -> &'static str {
        match self {
            Self::OpBased => "apply",
            Self::DeltaBased => "merge",
        }
    }

    /// The functions of the interface, as a component exports them.
    pub(crate) fn functions(self) -> impl Iterator<Item = &'static str> {
        let own = match self {
            Self::OpBased => ["[method]object.update", "[method]object.apply"],
            Self::DeltaBased => ["[method]object.mutate", "[method]object.merge"],
        };
        SHARED_FUNCTIONS.into_iter().chain(own)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_implements_one_world() {
        let of =
            |names: &[&str]| World::of(&names.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(of(&["init", OP_BASED_INTERFACE]), Ok(World::OpBased));
        assert_eq!(of(&[DELTA_BASED_INTERFACE]), Ok(World::DeltaBased));
        assert_eq!(
            of(&[OP_BASED_INTERFACE, DELTA_BASED_INTERFACE]),
            Err(LoadError::TwoWorlds)
        );
        assert_eq!(of(&["init"]), Err(LoadError::NoWorld));
    }
}
