//! Names for what lives in an instance, that stay wrong after their object is gone.

use std::sync::atomic::{AtomicU64, Ordering};

/// Names one object of one instance. Not made by guests; of no use with another instance, and
/// never given twice by the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    owner: u64,
    index: u32,
    generation: u32,
}

/// The objects of one instance by handle. All operations take constant time.
#[derive(Debug)]
pub(crate) struct Handles<T> {
    owner: u64,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    live: u32,
    max: u32,
}

#[derive(Debug)]
struct Slot<T> {
    generation: u32,
    object: Option<T>,
}

impl<T> Handles<T> {
    /// Makes room for at most `max` objects at once.
    pub(crate) fn new(max: u32) -> Self {
        static OWNERS: AtomicU64 = AtomicU64::new(0);
        Self {
            owner: OWNERS.fetch_add(1, Ordering::Relaxed),
            slots: Vec::new(),
            free: Vec::new(),
            live: 0,
            max,
        }
    }

    pub(crate) fn len(&self) -> u32 {
        self.live
    }

    /// Keeps an object; none if there is no room.
    pub(crate) fn insert(&mut self, object: T) -> Option<Handle> {
        if self.live >= self.max {
            return None;
        }
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                let index = u32::try_from(self.slots.len()).ok()?;
                self.slots.push(Slot {
                    generation: 0,
                    object: None,
                });
                index
            }
        };
        let slot = self.slots.get_mut(index as usize)?;
        slot.object = Some(object);
        self.live += 1;
        Some(Handle {
            owner: self.owner,
            index,
            generation: slot.generation,
        })
    }

    pub(crate) fn get(&self, handle: Handle) -> Option<&T> {
        let slot = self.slots.get(handle.index as usize)?;
        let same = slot.generation == handle.generation && self.owner == handle.owner;
        if same { slot.object.as_ref() } else { None }
    }

    pub(crate) fn get_mut(&mut self, handle: Handle) -> Option<&mut T> {
        self.get(handle)?;
        self.slots.get_mut(handle.index as usize)?.object.as_mut()
    }

    /// Forgets an object. A slot whose generations are used up is not used again.
    pub(crate) fn remove(&mut self, handle: Handle) -> Option<T> {
        self.get(handle)?;
        let slot = self.slots.get_mut(handle.index as usize)?;
        let object = slot.object.take();
        self.live -= 1;
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(handle.index);
        }
        object
    }

    /// Forgets all objects and gives the room back.
    pub(crate) fn clear(&mut self) {
        self.slots = Vec::new();
        self.free = Vec::new();
        self.live = 0;
        self.max = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_names_its_object_and_never_another() {
        let mut handles = Handles::new(2);
        let a = handles.insert('a').unwrap();
        let b = handles.insert('b').unwrap();
        assert_eq!(handles.insert('c'), None);
        assert_eq!((handles.get(a), handles.get(b)), (Some(&'a'), Some(&'b')));
        assert_eq!(handles.remove(a), Some('a'));
        assert_eq!(handles.remove(a), None);
        let c = handles.insert('c').unwrap();
        assert_eq!(handles.get(a), None);
        assert_eq!(handles.get(c), Some(&'c'));
        assert_eq!(handles.len(), 2);
    }

    #[test]
    fn a_handle_of_another_instance_names_nothing() {
        let mut one = Handles::new(1);
        let mut other = Handles::new(1);
        let handle = one.insert('a').unwrap();
        other.insert('b').unwrap();
        assert_eq!(other.get(handle), None);
        assert_eq!(other.remove(handle), None);
    }

    #[test]
    fn a_slot_without_generations_left_is_retired() {
        let mut handles = Handles::new(1);
        let first = handles.insert('a').unwrap();
        handles.slots[0].generation = u32::MAX;
        let last = Handle {
            generation: u32::MAX,
            ..first
        };
        assert_eq!(handles.remove(last), Some('a'));
        let next = handles.insert('b').unwrap();
        assert_eq!(next.index, 1);
        assert_eq!(handles.get(last), None);
    }
}
