//! Canonical bytes of a state: they follow from the ops that arrived and from nothing else.
//!
//! ```text
//! saved      1 replicas runs visibility text waiting doomed; a list begins with its length
//! replica    8 bytes name, the lowest first; the number it gives next. Ascending by name
//! run        flags, then what they ask for, then length
//! flags      bits 0-1: 0 continues, 1 after, 2 before; bit 2 the first character has left
//!            children, bit 3 the last has right ones; bit 4 the parent is on the left stack,
//!            bit 5 the right origin is on the right stack, bit 6 it is the end of the text;
//!            bit 7 same replica as the run before
//! continues  how many to take off the left stack
//! others     [replica] number [parent] [right origin]; the number relative to the end of the
//!            last run of that replica; parent and right origin as depth in their stack, or else
//!            as reference
//! reference  0 the root, or replica + 1 and its number relative to the run's own
//! visibility lengths of stretches of the whole document, in turn visible and deleted
//! text       the visible characters in UTF-8
//! waiting    replica, op as in `op`, with its length before it
//! doomed     8 bytes name, number, length
//! ```
//!
//! Runs are as long as the tree allows, whether visible or not. The left stack holds the last
//! characters of the runs so far that something on the right may still hang on: the traversal of a
//! tree is nested like parentheses. What is at depth *n* is found by taking *n* off; it stays
//! itself. The right stack is the same from the end of the document, for first characters; looking
//! up a right origin takes nothing off, looking up the parent of a left child does.

use crate::id::Id;
use crate::op::Op;
use crate::run::{Kind, RUN_CHARS_MAX, Run};
use crate::sequence::Sequence;
use crate::text::Text;
use crate::varint;

/// The version of this layout.
pub(crate) const FORMAT: u8 = 1;
pub(crate) const HAS_LEFT: u8 = 1 << 2;
pub(crate) const HAS_RIGHT: u8 = 1 << 3;
pub(crate) const PARENT_STACKED: u8 = 1 << 4;
pub(crate) const RIGHT_STACKED: u8 = 1 << 5;
pub(crate) const RIGHT_END: u8 = 1 << 6;
pub(crate) const SAME_REPLICA: u8 = 1 << 7;

/// How deep a stack is searched for what need not be in it.
const DEPTH_MAX: usize = 64;

impl Text {
    /// Returns the state as canonical bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORMAT];
        let mut canonical = vec![0; self.replicas.len()];
        varint::push(&mut out, self.replicas.len() as u64);
        for (position, (name, index, next)) in self.replicas.sorted().enumerate() {
            out.extend_from_slice(&name.to_le_bytes());
            varint::push(&mut out, next);
            canonical[index as usize] = position as u32;
        }
        let runs = canonical_runs(&self.sequence, &canonical);
        RunWriter::write_all(&runs, self.replicas.len(), &mut out);
        write_visibility(&self.sequence, &mut out);
        let content = self.content();
        varint::push(&mut out, content.len() as u64);
        out.extend_from_slice(content.as_bytes());
        self.write_dormant(&canonical, &mut out);
        out
    }

    fn write_dormant(&self, canonical: &[u32], out: &mut Vec<u8>) {
        let waiting = self.dormant.waiting();
        varint::push(out, waiting.len() as u64);
        for (first, insertion) in waiting {
            let index = self.replicas.index(first.replica).unwrap_or_default();
            let op = Op {
                insertion: Some(insertion.as_insertion(first.number)),
                ..Op::default()
            };
            let mut bytes = Vec::new();
            op.encode(first.replica, &mut bytes);
            varint::push(out, u64::from(canonical[index as usize]));
            varint::push(out, bytes.len() as u64);
            out.extend_from_slice(&bytes);
        }
        let doomed = self.dormant.doomed();
        varint::push(out, doomed.len() as u64);
        for range in doomed {
            out.extend_from_slice(&range.first.replica.to_le_bytes());
            varint::push(out, range.first.number);
            varint::push(out, range.len);
        }
    }
}

/// Returns all runs, as long as the tree allows, with replicas by their canonical index.
fn canonical_runs(sequence: &Sequence, canonical: &[u32]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for piece in sequence.leaves().flat_map(|leaf| &leaf.runs) {
        let mut piece = piece.renamed(|index| canonical[index as usize]);
        piece.visible = true;
        if let Some(last) = runs.last_mut()
            && last.is_continued_by(&piece)
        {
            let room = RUN_CHARS_MAX - last.len;
            if piece.len <= room {
                last.absorb(&piece);
                continue;
            }
            if room > 0 {
                let rest = piece.split_off(room);
                last.absorb(&piece);
                piece = rest;
            }
        }
        runs.push(piece);
    }
    runs
}

fn write_visibility(sequence: &Sequence, out: &mut Vec<u8>) {
    let mut lengths = Vec::new();
    let (mut visible, mut length) = (true, 0_u64);
    for run in sequence.leaves().flat_map(|leaf| &leaf.runs) {
        if run.visible != visible {
            lengths.push(length);
            (visible, length) = (run.visible, 0);
        }
        length += u64::from(run.len);
    }
    if length > 0 {
        lengths.push(length);
    }
    varint::push(out, lengths.len() as u64);
    for length in lengths {
        varint::push(out, length);
    }
}

/// Where the right origin of a run was found.
#[derive(Clone, Copy)]
enum Right {
    None,
    Stacked(usize),
    Explicit,
}

struct RunWriter<'a> {
    out: &'a mut Vec<u8>,
    left: Vec<Id>,
    /// Where the last run of each replica ended.
    ends: Vec<u64>,
    replica: u32,
}

impl RunWriter<'_> {
    fn write_all(runs: &[Run], replicas: usize, out: &mut Vec<u8>) {
        varint::push(out, runs.len() as u64);
        let rights = right_origins(runs);
        let mut writer = RunWriter {
            out,
            left: Vec::new(),
            ends: vec![0; replicas],
            replica: u32::MAX,
        };
        for (run, right) in runs.iter().zip(rights) {
            writer.write(run, right);
        }
    }

    fn write(&mut self, run: &Run, right: Right) {
        let depth_max = match run.kind {
            Kind::Continues => usize::MAX,
            Kind::After | Kind::Before => DEPTH_MAX,
        };
        let depth = match run.kind {
            Kind::Before => None,
            _ => depth_of(&self.left, run.parent(), depth_max),
        };
        if let Some(depth) = depth {
            self.left.truncate(self.left.len() - depth);
        }
        let at = self.out.len();
        self.out.push(0);
        let mut flags = if run.has_left { HAS_LEFT } else { 0 };
        flags |= if run.has_right { HAS_RIGHT } else { 0 };
        if run.kind == Kind::Continues {
            varint::push(self.out, depth.unwrap_or_default() as u64);
        } else {
            flags |= self.write_name(run);
            flags |= self.write_parent(run, depth);
            flags |= self.write_right(run, right);
        }
        self.out[at] = flags | run.kind.to_bits();
        varint::push(self.out, u64::from(run.len));
        self.left.push(run.last());
        self.replica = run.replica;
        self.ends[run.replica as usize] = run.end();
    }

    fn write_name(&mut self, run: &Run) -> u8 {
        let same = self.replica == run.replica;
        if !same {
            varint::push(self.out, u64::from(run.replica));
        }
        let end = self.ends[run.replica as usize];
        varint::push_signed(self.out, run.number.wrapping_sub(end) as i64);
        if same { SAME_REPLICA } else { 0 }
    }

    fn write_parent(&mut self, run: &Run, depth: Option<usize>) -> u8 {
        match (run.kind, depth) {
            (Kind::After, Some(depth)) => {
                varint::push(self.out, depth as u64);
                PARENT_STACKED
            }
            (Kind::After, None) => {
                self.write_reference(run, run.parent());
                0
            }
            _ => 0,
        }
    }

    fn write_right(&mut self, run: &Run, right: Right) -> u8 {
        match right {
            Right::Stacked(depth) => {
                varint::push(self.out, depth as u64);
                RIGHT_STACKED
            }
            Right::None => RIGHT_END,
            Right::Explicit => {
                self.write_reference(run, run.right());
                0
            }
        }
    }

    fn write_reference(&mut self, run: &Run, to: Id) {
        if to.is_edge() {
            self.out.push(0);
            return;
        }
        varint::push(self.out, u64::from(to.replica) + 1);
        varint::push_signed(self.out, to.number.wrapping_sub(run.number) as i64);
    }
}

/// Looks up the right origins from the end of the document.
fn right_origins(runs: &[Run]) -> Vec<Right> {
    let mut stack: Vec<Id> = Vec::new();
    let mut rights = Vec::with_capacity(runs.len());
    for run in runs.iter().rev() {
        let depth = match run.kind {
            Kind::Continues => None,
            _ => depth_of(&stack, run.right(), DEPTH_MAX),
        };
        if let (Kind::Before, Some(depth)) = (run.kind, depth) {
            stack.truncate(stack.len() - depth);
        }
        rights.push(match depth {
            Some(depth) => Right::Stacked(depth),
            None if run.right().is_edge() => Right::None,
            None => Right::Explicit,
        });
        stack.push(run.first());
    }
    rights.reverse();
    rights
}

/// Returns how far below the top of a stack an entry is.
fn depth_of(stack: &[Id], id: Id, depth_max: usize) -> Option<usize> {
    stack
        .iter()
        .rev()
        .take(depth_max)
        .position(|entry| *entry == id)
}
