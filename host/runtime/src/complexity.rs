//! What makes functions slow to compile besides their size, and how much of it there may be.
//!
//! The compiler puts every local variable through every place where control flow meets, so small
//! functions can keep it busy for minutes: one of 17 KB took a gigabyte. The limits leave three
//! to sixteen times what the largest useful components have (Python's interpreter; its figures
//! stand with them). They keep out what is far from useful. No count tells all else apart: in a
//! function that is made for it, the time grows with the square of what branches carry, and one of
//! 14 KB with 100 local variables and 1,250 branches took more than a minute. That is for the limit
//! on the compiler's processor time.

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
/// Branches in one function, each way that a table can go counted. Python: 15,943.
const BRANCHES_MAX: u64 = 50_000;
/// Local variables times blocks and branches, in one function and in all. Python: 221,678 and
/// 4,987,522.
const MEETINGS_MAX: u64 = 1_000_000;
const MEETINGS_TOTAL_MAX: u64 = 20_000_000;
/// Blocks times branches, in one function and in all. Python: 16,944,840 and 43,177,629.
const JUMPS_MAX: u64 = 50_000_000;
const JUMPS_TOTAL_MAX: u64 = 200_000_000;
/// A loop takes as long as so many blocks, since what comes around is not known at its start.
const BLOCKS_OF_LOOP: u64 = 8;

/// Parameters and results of one function type. Python: 18 and 1.
pub(crate) const PARAMETERS_MAX: u64 = 100;
pub(crate) const RESULTS_MAX: u64 = 4;

/// All of these.
pub(crate) const LIMITS: [u64; 12] = [
    FUNCTION_BYTES_MAX,
    NESTING_MAX,
    LOCALS_MAX,
    CALLS_MAX,
    BRANCHES_MAX,
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
        check_count("branches in one function", function.branches, BRANCHES_MAX)?;
        let edges = function.blocks + function.branches + BLOCKS_OF_LOOP * function.loops;
        let meetings = locals * edges;
        check_count(
            "locals times blocks and branches in one function",
            meetings,
            MEETINGS_MAX,
        )?;
        let jumps = (function.blocks + function.loops) * function.branches;
        check_count("blocks times branches in one function", jumps, JUMPS_MAX)?;
        self.meetings += meetings;
        check_count(
            "locals times blocks and branches",
            self.meetings,
            MEETINGS_TOTAL_MAX,
        )?;
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
                Operator::Br { .. } | Operator::BrIf { .. } => found.branches += 1,
                // One for each index, and one for all others.
                Operator::BrTable { targets } => found.branches += 1 + u64::from(targets.len()),
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

/// Those that a refusal names, by that name.
#[cfg(test)]
pub(crate) fn named_limits() -> [(&'static str, u64); 11] {
    [
        ("bytes in one function", FUNCTION_BYTES_MAX),
        ("locals in one function", LOCALS_MAX),
        ("nested blocks", NESTING_MAX),
        ("calls in one function", CALLS_MAX),
        ("branches in one function", BRANCHES_MAX),
        (
            "locals times blocks and branches in one function",
            MEETINGS_MAX,
        ),
        ("locals times blocks and branches", MEETINGS_TOTAL_MAX),
        ("blocks times branches in one function", JUMPS_MAX),
        ("blocks times branches", JUMPS_TOTAL_MAX),
        ("parameters of one function", PARAMETERS_MAX),
        ("results of one function", RESULTS_MAX),
    ]
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
        check_bound("branches in one function", 50_000, |count| {
            format!("(func {})", "(br_if 0 (i32.const 0)) ".repeat(count))
        });
        check_bound("branches in one function", 49_999, |count| {
            format!("(func (br_table {} 0 (i32.const 0)))", "0 ".repeat(count))
        });
    }

    #[test]
    fn what_takes_time_together_is_bounded_together() {
        let locals = "i32 ".repeat(1_000);
        let in_one = "locals times blocks and branches in one function";
        check_bound(in_one, 1_000, |count| {
            format!("(func (local {locals}) {})", nested("block", count, ""))
        });
        check_bound(in_one, 125, |count| {
            format!("(func (local {locals}) {})", nested("loop", count, ""))
        });
        check_bound(in_one, 1_000, |count| {
            let branches = "(br_if 0 (i32.const 0)) ".repeat(count);
            format!("(func (local {locals}) {branches})")
        });
        check_bound("blocks times branches in one function", 25_000, |count| {
            let branches = "(br_if 0 (i32.const 0)) ".repeat(count);
            format!("(func {})", nested("block", 2_000, &branches))
        });
        check_bound("locals times blocks and branches (limit", 20, |count| {
            let function = format!("(func (local {locals}) {})", nested("block", 1_000, ""));
            function.repeat(count)
        });
        check_bound("blocks times branches (limit", 5, |count| {
            let branches = "(br_if 0 (i32.const 0)) ".repeat(40_000);
            format!("(func {})", nested("block", 1_000, &branches)).repeat(count)
        });
    }
}
