//! What can go wrong in a call, in terms that a person can act on: which module, which export,
//! which limit.

use std::fmt;
use std::time::Duration;

/// A call that did not return. Displayed as
/// `or-set@0.1.0: update ran out of fuel (limit 1,000,000,000)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `name@version` of the module, or the start of its hash while it has not said its name.
    pub module: String,
    /// What was called, as `op-based.wit` names it: `update`, `apply`, `new`…; `instantiate` for
    /// making an instance, `release` for dropping an object.
    pub export: &'static str,
    /// What happened.
    pub kind: FaultKind,
}

/// What happened in a call.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The guest trapped. The guest's fault; the instance is dead.
    Trap {
        /// What the trap was.
        reason: String,
    },
    /// The guest used up its fuel. The guest's fault; the instance is dead.
    OutOfFuel {
        /// The fuel that the call had.
        limit: u64,
    },
    /// The guest recursed too deeply. The guest's fault; the instance is dead.
    Stack {
        /// Bytes of native stack that a call may use.
        limit: usize,
    },
    /// The call took longer than the back-stop allows. It depends on the machine, so it decides
    /// nothing that is replicated. The instance is dead.
    Deadline {
        /// How long a call may take.
        limit: Duration,
    },
    /// The guest wanted more memory than it may have. The guest's fault; the instance is dead.
    Memory {
        /// Bytes, over all memories of the instance.
        limit: u64,
    },
    /// The guest wanted larger tables than it may have. The guest's fault; the instance is dead.
    Table {
        /// Elements, over all tables of the instance.
        limit: u64,
    },
    /// The guest made more handles than it may have. The guest's fault; the instance is dead.
    Handles {
        /// Handles of one instance: some more than objects.
        limit: usize,
    },
    /// The result was larger than allowed. The guest's fault; the instance is dead.
    Output {
        /// Bytes of one result.
        limit: u64,
        /// How large it was, if that was found out.
        size: Option<u64>,
    },
    /// One op was larger than an op may be. The guest's fault; the instance is dead.
    Op {
        /// Bytes of one op.
        limit: u64,
        /// How large the largest was.
        size: u64,
    },
    /// The result, or what the guest passed to the log, breaks a rule of the interface. The guest's
    /// fault; the instance is dead.
    Malformed {
        /// Which rule, and how.
        reason: String,
    },
    /// The arguments were larger than allowed. The caller's fault; nothing was called.
    Input {
        /// Bytes of all arguments.
        limit: u64,
        /// How large they were.
        size: u64,
    },
    /// The arguments break a rule that the host promises to guests, such as increasing counters
    /// or a schema version that the module reads. The caller's fault; nothing was called.
    Arguments {
        /// Which rule, and how.
        reason: String,
    },
    /// The handle is not of a live object of this instance. The caller's fault; nothing was
    /// called.
    Handle,
    /// The instance holds as many objects as it may. The caller's fault; nothing was called.
    Objects {
        /// Objects of one instance.
        limit: u32,
    },
    /// An earlier call ended this instance. Nothing was called; make another instance.
    Dead {
        /// What had happened then, as a sentence.
        cause: String,
    },
    /// All places for instances are taken. The environment's fault; nothing was made. Drop an
    /// instance and try again.
    NoRoom {
        /// What there are no more of, with the limit.
        reason: String,
    },
    /// The host itself failed. The environment's fault or a bug of ours; the instance is dead.
    Host {
        /// What failed.
        reason: String,
    },
}

impl Fault {
    /// Whether every node sees this fault at this call on this state: it is the guest's doing, and
    /// neither the caller's, nor the machine's. Only such faults may decide something replicated.
    #[must_use]
    pub fn is_guests(&self) -> bool {
        match self.kind {
            FaultKind::Trap { .. }
            | FaultKind::OutOfFuel { .. }
            | FaultKind::Stack { .. }
            | FaultKind::Memory { .. }
            | FaultKind::Table { .. }
            | FaultKind::Handles { .. }
            | FaultKind::Output { .. }
            | FaultKind::Op { .. }
            | FaultKind::Malformed { .. } => true,
            FaultKind::Deadline { .. }
            | FaultKind::Input { .. }
            | FaultKind::Arguments { .. }
            | FaultKind::Handle
            | FaultKind::Objects { .. }
            | FaultKind::Dead { .. }
            | FaultKind::NoRoom { .. }
            | FaultKind::Host { .. } => false,
        }
    }

    /// Whether the instance is unusable after this fault.
    #[must_use]
    pub fn ends_instance(&self) -> bool {
        match self.kind {
            FaultKind::Deadline { .. } | FaultKind::Host { .. } | FaultKind::Dead { .. } => true,
            _ => self.is_guests(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.module, self.export, self.kind)
    }
}

impl std::error::Error for Fault {}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trap { reason } => write!(f, "trapped: {reason}"),
            Self::OutOfFuel { limit } => {
                write!(f, "ran out of fuel (limit {})", Grouped(*limit))
            }
            Self::Stack { limit } => {
                let limit = Grouped(*limit as u64);
                write!(f, "exhausted its call stack (limit {limit} bytes)")
            }
            Self::Deadline { limit } => {
                write!(f, "took too long (limit {} s)", limit.as_secs_f32())
            }
            Self::Memory { limit } => {
                let limit = Grouped(*limit);
                write!(f, "wanted too much memory (limit {limit} bytes)")
            }
            Self::Table { limit } => {
                let limit = Grouped(*limit);
                write!(f, "wanted too large tables (limit {limit} elements)")
            }
            Self::Handles { limit } => {
                let limit = Grouped(*limit as u64);
                write!(f, "made too many handles (limit {limit})")
            }
            Self::Output { limit, size } => {
                f.write_str("returned ")?;
                match size {
                    Some(size) => write!(f, "{} bytes", Grouped(*size))?,
                    None => f.write_str("too much")?,
                }
                write!(f, " (limit {} bytes)", Grouped(*limit))
            }
            Self::Op { limit, size } => {
                let (limit, size) = (Grouped(*limit), Grouped(*size));
                write!(f, "made an op of {size} bytes (limit {limit})")
            }
            Self::Malformed { reason } => write!(f, "broke the interface: {reason}"),
            Self::Input { limit, size } => write!(
                f,
                "was not called: its arguments are {} bytes (limit {})",
                Grouped(*size),
                Grouped(*limit)
            ),
            Self::Arguments { reason } => write!(f, "was not called: {reason}"),
            Self::Handle => f.write_str("was not called: the object was released or is not here"),
            Self::Objects { limit } => write!(
                f,
                "was not called: the instance is full (limit {} objects)",
                Grouped(u64::from(*limit))
            ),
            Self::Dead { cause } => {
                write!(f, "was not called: the instance ended before ({cause})")
            }
            Self::NoRoom { reason } => write!(f, "found no room: {reason}"),
            Self::Host { reason } => write!(f, "failed in the host: {reason}"),
        }
    }
}

/// What a call with an answer of its own can end in besides success.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The type refused, in its own words (cut at
    /// [`MESSAGE_BYTES_MAX`](crate::MESSAGE_BYTES_MAX)). The caller's fault; nothing changed and
    /// the instance goes on.
    #[error("{0}")]
    Refused(String),
    /// The call did not return.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A number with a comma between groups of three digits.
pub(crate) struct Grouped(pub(crate) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.char_indices() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_names_module_export_and_limit() {
        let fault = Fault {
            module: "or-set@0.1.0".to_owned(),
            export: "update",
            kind: FaultKind::OutOfFuel {
                limit: 1_000_000_000,
            },
        };
        assert_eq!(
            fault.to_string(),
            "or-set@0.1.0: update ran out of fuel (limit 1,000,000,000)"
        );
        assert!(fault.is_guests() && fault.ends_instance());
    }

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(Grouped(number).to_string(), text);
        }
    }
}
