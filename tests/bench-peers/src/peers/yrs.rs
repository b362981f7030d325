//! yrs: the Rust port of Yjs (YATA).

use yrs::updates::decoder::Decode;
use yrs::{Doc, GetString, ReadTxn, StateVector, Text, TextRef, Transact, TransactionMut, Update};

use super::Peer;
use crate::trace::Patch;

/// A document with one text.
pub struct Yrs {
    document: Doc,
    text: TextRef,
}

impl Yrs {
    fn patch(text: &TextRef, transaction: &mut TransactionMut<'_>, patch: &Patch) {
        let Patch { at, delete, insert } = patch;
        if *delete > 0 {
            text.remove_range(transaction, *at as u32, *delete as u32);
        }
        if !insert.is_empty() {
            text.insert(transaction, *at as u32, insert);
        }
    }
}

impl Peer for Yrs {
    fn new() -> Self {
        let document = Doc::new();
        let text = document.get_or_insert_text("text");
        Self { document, text }
    }

    fn edit(&mut self, patches: &[Patch]) {
        let mut transaction = self.document.transact_mut();
        for patch in patches {
            Self::patch(&self.text, &mut transaction, patch);
        }
    }

    fn update(&mut self, patch: &Patch) -> Vec<u8> {
        let mut transaction = self.document.transact_mut();
        Self::patch(&self.text, &mut transaction, patch);
        transaction.encode_update_v1()
    }

    fn apply(&mut self, update: &[u8]) {
        let update = Update::decode_v1(update).expect("an update");
        let mut transaction = self.document.transact_mut();
        transaction.apply_update(update).expect("an update");
    }

    fn save(&mut self) -> Vec<u8> {
        let transaction = self.document.transact();
        transaction.encode_state_as_update_v1(&StateVector::default())
    }

    fn load(saved: &[u8]) -> Self {
        let mut fresh = Self::new();
        fresh.apply(saved);
        fresh
    }

    fn text(&self) -> String {
        self.text.get_string(&self.document.transact())
    }
}
