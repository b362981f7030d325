//! A B+tree over the leaves: from positions to leaves and back, and the order of leaves.
//!
//! Leaves are only ever added, so nodes are never merged. All leaves are equally deep. Every node
//! knows how many visible characters each of its children holds; that sum is all it keeps.

use std::cmp::Ordering;

use crate::leaf::{Leaf, NONE};

/// The most children of a node.
const FAN_OUT_MAX: usize = 24;

/// An inner node.
#[derive(Clone, Debug)]
struct Node {
    children: [u32; FAN_OUT_MAX],
    chars: [usize; FAN_OUT_MAX],
    len: usize,
    parent: u32,
    slot: u32,
}

impl Node {
    fn new() -> Self {
        Self {
            children: [NONE; FAN_OUT_MAX],
            chars: [0; FAN_OUT_MAX],
            len: 0,
            parent: NONE,
            slot: 0,
        }
    }

    fn total(&self) -> usize {
        self.chars[..self.len].iter().sum()
    }

    fn insert(&mut self, slot: usize, child: u32, chars: usize) {
        self.children.copy_within(slot..self.len, slot + 1);
        self.chars.copy_within(slot..self.len, slot + 1);
        self.children[slot] = child;
        self.chars[slot] = chars;
        self.len += 1;
    }
}

/// The leaves in the order of the document.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    leaves: Vec<Leaf>,
    nodes: Vec<Node>,
    root: u32,
    /// How many levels of nodes there are; the children of level 1 are leaves.
    height: u32,
    chars: usize,
}

impl Default for Tree {
    fn default() -> Self {
        let mut leaf = Leaf::new();
        leaf.parent = 0;
        let mut root = Node::new();
        root.insert(0, 0, 0);
        Self {
            leaves: vec![leaf],
            nodes: vec![root],
            root: 0,
            height: 1,
            chars: 0,
        }
    }
}

impl Tree {
    /// The leaf that the document begins with.
    pub(crate) const FIRST: u32 = 0;

    /// Builds the tree from leaves in order; room is left in the nodes.
    pub(crate) fn from_leaves(mut leaves: Vec<Leaf>) -> Self {
        if leaves.is_empty() {
            return Self::default();
        }
        let count = leaves.len() as u32;
        for (number, leaf) in (0..).zip(&mut leaves) {
            leaf.previous = if number == 0 { NONE } else { number - 1 };
            leaf.next = if number + 1 == count {
                NONE
            } else {
                number + 1
            };
        }
        let mut level: Vec<(u32, usize)> = (0..)
            .zip(leaves.iter().map(|leaf| leaf.text.chars()))
            .collect();
        let mut tree = Self {
            chars: level.iter().map(|(_, chars)| chars).sum(),
            leaves,
            nodes: Vec::new(),
            root: 0,
            height: 0,
        };
        while tree.height == 0 || level.len() > 1 {
            tree.height += 1;
            let children = level.chunks(FAN_OUT_MAX * 2 / 3);
            level = children.map(|children| tree.push_node(children)).collect();
        }
        tree.root = level[0].0;
        tree
    }

    /// Puts a node above some children; returns its number and how many characters it holds.
    fn push_node(&mut self, children: &[(u32, usize)]) -> (u32, usize) {
        let number = self.nodes.len() as u32;
        let mut node = Node::new();
        for (slot, (child, chars)) in children.iter().enumerate() {
            node.insert(slot, *child, *chars);
        }
        let total = node.total();
        self.nodes.push(node);
        self.adopt(number, self.height, 0);
        (number, total)
    }

    /// Returns how many visible characters there are.
    #[inline]
    pub(crate) fn chars(&self) -> usize {
        self.chars
    }

    /// Returns a leaf. Numbers of leaves come from this tree and stay valid.
    #[inline]
    pub(crate) fn leaf(&self, leaf: u32) -> &Leaf {
        &self.leaves[leaf as usize]
    }

    /// Returns a leaf to change. Its count of characters must be reported by [`Tree::add_chars`].
    #[inline]
    pub(crate) fn leaf_mut(&mut self, leaf: u32) -> &mut Leaf {
        &mut self.leaves[leaf as usize]
    }

    /// Returns the leaves in the order of the document, from `leaf` on.
    pub(crate) fn leaves_from(&self, leaf: u32) -> impl Iterator<Item = &Leaf> {
        let mut next = leaf;
        std::iter::from_fn(move || {
            let leaf = self.leaves.get(next as usize)?;
            next = leaf.next;
            Some(leaf)
        })
    }

    /// Adds `added` and subtracts `removed` from the count of characters above a leaf.
    #[inline]
    pub(crate) fn change_chars(&mut self, leaf: u32, added: usize, removed: usize) {
        let leaf = self.leaf(leaf);
        let (mut node, mut slot) = (leaf.parent, leaf.slot);
        while let Some(above) = self.nodes.get_mut(node as usize) {
            let chars = &mut above.chars[slot as usize];
            *chars = *chars + added - removed;
            (node, slot) = (above.parent, above.slot);
        }
        self.chars = self.chars + added - removed;
    }

    /// Returns the leaf that holds visible character number `index`, and how many come before the
    /// leaf; the last leaf if there are fewer.
    pub(crate) fn locate(&self, index: usize) -> (u32, usize) {
        let mut rest = index;
        let mut at = self.root;
        for _ in 0..self.height {
            let node = &self.nodes[at as usize];
            let mut slot = 0;
            while slot + 1 < node.len && rest >= node.chars[slot] {
                rest -= node.chars[slot];
                slot += 1;
            }
            at = node.children[slot];
        }
        (at, index - rest)
    }

    /// Returns how many visible characters stand before a leaf.
    pub(crate) fn chars_before(&self, leaf: u32) -> usize {
        let leaf = self.leaf(leaf);
        let (mut node, mut slot) = (leaf.parent, leaf.slot);
        let mut before = 0;
        while let Some(above) = self.nodes.get(node as usize) {
            before += above.chars[..slot as usize].iter().sum::<usize>();
            (node, slot) = (above.parent, above.slot);
        }
        before
    }

    /// Compares the places of two leaves in the document. O(log n).
    pub(crate) fn order(&self, a: u32, b: u32) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        let (a, b) = (self.leaf(a), self.leaf(b));
        let (mut left, mut right) = ((a.parent, a.slot), (b.parent, b.slot));
        while left.0 != right.0 {
            let (a, b) = (&self.nodes[left.0 as usize], &self.nodes[right.0 as usize]);
            left = (a.parent, a.slot);
            right = (b.parent, b.slot);
        }
        left.1.cmp(&right.1)
    }

    /// Puts a new leaf behind `at`. The characters of both together must be those that `at` had
    /// when they were last reported.
    pub(crate) fn insert_after(&mut self, at: u32, mut new: Leaf) -> u32 {
        if self.nodes[self.leaf(at).parent as usize].len == FAN_OUT_MAX {
            self.split_node(self.leaf(at).parent);
        }
        let number = self.leaves.len() as u32;
        let before = self.leaf_mut(at);
        let (parent, slot, chars) = (before.parent, before.slot as usize, before.text.chars());
        new.previous = at;
        new.next = std::mem::replace(&mut before.next, number);
        if let Some(behind) = self.leaves.get_mut(new.next as usize) {
            behind.previous = number;
        }
        let node = &mut self.nodes[parent as usize];
        node.chars[slot] = chars;
        node.insert(slot + 1, number, new.text.chars());
        self.leaves.push(new);
        self.adopt(parent, 1, slot + 1);
        number
    }

    /// Tells the children of a node, from `slot` on, where they are. `level` is that of the node.
    fn adopt(&mut self, parent: u32, level: u32, slot: usize) {
        let node = &self.nodes[parent as usize];
        let (children, len) = (node.children, node.len);
        for (slot, child) in children.iter().enumerate().take(len).skip(slot) {
            if level == 1 {
                let leaf = &mut self.leaves[*child as usize];
                (leaf.parent, leaf.slot) = (parent, slot as u32);
            } else {
                let below = &mut self.nodes[*child as usize];
                (below.parent, below.slot) = (parent, slot as u32);
            }
        }
    }

    /// Splits a full node, and full ones above it as needed.
    fn split_node(&mut self, node: u32) {
        let mut level = 1;
        let mut full = vec![node];
        // From the bottom up: which nodes are full. They are split from the top down.
        loop {
            let top = full[full.len() - 1];
            let above = self.nodes[top as usize].parent;
            if above == NONE {
                self.raise_root();
                break;
            }
            if self.nodes[above as usize].len < FAN_OUT_MAX {
                break;
            }
            full.push(above);
            level += 1;
        }
        for node in full.into_iter().rev() {
            self.halve_node(node, level);
            level -= 1;
        }
    }

    /// Puts a new root above the present one.
    fn raise_root(&mut self) {
        let mut root = Node::new();
        root.insert(0, self.root, self.chars);
        let number = self.nodes.len() as u32;
        self.nodes.push(root);
        self.nodes[self.root as usize].parent = number;
        self.nodes[self.root as usize].slot = 0;
        self.root = number;
        self.height += 1;
    }

    /// Moves the upper half of a node to a new one behind it; the node above must have room.
    fn halve_node(&mut self, node: u32, level: u32) {
        let number = self.nodes.len() as u32;
        let old = &mut self.nodes[node as usize];
        let middle = old.len / 2;
        let mut new = Node::new();
        for slot in middle..old.len {
            new.insert(slot - middle, old.children[slot], old.chars[slot]);
        }
        old.len = middle;
        let (parent, slot) = (old.parent, old.slot as usize);
        let (old_total, new_total) = (old.total(), new.total());
        self.nodes.push(new);
        let above = &mut self.nodes[parent as usize];
        above.chars[slot] = old_total;
        above.insert(slot + 1, number, new_total);
        self.adopt(number, level, 0);
        self.adopt(parent, level + 1, slot + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf_with(chars: usize) -> Leaf {
        let mut leaf = Leaf::new();
        leaf.text.insert(0, &"x".repeat(chars), chars);
        leaf
    }

    #[test]
    fn a_tree_that_is_built_at_once_is_like_one_that_grew() {
        for count in [1, 15, 16, 17, 300, 5_000] {
            let leaves = (0..count).map(|number| leaf_with(number % 3)).collect();
            let mut tree = Tree::from_leaves(leaves);
            let mut before = 0;
            let mut leaf = Tree::FIRST;
            for number in 0..count {
                assert_eq!(tree.chars_before(leaf), before);
                let chars = tree.leaf(leaf).text.chars();
                assert_eq!(chars, number % 3);
                (0..chars).for_each(|at| assert_eq!(tree.locate(before + at), (leaf, before)));
                before += chars;
                leaf = tree.leaf(leaf).next;
            }
            assert_eq!((leaf, tree.chars()), (NONE, before));
            for _ in 0..100 {
                tree.insert_after(Tree::FIRST, leaf_with(0));
            }
        }
    }

    #[test]
    fn thousands_of_leaves_stay_in_order_and_counted() {
        let mut tree = Tree::default();
        let mut order = vec![Tree::FIRST];
        let mut seed = 7_u64;
        for count in 1..5_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let place = (seed >> 33) as usize % order.len();
            let new = tree.insert_after(order[place], leaf_with(0));
            tree.leaf_mut(new).text = leaf_with(count % 5).text;
            tree.change_chars(new, count % 5, 0);
            order.insert(place + 1, new);
        }
        let mut before = 0;
        for (place, leaf) in order.iter().enumerate() {
            assert_eq!(tree.chars_before(*leaf), before);
            let chars = tree.leaf(*leaf).text.chars();
            for index in before..before + chars {
                assert_eq!(tree.locate(index), (*leaf, before));
            }
            before += chars;
            let next = order.get(place + 1).copied().unwrap_or(NONE);
            assert_eq!(tree.leaf(*leaf).next, next);
            if next != NONE {
                assert_eq!(tree.order(*leaf, next), Ordering::Less);
                assert_eq!(tree.leaf(next).previous, *leaf);
            }
            assert_eq!(
                tree.order(*leaf, order[order.len() / 2]),
                place.cmp(&(order.len() / 2))
            );
        }
        assert_eq!(tree.chars(), before);
    }
}
