//! From saved bytes to a state; see `saved` for the layout.

use crate::builder::LeafBuilder;
use crate::dormant::Waiting;
use crate::id::{CharId, Id, NUMBER_MAX};
use crate::op::{Op, Range};
use crate::run::{Kind, RUN_CHARS_MAX, Run};
use crate::saved::{
    FORMAT, HAS_LEFT, HAS_RIGHT, PARENT_STACKED, RIGHT_END, RIGHT_STACKED, SAME_REPLICA,
};
use crate::text::Text;
use crate::varint::Reader;

impl Text {
    /// Makes a state from saved bytes; none if they are damaged in a way that shows.
    ///
    /// Bytes that were saved by no state may load; then the text may be odd, but nothing panics.
    pub fn from_bytes(saved: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(saved);
        let mut text = Self::default();
        if reader.byte()? != FORMAT {
            return None;
        }
        text.read_replicas(&mut reader)?;
        let runs = RunReader::read_all(&mut reader, text.replicas.len())?;
        text.read_content(&mut reader, runs)?;
        text.read_dormant(&mut reader)?;
        reader.rest().is_empty().then_some(text)
    }

    fn read_replicas(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let mut last = None;
        for _ in 0..reader.number()? {
            let (name, next) = (reader.fixed()?, reader.number()?);
            if last.is_some_and(|last| last >= name) || next > NUMBER_MAX || next == 0 {
                return None;
            }
            last = Some(name);
            let index = self.replicas.intern(name);
            self.replicas.reserve(index, next);
        }
        Some(())
    }

    fn read_content(&mut self, reader: &mut Reader<'_>, runs: Vec<Run>) -> Option<()> {
        let in_range = |run: &Run| run.end() <= self.replicas.next(run.replica);
        if !runs.iter().all(in_range) {
            return None;
        }
        let mut lengths = Vec::new();
        for position in 0..reader.number()? {
            let length = reader.number()?;
            if length == 0 && position > 0 {
                return None;
            }
            lengths.push(length);
        }
        let bytes = usize::try_from(reader.number()?).ok()?;
        let text = str::from_utf8(reader.bytes(bytes)?).ok()?;
        self.sequence = lay_out(runs, &lengths, text)?.finish()?;
        Some(())
    }

    fn read_dormant(&mut self, reader: &mut Reader<'_>) -> Option<()> {
        let names: Vec<(u64, u64)> = self.replicas.sorted().map(|it| (it.0, it.2)).collect();
        for _ in 0..reader.number()? {
            let index = usize::try_from(reader.number()?).ok()?;
            let (author, next) = *names.get(index)?;
            let bytes = usize::try_from(reader.number()?).ok()?;
            let op = Op::decode(reader.bytes(bytes)?, author).ok()?;
            let insertion = op.insertion?;
            let end = insertion
                .number
                .checked_add(insertion.text.chars().count() as u64)?;
            if end > next || op.first_range.is_some() {
                return None;
            }
            self.wait(author, insertion.number, Waiting::from(insertion))?;
        }
        for _ in 0..reader.number()? {
            let replica = reader.fixed()?;
            let (number, len) = (reader.number()?, reader.number()?);
            if len == 0 || number.checked_add(len)? > NUMBER_MAX {
                return None;
            }
            let first = CharId { replica, number };
            self.dormant.doom(Range { first, len });
        }
        Some(())
    }

    /// Lets a loaded insertion wait again; none if it has no reason to.
    fn wait(&mut self, author: u64, number: u64, waiting: Waiting) -> Option<()> {
        let first = CharId {
            replica: author,
            number,
        };
        let missing = self.missing(self.replicas.local(first)?, waiting.anchor)?;
        self.dormant.wait(first, waiting, missing);
        Some(())
    }
}

/// Gives each run its visibility and its text.
fn lay_out(runs: Vec<Run>, lengths: &[u64], mut text: &str) -> Option<LeafBuilder> {
    let mut builder = LeafBuilder::default();
    let mut lengths = lengths.iter().copied();
    let mut visible = false;
    let mut rest = 0_u64;
    for mut run in runs {
        loop {
            while rest == 0 {
                rest = lengths.next()?;
                visible = !visible;
            }
            let behind = (u64::from(run.len) > rest).then(|| run.split_off(rest as u32));
            rest -= u64::from(run.len);
            run.visible = visible;
            let mut own = "";
            if visible {
                let end = char_end(text, run.len as usize)?;
                (own, text) = text.split_at(end);
            }
            builder.push(run, own);
            match behind {
                Some(behind) => run = behind,
                None => break,
            }
        }
    }
    (rest == 0 && text.is_empty() && lengths.next().is_none()).then_some(builder)
}

/// Returns where the first `count` characters end; none if there are fewer.
fn char_end(text: &str, count: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    if bytes.get(..count).is_some_and(<[u8]>::is_ascii) {
        return Some(count);
    }
    text.char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .nth(count)
}

/// A run as far as it is read: what is on the right is known only later.
struct Draft {
    run: Run,
    right: Right,
}

/// How the right origin is found.
enum Right {
    /// That of an earlier run.
    Same(usize),
    /// At this depth of the right stack.
    Stacked(usize),
    /// This one.
    Known(Id),
}

struct RunReader<'a, 'b> {
    reader: &'b mut Reader<'a>,
    drafts: Vec<Draft>,
    /// Indexes of runs.
    left: Vec<usize>,
    ends: Vec<u64>,
    replica: u32,
}

impl<'a, 'b> RunReader<'a, 'b> {
    fn read_all(reader: &'b mut Reader<'a>, replicas: usize) -> Option<Vec<Run>> {
        let count = reader.number()?;
        let mut this = Self {
            reader,
            drafts: Vec::new(),
            left: Vec::new(),
            ends: vec![0; replicas],
            replica: u32::MAX,
        };
        for _ in 0..count {
            this.read()?;
        }
        this.resolve()
    }

    fn read(&mut self) -> Option<()> {
        let flags = self.reader.byte()?;
        let mut draft = match Kind::from_bits(flags & 3)? {
            Kind::Continues => self.read_continuing()?,
            kind => self.read_other(kind, flags)?,
        };
        let run = &mut draft.run;
        let len = u32::try_from(self.reader.number()?).ok()?;
        if !(1..=RUN_CHARS_MAX).contains(&len) {
            return None;
        }
        run.len = len;
        run.has_left = flags & HAS_LEFT != 0;
        run.has_right = flags & HAS_RIGHT != 0;
        if run.number.checked_add(u64::from(len))? > NUMBER_MAX {
            return None;
        }
        self.replica = run.replica;
        *self.ends.get_mut(run.replica as usize)? = run.end();
        self.left.push(self.drafts.len());
        self.drafts.push(draft);
        Some(())
    }

    fn read_continuing(&mut self) -> Option<Draft> {
        let before = self.take_left()?;
        let last = self.drafts.get(before)?.run.last();
        let first = Id {
            number: last.number + 1,
            ..last
        };
        Some(Draft {
            run: Run::new(first, 1, Kind::Continues, last, Id::EDGE),
            right: Right::Same(before),
        })
    }

    fn read_other(&mut self, kind: Kind, flags: u8) -> Option<Draft> {
        let replica = if flags & SAME_REPLICA != 0 {
            self.replica
        } else {
            u32::try_from(self.reader.number()?).ok()?
        };
        let end = *self.ends.get(replica as usize)?;
        let number = end.wrapping_add(self.reader.signed()? as u64);
        let parent = match kind {
            Kind::After if flags & PARENT_STACKED != 0 => {
                let parent = self.take_left()?;
                self.drafts.get(parent)?.run.last()
            }
            Kind::After => self.read_reference(number)?,
            _ => Id::EDGE,
        };
        let right = if flags & RIGHT_STACKED != 0 {
            Right::Stacked(usize::try_from(self.reader.number()?).ok()?)
        } else if flags & RIGHT_END != 0 {
            Right::Known(Id::EDGE)
        } else {
            Right::Known(self.read_reference(number)?)
        };
        let first = Id { replica, number };
        Some(Draft {
            run: Run::new(first, 1, kind, parent, Id::EDGE),
            right,
        })
    }

    /// Takes as many off the left stack as the next number says; returns the top.
    fn take_left(&mut self) -> Option<usize> {
        let depth = usize::try_from(self.reader.number()?).ok()?;
        let keep = self.left.len().checked_sub(depth)?;
        self.left.truncate(keep);
        self.left.last().copied()
    }

    fn read_reference(&mut self, number: u64) -> Option<Id> {
        let replica = match self.reader.number()? {
            0 => return Some(Id::EDGE),
            replica => u32::try_from(replica - 1).ok()?,
        };
        let number = number.wrapping_add(self.reader.signed()? as u64);
        let known = (replica as usize) < self.ends.len() && number < NUMBER_MAX;
        known.then_some(Id { replica, number })
    }

    fn resolve(mut self) -> Option<Vec<Run>> {
        let mut stack: Vec<Id> = Vec::new();
        for draft in self.drafts.iter_mut().rev() {
            let right = match draft.right {
                Right::Stacked(depth) => {
                    let keep = stack.len().checked_sub(depth)?;
                    let right = *stack.get(keep.checked_sub(1)?)?;
                    if draft.run.kind == Kind::Before {
                        stack.truncate(keep);
                    }
                    right
                }
                Right::Known(right) => right,
                Right::Same(_) => Id::EDGE,
            };
            draft.run.set_right(right);
            stack.push(draft.run.first());
        }
        for position in 0..self.drafts.len() {
            let draft = self.drafts.get(position)?;
            if let Right::Same(before) = draft.right {
                let right = self.drafts.get(before)?.run.right();
                self.drafts.get_mut(position)?.run.set_right(right);
            }
        }
        Some(self.drafts.into_iter().map(|draft| draft.run).collect())
    }
}
