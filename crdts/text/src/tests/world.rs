//! Some replicas, what they wrote, and who has received what.

use replicant_sdk::{Context, Crdt, Events, Random, cbor};

use super::reference::Reference;
use crate::command::Command;
use crate::edit::Edit;
use crate::op::Op;
use crate::text::{Event, Text};

/// An op on its way, with what its author had received before.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) author: usize,
    pub(crate) bytes: Vec<u8>,
    depends: Vec<usize>,
}

/// One replica.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    pub(crate) text: Text,
    /// The same, but all goes the ways that are short when nobody watches.
    silent: Text,
    /// The text as somebody who only sees the events has it.
    pub(crate) mirror: String,
    /// How many ops of each replica it has.
    has: Vec<usize>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) replicas: Vec<Replica>,
    /// By author.
    pub(crate) sent: Vec<Vec<Sent>>,
}

/// The name of the replica with an index: not in the order of indexes.
pub(crate) fn name(index: usize) -> u64 {
    (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn context(author: usize) -> Context {
    let mut context = Context::default();
    context.dot.replica = name(author);
    context
}

impl World {
    pub(crate) fn new(count: usize) -> Self {
        let replica = Replica {
            has: vec![0; count],
            ..Replica::default()
        };
        Self {
            replicas: vec![replica; count],
            sent: vec![Vec::new(); count],
        }
    }

    /// Lets a replica carry out an edit, and checks that its text is what the edit says.
    pub(crate) fn edit(&mut self, author: usize, at: usize, delete: usize, insert: &str) {
        let mut expected: Vec<char> = self.replicas[author].text.content().chars().collect();
        expected.splice(at..at + delete, insert.chars());
        self.edit_among_liars(author, at, delete, insert);
        let content = self.replicas[author].text.content();
        assert_eq!(content, expected.into_iter().collect::<String>());
    }

    /// Lets a replica carry out an edit. It may wake what others said of the future, and be
    /// refused to a liar that has used up its own numbers.
    pub(crate) fn edit_among_liars(
        &mut self,
        author: usize,
        at: usize,
        delete: usize,
        insert: &str,
    ) {
        let edit = Edit {
            at: at as u64,
            delete: delete as u64,
            insert,
        };
        let text = &self.replicas[author].text;
        let Ok(Some(op)) = text.prepare_edit(name(author), edit) else {
            return;
        };
        let mut bytes = Vec::new();
        op.encode(name(author), &mut bytes);
        let silently = self.replicas[author].edit_silently(author, &edit);
        assert_eq!(silently, bytes, "the short way makes another op");
        self.send_to_others(author, bytes);
        self.replicas[author].receive_next(&self.sent[author], false);
    }

    /// Lets a replica make an op out of any bytes.
    pub(crate) fn send(&mut self, author: usize, bytes: Vec<u8>) {
        self.send_to_others(author, bytes);
        self.deliver(author, author);
    }

    fn send_to_others(&mut self, author: usize, bytes: Vec<u8>) {
        let depends = self.replicas[author].has.clone();
        self.sent[author].push(Sent {
            author,
            bytes,
            depends,
        });
    }

    /// Delivers the next op of `author`, if `to` has what that depends on.
    pub(crate) fn deliver(&mut self, author: usize, to: usize) -> bool {
        let replica = &mut self.replicas[to];
        let Some(sent) = self.sent[author].get(replica.has[author]) else {
            return false;
        };
        if sent
            .depends
            .iter()
            .zip(&replica.has)
            .any(|(needs, has)| needs > has)
        {
            return false;
        }
        replica.receive_next(&self.sent[author], true);
        true
    }

    /// Delivers some ops between random replicas.
    pub(crate) fn gossip(&mut self, random: &mut Random, ops: usize) {
        let count = self.replicas.len();
        for _ in 0..ops {
            self.deliver(random.index(count), random.index(count));
        }
    }

    /// Delivers everything to everyone, each in a random order.
    pub(crate) fn settle(&mut self, random: &mut Random) {
        let count = self.replicas.len();
        let missing = |world: &Self| {
            let all: usize = world.sent.iter().map(Vec::len).sum();
            world
                .replicas
                .iter()
                .any(|it| it.has.iter().sum::<usize>() < all)
        };
        while missing(self) {
            self.gossip(random, count);
        }
    }

    /// Checks that all replicas agree with each other and with the reference; returns the text.
    pub(crate) fn check(&self) -> String {
        let first = &self.replicas[0].text;
        let (content, bytes) = (first.content(), first.to_bytes());
        for replica in &self.replicas {
            assert_eq!(replica.text.content(), content);
            assert_eq!(
                replica.text.to_bytes(),
                bytes,
                "the state depends on the order"
            );
            assert_eq!(
                replica.silent.to_bytes(),
                bytes,
                "the short way leads elsewhere"
            );
            assert_eq!(replica.mirror, content, "events tell another story");
            assert_eq!(replica.text.length(), content.chars().count());
        }
        let loaded = Text::from_bytes(&bytes).expect("saved bytes load");
        assert_eq!(loaded.content(), content);
        assert_eq!(
            loaded.to_bytes(),
            bytes,
            "saving what was loaded gives other bytes"
        );
        assert_eq!(
            self.reference().content(),
            content,
            "FugueMax has it otherwise"
        );
        content
    }

    /// Applies everything to the reference, in an order of its own.
    fn reference(&self) -> Reference {
        let mut reference = Reference::default();
        let mut has = vec![0; self.sent.len()];
        loop {
            let next = self.sent.iter().zip(&has).find_map(|(sent, has_author)| {
                let op = sent.get(*has_author)?;
                let ready = op.depends.iter().zip(&has).all(|(needs, has)| needs <= has);
                ready.then_some(op)
            });
            let Some(next) = next else {
                return reference;
            };
            if let Ok(op) = Op::decode(&next.bytes, name(next.author)) {
                reference.apply(name(next.author), &op);
            }
            has[next.author] += 1;
        }
    }
}

impl Replica {
    /// Lets the replica that goes the short ways carry out an edit; returns the op.
    fn edit_silently(&mut self, author: usize, edit: &Edit<'_>) -> Vec<u8> {
        let Edit { at, delete, insert } = *edit;
        let (text, count) = (insert.to_owned(), delete);
        let command = match (delete, insert) {
            (0, _) => Command::Insert { at, text },
            (_, "") => Command::Delete { at, count },
            _ => Command::Splice {
                at,
                delete,
                insert: text,
            },
        };
        let (mut bytes, mut op) = (Vec::new(), Vec::new());
        cbor::encode(&command, &mut bytes).unwrap();
        let events = &mut Events::ignored();
        let made = self
            .silent
            .update_bytes(&context(author), &bytes, &mut op, events);
        assert_eq!(made, Ok(true));
        op
    }

    /// Applies the next op of an author.
    fn receive_next(&mut self, sent: &[Sent], silently_too: bool) {
        let sent = &sent[self.has[sent[0].author]];
        if silently_too {
            let events = &mut Events::ignored();
            let _ = self
                .silent
                .apply_bytes(&context(sent.author), &sent.bytes, events);
        }
        let mut events = Events::collected();
        if let Ok(op) = Op::decode(&sent.bytes, name(sent.author)) {
            self.text.apply(name(sent.author), &op, &mut events);
        }
        self.has[sent.author] += 1;
        let mut mirror: Vec<char> = self.mirror.chars().collect();
        for event in events.into_vec() {
            match event {
                Event::Insert { at, text } => {
                    mirror.splice(at as usize..at as usize, text.chars());
                }
                Event::Delete { at, count } => {
                    mirror.drain(at as usize..(at + count) as usize);
                }
            }
        }
        self.mirror = mirror.into_iter().collect();
    }

    /// Restarts it from its saved bytes.
    pub(crate) fn reload(&mut self) {
        self.text = Text::from_bytes(&self.text.to_bytes()).expect("saved bytes load");
        self.silent = Text::from_bytes(&self.silent.to_bytes()).expect("saved bytes load");
    }
}
