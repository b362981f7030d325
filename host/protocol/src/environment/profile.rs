//! Points in the space of environments that have a name.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Environment;

/// A named environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Several nodes on one machine.
    Local,
    /// One data centre or office.
    Lan,
    /// Several data centres.
    Wan,
    /// Devices that come and go, on links that lose.
    Edge,
}

/// A text that names no profile. Whoever wrote it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no profile `{text}`; choose one of local, lan, wan, edge")]
pub struct ProfileError {
    text: String,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Local, Self::Lan, Self::Wan, Self::Edge];

    /// The environment that it names.
    pub fn environment(self) -> Environment {
        match self {
            Self::Local => Environment::local(),
            Self::Lan => Environment::lan(),
            Self::Wan => Environment::wan(),
            Self::Edge => Environment::edge(),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Local => "local",
            Self::Lan => "lan",
            Self::Wan => "wan",
            Self::Edge => "edge",
        })
    }
}

impl FromStr for Profile {
    type Err = ProfileError;

    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let named = Self::ALL.into_iter().find(|of| of.to_string() == text);
        named.ok_or_else(|| ProfileError { text: text.into() })
    }
}

impl Environment {
    /// Several nodes on one machine: what takes time is the scheduler.
    pub fn local() -> Self {
        Self {
            reliability: 0.999,
            round_trip: Duration::from_millis(75),
            loss: 0.0,
            expected_size: 10,
            worst_loss: 0.5,
            miss: 1e-6,
        }
    }

    /// One data centre or office.
    pub fn lan() -> Self {
        Self {
            reliability: 0.999,
            round_trip: Duration::from_millis(100),
            loss: 0.001,
            expected_size: 1_000,
            worst_loss: 0.5,
            miss: 1e-6,
        }
    }

    /// Several data centres, continents apart.
    pub fn wan() -> Self {
        Self {
            reliability: 0.99,
            round_trip: Duration::from_millis(400),
            loss: 0.01,
            expected_size: 1_000,
            worst_loss: 0.7,
            miss: 1e-6,
        }
    }

    /// Devices that come and go, on links that lose.
    pub fn edge() -> Self {
        Self {
            reliability: 0.8,
            round_trip: Duration::from_secs(1),
            loss: 0.05,
            expected_size: 10_000,
            worst_loss: 0.9,
            miss: 1e-6,
        }
    }
}
