//! Ops that the running module does not read, and modules that change or go.

use std::path::Path;

use replicant_guest_build::{Options, build};
use replicant_protocol::ids::NodeId;

use super::*;
use crate::vocabulary::NodeError;

/// A module that reads the ops of g-counter, and others: a number, and who added it.
fn newer() -> Module {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/versions");
    let built = build(&folder, &["tally-2-0"], &Options::detect().unwrap()).unwrap();
    let bytes = std::fs::read(&built[0].path).unwrap();
    RUNTIME.load(&bytes, Limits::default()).unwrap()
}

impl Bed {
    async fn names_of(&self, id: &str) -> Option<BTreeMap<String, u64>> {
        let read = self
            .topics
            .value(topic(), id.parse().unwrap(), None, None)
            .await;
        ciborium::from_reader(read.ok()?.value.as_slice()).ok()
    }

    /// Runs objects of g-counter on this module, or on none.
    fn run_on(&self, module: Option<Module>) {
        let name: TypeName = "g-counter".parse().unwrap();
        let mut types = self.types.0.lock().unwrap();
        match module {
            Some(module) => drop(types.insert(name.clone(), module)),
            None => drop(types.remove(&name)),
        }
        drop(types);
        self.topics.handle_type_changed(&name);
    }

    /// How many of an object's ops its type could not read.
    async fn unread_of(&self, id: &str) -> u64 {
        let id = id.parse().unwrap();
        let read = self.topics.value(topic(), id, None, None).await;
        read.unwrap().ops_unread
    }

    async fn error_of(&self, id: &str) -> NodeError {
        let id = id.parse().unwrap();
        let read = self.topics.value(topic(), id, None, None).await;
        read.unwrap_err()
    }
}

#[tokio::test]
async fn an_op_that_outran_its_module_waits_in_the_log_and_holds_up_nothing_but_its_object() {
    let bed = bed(|_| {});
    for id in ["x", "y"] {
        bed.topics.update(increment_of(id, 1)).await.unwrap();
    }
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let from = NodeId::from_bytes([8; 32]);
    let newer_op = Author::new(2).bundle_of(&like, 2, vec![4, 1, b'n']);
    assert!(bed.topics.handle_bundle(from, newer_op));
    eventually(async || {
        let error = bed.topics.value(topic(), "x".parse().unwrap(), None, None);
        matches!(
            error.await,
            Err(NodeError::NewerTypeNeeded { schema: 2, .. })
        )
        .then_some(())
    })
    .await;
    // Older ops go on to come, and wait behind it; commands would be made on half a state.
    let older = Author::new(3).bundle(&like);
    assert!(bed.topics.handle_bundle(from, older));
    eventually(async || (bed.topics.digest(topic()).await.unwrap().ops == 4).then_some(())).await;
    let refused = bed.topics.update(increment(1)).await.unwrap_err();
    assert!(
        matches!(refused, NodeError::NewerTypeNeeded { schema: 2, .. }),
        "{refused}"
    );
    assert_eq!(bed.value_of("y").await, Some(1));
    assert_eq!(bed.topics.digest(topic()).await.unwrap().unavailable, 1);

    bed.run_on(Some(newer()));
    let names = BTreeMap::from([(String::new(), 2), ("n".to_owned(), 4)]);
    eventually(async || (bed.names_of("x").await.as_ref() == Some(&names)).then_some(())).await;
    assert_eq!(bed.topics.digest(topic()).await.unwrap().unavailable, 0);

    // And back to one that does not read it: it waits again, and nothing is lost.
    bed.run_on(Some(module("g-counter")));
    eventually(async || (bed.value_of("y").await == Some(1)).then_some(())).await;
    let error = bed.error_of("x").await;
    assert!(
        matches!(error, NodeError::NewerTypeNeeded { .. }),
        "{error}"
    );
    bed.run_on(Some(newer()));
    eventually(async || (bed.names_of("x").await.as_ref() == Some(&names)).then_some(())).await;
    bed.end();
}

#[tokio::test]
async fn objects_wait_for_a_module_that_is_not_here_and_their_ops_are_taken_meanwhile() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    bed.run_on(None);
    eventually(async || bed.value().await.is_none().then_some(())).await;
    let error = bed.error_of("x").await;
    assert!(matches!(error, NodeError::UnknownType { .. }), "{error}");
    assert!(bed.topics.update(increment(1)).await.is_err());
    let from = NodeId::from_bytes([8; 32]);
    assert!(bed.topics.handle_bundle(from, Author::new(2).bundle(&like)));
    eventually(async || (bed.topics.digest(topic()).await.unwrap().ops == 2).then_some(())).await;
    bed.run_on(Some(newer()));
    let names = BTreeMap::from([(String::new(), 2)]);
    eventually(async || (bed.names_of("x").await.as_ref() == Some(&names)).then_some(())).await;
    bed.end();
}

/// Only the bytes of the module were compared: an object went on under the limits of before.
#[tokio::test]
async fn the_same_module_under_other_limits_is_another_one() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let bytes = replicant_crdts::find("g-counter").unwrap().bytes;
    let limits = Limits {
        fuel_per_call: 1,
        fuel_per_item: 0,
        fuel_per_byte: 0,
        ..Limits::default()
    };
    bed.run_on(Some(RUNTIME.load(bytes, limits).unwrap()));
    eventually(async || bed.value().await.is_none().then_some(())).await;
    bed.run_on(Some(module("g-counter")));
    bed.until_value(1).await;
    bed.end();
}

#[tokio::test]
async fn ops_that_a_type_cannot_read_are_counted_with_the_object_and_behind_a_checkpoint() {
    let bed = bed(|_| {});
    bed.topics.update(increment(1)).await.unwrap();
    let like = bed.heard.broadcast.lock().unwrap()[0].clone();
    let unreadable = Author::new(2).bundle_of(&like, 1, vec![0xff; 12]);
    assert!(
        bed.topics
            .handle_bundle(NodeId::from_bytes([8; 32]), unreadable)
    );
    eventually(async || (bed.topics.digest(topic()).await.unwrap().ops == 2).then_some(())).await;
    assert_eq!(
        (bed.unread_of("x").await, bed.count("ops_unread_total")),
        (1, 1)
    );

    // It is made again from the log.
    let bed = bed.restart(test_config(), 1, &["g-counter"]);
    assert_eq!(
        (bed.unread_of("x").await, bed.count("ops_unread_total")),
        (1, 1)
    );

    // And from a checkpoint, which has the op behind it.
    let mut many = increment(1);
    many.commands = vec![many.commands.remove(0); 1_100];
    bed.topics.update(many).await.unwrap();
    eventually(async || (bed.count("checkpoints_total") > 0).then_some(())).await;
    let bed = bed.restart(test_config(), 1, &["g-counter"]);
    assert_eq!(
        (bed.unread_of("x").await, bed.count("ops_unread_total")),
        (1, 0)
    );
    assert_eq!(bed.value().await, Some(1_101));
    bed.end();
}
