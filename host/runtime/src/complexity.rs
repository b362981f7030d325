//! What makes functions slow to compile besides their size, and how much of it there may be.
//!
//! The compiler puts every local variable through every place where control flow meets, so small
//! functions can keep it busy for minutes: one of 17 KB took a gigabyte. The limits leave three
//! to sixteen times what the largest useful components have (Python's interpreter; its figures
//! stand with them), and up to them a function takes seconds.

use wasmparser::{FunctionBody, Operator};

use crate::error::LoadError;

/// Bytes of one function. Python: 426,843.
const FUNCTION_BYTES_MAX: u64 = 1 << 20;
/// Blocks inside of blocks in one function. The time grows with the square of it: 50,000 took ten
/// seconds in 150 KB.
const NESTING_MAX: u64 = 2_000;
/// Local variables of one function. Python: 271.
const LOCALS_MAX: u64 = 2_000;
/// Calls in one function. Python: 3,112.
const CALLS_MAX: u64 = 50_000;
/// Local variables times blocks, in one function and in all. Python: 134,687 and 2,554,158.
const MEETINGS_MAX: u64 = 1_000_000;
const MEETINGS_TOTAL_MAX: u64 = 20_000_000;
/// Blocks times branches, in one function and in all. Python: 16,944,840 and 42,932,791.
const JUMPS_MAX: u64 = 50_000_000;
const JUMPS_TOTAL_MAX: u64 = 200_000_000;
/// A loop takes as long as so many blocks, since what comes around is not known at its start.
const BLOCKS_OF_LOOP: u64 = 8;

/// Parameters and results of one function type. Python: 18 and 1.
pub(crate) const PARAMETERS_MAX: u64 = 100;
pub(crate) const RESULTS_MAX: u64 = 4;

/// All of these.
pub(crate) const LIMITS: [u64; 11] = [
    FUNCTION_BYTES_MAX,
    NESTING_MAX,
    LOCALS_MAX,
    CALLS_MAX,
    MEETINGS_MAX,
    MEETINGS_TOTAL_MAX,
    JUMPS_MAX,
    JUMPS_TOTAL_MAX,
    BLOCKS_OF_LOOP,
    PARAMETERS_MAX,
    RESULTS_MAX,
];

/// The complexity of all functions of a component so far.
#[derive(Default)]
pub(crate) struct Complexity {
    meetings: u64,
    jumps: u64,
}

impl Complexity {
    /// Looks at one more function.
    pub(crate) fn add(&mut self, body: &FunctionBody<'_>) -> Result<(), LoadError> {
        let range = body.range();
        let size = (range.end - range.start) as u64;
        check_count("bytes in one function", size, FUNCTION_BYTES_MAX)?;
        let mut locals: u64 = 0;
        for group in body.get_locals_reader().map_err(invalid)? {
            let (count, _) = group.map_err(invalid)?;
            locals += u64::from(count);
        }
        check_count("locals in one function", locals, LOCALS_MAX)?;
        let function = Function::of(body).map_err(invalid)?;
        check_count("nested blocks", function.deepest, NESTING_MAX)?;
        check_count("calls in one function", function.calls, CALLS_MAX)?;
        let meetings = locals * (function.blocks + BLOCKS_OF_LOOP * function.loops);
        check_count(
            "locals times blocks in one function",
            meetings,
            MEETINGS_MAX,
        )?;
        let jumps = (function.blocks + function.loops) * function.branches;
        check_count("blocks times branches in one function", jumps, JUMPS_MAX)?;
        self.meetings += meetings;
        check_count("locals times blocks", self.meetings, MEETINGS_TOTAL_MAX)?;
        self.jumps += jumps;
        check_count("blocks times branches", self.jumps, JUMPS_TOTAL_MAX)
    }
}

/// What is counted in one function.
#[derive(Default)]
struct Function {
    deepest: u64,
    blocks: u64,
    loops: u64,
    branches: u64,
    calls: u64,
}

impl Function {
    fn of(body: &FunctionBody<'_>) -> wasmparser::Result<Self> {
        let mut reader = body.get_operators_reader()?;
        let (mut found, mut depth) = (Self::default(), 0_u64);
        while !reader.eof() {
            match reader.read()? {
                Operator::Block { .. } | Operator::If { .. } | Operator::TryTable { .. } => {
                    found.blocks += 1;
                    depth += 1;
                }
                Operator::Loop { .. } => {
                    found.loops += 1;
                    depth += 1;
                }
                // One more than there are blocks: the function's own.
                Operator::End => depth = depth.saturating_sub(1),
                Operator::Br { .. } | Operator::BrIf { .. } | Operator::BrTable { .. } => {
                    found.branches += 1;
                }
                Operator::Call { .. } | Operator::CallIndirect { .. } => found.calls += 1,
                _ => {}
            }
            found.deepest = found.deepest.max(depth);
        }
        Ok(found)
    }
}

pub(crate) fn check_count(what: &'static str, count: u64, limit: u64) -> Result<(), LoadError> {
    if count > limit {
        return Err(LoadError::TooMany { what, count, limit });
    }
    Ok(())
}

pub(crate) fn invalid(error: wasmparser::BinaryReaderError) -> LoadError {
    LoadError::Invalid(error.to_string())
}

#[cfg(test)]
mod tests {
    use wasmparser::{Parser, Payload};

    use super::*;

    /// What is complained of in a module with these functions.
    fn complaint(functions: &str) -> Option<String> {
        let module = wat::parse_str(format!("(module {functions})")).unwrap();
        let mut complexity = Complexity::default();
        for payload in Parser::new(0).parse_all(&module) {
            if let Payload::CodeSectionEntry(body) = payload.unwrap()
                && let Err(error) = complexity.add(&body)
            {
                return Some(error.to_string());
            }
        }
        None
    }

    /// Checks that `make(count)` passes, and that one more does not.
    fn check_bound(what: &str, count: usize, make: impl Fn(usize) -> String) {
        assert_eq!(complaint(&make(count)), None, "{what}");
        let text = complaint(&make(count + 1)).unwrap_or_default();
        assert!(text.contains(what), "{what}: {text}");
    }

    fn nested(kind: &str, count: usize, inside: &str) -> String {
        let (begin, end) = (format!("{kind} ").repeat(count), "end ".repeat(count));
        format!("{begin} {inside} {end}")
    }

    #[test]
    fn each_count_is_bounded_to_the_last_one() {
        // Two bytes are no instruction of ours: the count of locals and the end.
        check_bound("bytes in one function", (1 << 20) - 2, |count| {
            format!("(func {})", "nop ".repeat(count))
        });
        check_bound("locals in one function", 2_000, |count| {
            format!("(func (local {}))", "i32 ".repeat(count))
        });
        check_bound("nested blocks", 2_000, |count| {
            format!("(func {})", nested("block", count, ""))
        });
        check_bound("calls in one function", 50_000, |count| {
            format!("(func $f {})", "(call $f) ".repeat(count))
        });
    }

    #[test]
    fn what_takes_time_together_is_bounded_together() {
        let locals = "i32 ".repeat(1_000);
        check_bound("locals times blocks in one function", 1_000, |count| {
            format!("(func (local {locals}) {})", nested("block", count, ""))
        });
        check_bound("locals times blocks in one function", 125, |count| {
            format!("(func (local {locals}) {})", nested("loop", count, ""))
        });
        check_bound("blocks times branches in one function", 50_000, |count| {
            let branches = "(br_if 0 (i32.const 0)) ".repeat(count);
            format!("(func {})", nested("block", 1_000, &branches))
        });
        check_bound("locals times blocks (limit", 20, |count| {
            let function = format!("(func (local {locals}) {})", nested("block", 1_000, ""));
            function.repeat(count)
        });
        check_bound("blocks times branches (limit", 5, |count| {
            let branches = "(br_if 0 (i32.const 0)) ".repeat(40_000);
            format!("(func {})", nested("block", 1_000, &branches)).repeat(count)
        });
    }
}
