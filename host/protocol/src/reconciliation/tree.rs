//! A B-tree that knows how many elements stand below a key, and their sum.

use super::Key;
use super::sum::Sum;

/// A node has at most so many entries or children.
const NODE_MAX: usize = 64;
/// With fewer it is joined with its neighbour.
const NODE_MIN: usize = 16;

/// An element, what it adds to sums, and how many bytes are behind it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) weight: u32,
    pub(super) sum: Sum,
}

/// What stands below a key.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Prefix {
    pub(super) count: usize,
    pub(super) sum: Sum,
}

impl Prefix {
    fn with(self, count: usize, sum: Sum) -> Self {
        Self {
            count: self.count + count,
            sum: self.sum.add(sum),
        }
    }
}

#[derive(Debug)]
pub(super) enum Node {
    Leaf(Vec<Entry>),
    Inner(Vec<Child>),
}

#[derive(Debug)]
pub(super) struct Child {
    total: Prefix,
    last: Key,
    node: Node,
}

impl Child {
    fn of(node: Node) -> Self {
        let mut child = Self {
            total: Prefix::default(),
            last: Key::START,
            node,
        };
        child.refresh();
        child
    }

    fn refresh(&mut self) {
        self.total = self.node.total();
        if let Some(last) = self.node.last() {
            self.last = last;
        }
    }
}

impl Node {
    pub(super) fn empty() -> Self {
        Self::Leaf(Vec::new())
    }

    pub(super) fn total(&self) -> Prefix {
        let start = Prefix::default();
        match self {
            Self::Leaf(entries) => entries.iter().fold(start, |all, of| all.with(1, of.sum)),
            Self::Inner(children) => children
                .iter()
                .fold(start, |all, of| all.with(of.total.count, of.total.sum)),
        }
    }

    fn last(&self) -> Option<Key> {
        match self {
            Self::Leaf(entries) => entries.last().map(|entry| entry.key),
            Self::Inner(children) => children.last().map(|child| child.last),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Leaf(entries) => entries.len(),
            Self::Inner(children) => children.len(),
        }
    }

    /// Takes an entry in whose key is not there. Gives what became too much for this node.
    fn insert_below(&mut self, entry: Entry) -> Option<Node> {
        match self {
            Self::Leaf(entries) => {
                let at = entries.partition_point(|other| other.key < entry.key);
                entries.insert(at, entry);
            }
            Self::Inner(children) => {
                let at = children.partition_point(|child| child.last < entry.key);
                let at = at.min(children.len().saturating_sub(1));
                let child = children.get_mut(at)?;
                let split = child.node.insert_below(entry);
                child.refresh();
                if let Some(node) = split {
                    children.insert(at + 1, Child::of(node));
                }
            }
        }
        self.split()
    }

    fn split(&mut self) -> Option<Node> {
        let (length, half) = (self.len(), self.len() / 2);
        match self {
            _ if length <= NODE_MAX => None,
            Self::Leaf(entries) => Some(Self::Leaf(entries.split_off(half))),
            Self::Inner(children) => Some(Self::Inner(children.split_off(half))),
        }
    }

    fn remove_below(&mut self, key: &Key) -> Option<Entry> {
        match self {
            Self::Leaf(entries) => {
                let at = entries.binary_search_by(|entry| entry.key.cmp(key)).ok()?;
                Some(entries.remove(at))
            }
            Self::Inner(children) => {
                let at = children.partition_point(|child| child.last < *key);
                let child = children.get_mut(at)?;
                let removed = child.node.remove_below(key)?;
                child.refresh();
                if child.node.len() < NODE_MIN {
                    join(children, at);
                }
                Some(removed)
            }
        }
    }

    /// Takes an entry into the tree whose root this is.
    pub(super) fn insert(&mut self, entry: Entry) {
        if let Some(right) = self.insert_below(entry) {
            let left = std::mem::replace(self, Self::empty());
            *self = Self::Inner(vec![Child::of(left), Child::of(right)]);
        }
    }

    /// Takes an entry out of the tree whose root this is.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Entry> {
        let removed = self.remove_below(key)?;
        if let Self::Inner(children) = self
            && children.len() == 1
            && let Some(only) = children.pop()
        {
            *self = only.node;
        }
        Some(removed)
    }

    /// What stands below `key`. O(log n).
    pub(super) fn before(&self, key: &Key) -> Prefix {
        let (mut node, mut prefix) = (self, Prefix::default());
        loop {
            match node {
                Self::Leaf(entries) => {
                    let below = entries.iter().take_while(|entry| entry.key < *key);
                    return below.fold(prefix, |all, of| all.with(1, of.sum));
                }
                Self::Inner(children) => {
                    let mut children = children.iter();
                    let next = loop {
                        match children.next() {
                            Some(child) if child.last < *key => {
                                prefix = prefix.with(child.total.count, child.total.sum);
                            }
                            other => break other,
                        }
                    };
                    match next {
                        Some(child) => node = &child.node,
                        None => return prefix,
                    }
                }
            }
        }
    }

    /// The entry with this number, counted from 0. O(log n).
    pub(super) fn at(&self, mut rank: usize) -> Option<&Entry> {
        let mut node = self;
        loop {
            match node {
                Self::Leaf(entries) => return entries.get(rank),
                Self::Inner(children) => {
                    let child = children.iter().find(|child| {
                        let is_here = rank < child.total.count;
                        if !is_here {
                            rank -= child.total.count;
                        }
                        is_here
                    });
                    node = &child?.node;
                }
            }
        }
    }
}

/// Joins a child that has become small with a neighbour, and divides the two anew if they are too
/// much for one.
fn join(children: &mut Vec<Child>, at: usize) {
    let left = at.min(children.len().saturating_sub(2));
    if left + 1 >= children.len() {
        return;
    }
    let right = children.remove(left + 1).node;
    let Some(child) = children.get_mut(left) else {
        return;
    };
    match (&mut child.node, right) {
        (Node::Leaf(entries), Node::Leaf(more)) => entries.extend(more),
        (Node::Inner(children), Node::Inner(more)) => children.extend(more),
        // All leaves are equally deep.
        (_, other) => return children.insert(left + 1, Child::of(other)),
    }
    let split = child.node.split();
    child.refresh();
    if let Some(node) = split {
        children.insert(left + 1, Child::of(node));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::ids::Hash;

    fn entry(number: u64) -> Entry {
        let key = Key {
            timestamp: number / 3,
            id: Hash::of(&number.to_le_bytes()),
        };
        let (weight, sum) = (1, Sum::of(&key));
        Entry { key, weight, sum }
    }

    /// Depth, and that each inner node is no larger or smaller than it may be.
    fn check(node: &Node, is_root: bool) -> usize {
        assert!(node.len() <= NODE_MAX);
        assert!(is_root || node.len() >= NODE_MIN, "{}", node.len());
        match node {
            Node::Leaf(_) => 0,
            Node::Inner(children) => {
                let depths = children.iter().map(|child| check(&child.node, false));
                let depths: BTreeSet<usize> = depths.collect();
                assert_eq!(depths.len(), 1);
                depths.first().map_or(0, |depth| depth + 1)
            }
        }
    }

    fn agrees(tree: &Node, model: &BTreeSet<Key>) {
        check(tree, true);
        let mut expected = Prefix::default();
        for (rank, key) in model.iter().enumerate() {
            let before = tree.before(key);
            assert_eq!((before.count, before.sum), (rank, expected.sum));
            assert_eq!(tree.at(rank).map(|entry| entry.key), Some(*key));
            expected = expected.with(1, Sum::of(key));
        }
        assert_eq!(tree.total().sum, expected.sum);
        assert_eq!(tree.at(model.len()).map(|entry| entry.key), None);
    }

    #[test]
    fn a_tree_that_grows_and_shrinks_knows_ranks_and_sums() {
        let (mut tree, mut model) = (Node::empty(), BTreeSet::new());
        for number in 0..6_000 {
            tree.insert(entry(number));
            model.insert(entry(number).key);
        }
        agrees(&tree, &model);
        for number in (0..6_000).filter(|number| number % 50 != 7) {
            assert!(tree.remove(&entry(number).key).is_some());
            assert!(tree.remove(&entry(number).key).is_none());
            model.remove(&entry(number).key);
        }
        agrees(&tree, &model);
        let rest: Vec<Key> = model.iter().copied().collect();
        rest.iter()
            .for_each(|key| assert!(tree.remove(key).is_some()));
        agrees(&tree, &BTreeSet::new());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_tree_is_what_an_ordered_set_is(
            changes in prop::collection::vec(0_u64..400, 0..2_000),
        ) {
            let (mut tree, mut model) = (Node::empty(), BTreeSet::new());
            for number in changes {
                let entry = entry(number);
                if model.remove(&entry.key) {
                    prop_assert!(tree.remove(&entry.key).is_some());
                } else {
                    model.insert(entry.key);
                    tree.insert(entry);
                }
            }
            agrees(&tree, &model);
        }
    }
}
