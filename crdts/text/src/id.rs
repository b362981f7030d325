//! Names of characters, and the replicas that they come from.
//!
//! A character is named by the replica that typed it and a number that this replica gives to its
//! characters of this object, one after the other. So what is typed in one go has consecutive
//! names and is kept as one run, whatever else the replica writes in between.
//!
//! Inside the state a replica is a small index; the order in which indexes are given out depends
//! on the order of delivery, so nothing that is saved or compared may depend on it.

use std::cell::Cell;
use std::collections::BTreeMap;

/// Numbers of characters are below this, so that adding a length never overflows.
pub(crate) const NUMBER_MAX: u64 = 1 << 62;

/// The name of a character, the same on every replica. The order breaks ties between siblings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CharId {
    /// The replica that typed it.
    pub(crate) replica: u64,
    /// Its number among the characters that this replica typed.
    pub(crate) number: u64,
}

/// The name of a character inside one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    /// Index of the replica in [`Replicas`].
    pub(crate) replica: u32,
    /// Its number among the characters that this replica typed.
    pub(crate) number: u64,
}

impl Id {
    /// Stands for no character: the start of the text as a left neighbour, its end as a right one.
    pub(crate) const EDGE: Self = Self {
        replica: u32::MAX,
        number: 0,
    };

    /// Says whether this is [`Id::EDGE`].
    #[inline]
    pub(crate) fn is_edge(self) -> bool {
        self.replica == u32::MAX
    }

    /// Returns the name of the character typed before this one.
    #[inline]
    pub(crate) fn previous(self) -> Self {
        Self {
            replica: self.replica,
            number: self.number.wrapping_sub(1),
        }
    }
}

/// One replica that has typed something.
#[derive(Clone, Copy, Debug)]
struct Replica {
    name: u64,
    next: u64,
}

/// The replicas that have typed something, and the number that each will give next.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replicas {
    list: Vec<Replica>,
    by_name: BTreeMap<u64, u32>,
    /// The one last asked for: the next is likely the same.
    recent: Cell<u32>,
}

impl Replicas {
    /// Returns the index of a replica, none if it has typed nothing.
    #[inline]
    pub(crate) fn index(&self, name: u64) -> Option<u32> {
        let recent = self.recent.get();
        match self.list.get(recent as usize) {
            Some(replica) if replica.name == name => Some(recent),
            _ => self.look_up(name),
        }
    }

    fn look_up(&self, name: u64) -> Option<u32> {
        let index = *self.by_name.get(&name)?;
        self.recent.set(index);
        Some(index)
    }

    /// Returns the index of a replica, which is added if it has typed nothing before.
    #[inline]
    pub(crate) fn intern(&mut self, name: u64) -> u32 {
        if let Some(index) = self.index(name) {
            return index;
        }
        let index = self.list.len() as u32;
        self.list.push(Replica { name, next: 0 });
        self.by_name.insert(name, index);
        index
    }

    /// Returns the number that the next character of a replica gets; 0 for an unknown one.
    #[inline]
    pub(crate) fn next(&self, index: u32) -> u64 {
        self.list.get(index as usize).map_or(0, |it| it.next)
    }

    /// Takes all numbers below `next` as given, whether or not their characters exist.
    #[inline]
    pub(crate) fn reserve(&mut self, index: u32, next: u64) {
        if let Some(replica) = self.list.get_mut(index as usize) {
            replica.next = replica.next.max(next);
        }
    }

    /// Returns the name of a character that all replicas know.
    #[inline]
    pub(crate) fn global(&self, id: Id) -> CharId {
        CharId {
            replica: self.list.get(id.replica as usize).map_or(0, |it| it.name),
            number: id.number,
        }
    }

    /// Returns the name inside this state, none if the replica has typed nothing here.
    #[inline]
    pub(crate) fn local(&self, id: CharId) -> Option<Id> {
        Some(Id {
            replica: self.index(id.replica)?,
            number: id.number,
        })
    }

    /// Returns how many replicas have typed something.
    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Returns (name, index, next number) of all replicas by name: the canonical order.
    pub(crate) fn sorted(&self) -> impl Iterator<Item = (u64, u32, u64)> {
        self.by_name
            .iter()
            .map(|(&name, &index)| (name, index, self.next(index)))
    }
}
