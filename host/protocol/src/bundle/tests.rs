use proptest::prelude::*;

use super::*;
use crate::ids::{ClusterId, Generation, LineageId, ObjectKey, SnapshotRef, TopicName};

fn identity() -> NodeIdentity {
    NodeIdentity::from_secret(&[7; 32])
}

fn key(type_name: &str, id: &str) -> ObjectKey {
    ObjectKey {
        type_name: type_name.parse().unwrap(),
        id: id.parse().unwrap(),
    }
}

fn local(id: &str, bytes: &[u8]) -> LocalOp {
    LocalOp {
        object: key("g-counter", id),
        schema: 1,
        bytes: bytes.to_vec(),
    }
}

fn body_of(ops: Vec<LocalOp>) -> Body {
    let part = split(ops, 0).unwrap().remove(0);
    let topic: TopicName = "shop/eu".parse().unwrap();
    Body {
        format: Format,
        lineage: LineageId::first(&ClusterId::from_bytes([3; 32]), &topic),
        topic,
        author: identity().id(),
        generation: Generation::new(0),
        first: Counter::new(1),
        reference: SnapshotRef::START,
        dependencies: Vec::new(),
        previous: Hash::ZERO,
        hlc: Hlc::at_millisecond(1_700_000_000_000),
        objects: part.objects,
        ops: part.ops,
    }
}

fn body() -> Body {
    body_of(vec![
        local("a", b"+1"),
        local("b", b"+2"),
        local("a", b"+3"),
    ])
}

/// A bundle with one op of this size.
pub(super) fn signed_with_op_of(op_bytes: usize) -> SignedBundle {
    let op = local("a", &vec![7; op_bytes]);
    SignedBundle::sign(&identity(), body_of(vec![op])).unwrap()
}

fn dependency(replica: u64, counter: u64) -> Dependency {
    let replica = ReplicaId::new(replica).unwrap();
    Dependency {
        replica,
        counter: Counter::new(counter),
        hash: Hash::of(b"head"),
    }
}

/// Signs a body whatever it says.
fn sign_anyhow(body: &Body) -> Vec<u8> {
    let bytes = body.encode();
    let signature = identity().sign(SIGNATURE_CONTEXT, &bytes);
    SignedBundle::assemble(body.clone(), &bytes, signature)
        .as_bytes()
        .to_vec()
}

#[test]
fn a_signed_bundle_is_read_back_and_holds() {
    let bundle = SignedBundle::sign(&identity(), body()).unwrap();
    let read = SignedBundle::decode(bundle.as_bytes()).unwrap();
    assert_eq!(read, bundle);
    assert_eq!(read.body(), &body());
    assert_eq!(read.hash(), Hash::of(read.body_bytes()));
    assert_eq!(read.verify(), Ok(()));
    assert_eq!((read.first().get(), read.last().get()), (1, 3));
    let ops: Vec<_> = read
        .body()
        .ops()
        .map(|(c, o, b)| (c.get(), o.id.to_string(), b.to_vec()))
        .collect();
    assert_eq!(
        ops,
        [
            (1, "a".to_owned(), b"+1".to_vec()),
            (2, "b".to_owned(), b"+2".to_vec()),
            (3, "a".to_owned(), b"+3".to_vec())
        ]
    );
}

#[test]
fn only_the_author_signs() {
    let other = NodeIdentity::from_secret(&[8; 32]);
    assert_eq!(SignedBundle::sign(&other, body()), Err(BundleError::Author));
    let bytes = body().encode();
    let forged = SignedBundle::assemble(body(), &bytes, other.sign(SIGNATURE_CONTEXT, &bytes));
    assert!(
        SignedBundle::decode(forged.as_bytes())
            .unwrap()
            .verify()
            .is_err()
    );
}

#[test]
fn every_changed_byte_is_noticed() {
    let bundle = SignedBundle::sign(&identity(), body_of(vec![local("a", b"x")])).unwrap();
    for position in 0..bundle.as_bytes().len() {
        let mut bytes = bundle.as_bytes().to_vec();
        bytes[position] ^= 1;
        if let Ok(changed) = SignedBundle::decode(&bytes) {
            assert!(changed.verify().is_err(), "byte {position}");
        }
    }
}

#[test]
fn every_truncation_and_any_trailing_byte_is_refused() {
    let bundle = SignedBundle::sign(&identity(), body()).unwrap();
    for length in 0..bundle.as_bytes().len() {
        assert!(SignedBundle::decode(&bundle.as_bytes()[..length]).is_err());
    }
    let mut longer = bundle.as_bytes().to_vec();
    longer.push(0);
    assert_eq!(
        SignedBundle::decode(&longer),
        Err(BundleError::NotCanonical)
    );
}

#[test]
fn a_second_encoding_of_the_same_body_is_refused() {
    let canonical = body().encode();
    // The array of 12 as an array of indefinite length.
    let mut indefinite = canonical.clone();
    indefinite[0] = 0x9f;
    indefinite.push(0xff);
    // The format 1 in two bytes.
    let mut long_number = canonical.clone();
    long_number.splice(1..2, [0x18, 1]);
    // A thirteenth field.
    let mut extended = canonical;
    extended[0] = 0x8d;
    extended.push(0);
    for bytes in [indefinite, long_number, extended] {
        assert_eq!(
            Body::decode(&bytes),
            Err(BundleError::NotCanonical),
            "{bytes:x?}"
        );
    }
}

#[test]
fn another_format_is_named() {
    let mut bytes = body().encode();
    bytes[1] = 2;
    assert_eq!(Body::decode(&bytes), Err(BundleError::Format { found: 2 }));
}

type Change = fn(&mut Body);

#[test]
fn each_rule_of_a_body_is_enforced_when_signing_and_when_reading() {
    let cases: [(Change, BundleError); 10] = [
        (|b| b.ops.clear(), BundleError::Empty),
        (
            |b| b.first = Counter::ZERO,
            BundleError::Counter {
                first: Counter::ZERO,
            },
        ),
        (
            |b| b.first = Counter::new(u64::MAX - 1),
            BundleError::Counter {
                first: Counter::new(u64::MAX - 1),
            },
        ),
        (|b| b.previous = Hash::of(b"x"), BundleError::Previous),
        (|b| b.first = Counter::new(2), BundleError::Previous),
        (
            |b| b.dependencies = vec![dependency(2, 1), dependency(1, 1)],
            BundleError::Dependencies,
        ),
        (
            |b| b.dependencies = vec![dependency(2, 0)],
            BundleError::Dependencies,
        ),
        (
            |b| b.dependencies = vec![dependency(b.replica().get(), 1)],
            BundleError::Dependencies,
        ),
        (|b| b.ops[0].object_index = 1, BundleError::Objects),
        (
            |b| b.objects.push(b.objects[0].clone()),
            BundleError::Objects,
        ),
    ];
    for (change, error) in cases {
        let mut body = body();
        change(&mut body);
        assert_eq!(
            SignedBundle::sign(&identity(), body.clone()),
            Err(error.clone())
        );
        assert_eq!(SignedBundle::decode(&sign_anyhow(&body)), Err(error));
    }
}

#[test]
fn the_largest_op_is_accepted_and_one_byte_more_is_not() {
    let mut largest = body_of(vec![local("a", &vec![1; limits::OP_BYTES_MAX])]);
    let bundle = SignedBundle::sign(&identity(), largest.clone()).unwrap();
    assert!(SignedBundle::decode(bundle.as_bytes()).is_ok());
    largest.ops[0].bytes.push(1);
    assert!(matches!(
        SignedBundle::sign(&identity(), largest.clone()),
        Err(BundleError::TooLarge { what: "an op", .. })
    ));
    assert!(SignedBundle::decode(&sign_anyhow(&largest)).is_err());
}

#[test]
fn a_body_beyond_its_limit_is_neither_signed_nor_read() {
    let mut body = body_of(vec![local("a", &[1; 1 << 19]); 7]);
    assert!(SignedBundle::sign(&identity(), body.clone()).is_ok());
    body.ops.push(body.ops[0].clone());
    let too_large = |result| matches!(result, Err(BundleError::TooLarge { .. }));
    assert!(too_large(SignedBundle::sign(&identity(), body.clone())));
    assert!(too_large(SignedBundle::decode(&sign_anyhow(&body))));
}

#[test]
fn a_body_takes_as_many_ops_as_the_limit_and_the_rest_goes_into_the_next() {
    let parts = split(vec![local("a", b"x"); limits::OPS_MAX + 1], 0).unwrap();
    let counts: Vec<_> = parts.iter().map(|part| part.ops.len()).collect();
    assert_eq!(counts, [limits::OPS_MAX, 1]);
}

#[test]
fn split_bodies_are_within_the_limits_however_the_ops_are() {
    let dependencies_count = limits::DEPENDENCIES_MAX;
    let ops: Vec<_> = (0..40)
        .map(|i| local(&format!("{i}"), &vec![1; 250_000]))
        .collect();
    let parts = split(ops, dependencies_count).unwrap();
    assert!(parts.len() > 2);
    let mut body = body();
    body.dependencies = (1..=dependencies_count as u64)
        .map(|r| dependency(u64::MAX - 5_000 + r, 1 << 60))
        .collect();
    for part in parts {
        (body.objects, body.ops) = (part.objects, part.ops);
        assert!(SignedBundle::sign(&identity(), body.clone()).is_ok());
        body.dependencies.clear();
    }
}

#[test]
fn a_changed_schema_begins_a_new_body() {
    let mut ops = vec![local("a", b"1"), local("a", b"2"), local("b", b"3")];
    ops[1].schema = 2;
    let parts = split(ops, 0).unwrap();
    let schemas: Vec<Vec<u32>> = parts
        .iter()
        .map(|part| part.objects.iter().map(|o| o.schema).collect())
        .collect();
    assert_eq!(schemas, [vec![1], vec![2, 1]]);
}

fn any_op() -> impl Strategy<Value = LocalOp> {
    (
        "[a-c]",
        "[a-z]{1,3}",
        proptest::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(type_name, id, bytes)| LocalOp {
            object: key(&type_name, &id),
            schema: 1,
            bytes,
        })
}

proptest! {
    #[test]
    fn decode_of_encode_is_the_same(
        ops in proptest::collection::vec(any_op(), 1..30),
        first in 1_u64..1 << 62,
        generation: u64,
        hlc: u64,
        dependencies in proptest::collection::btree_set(1_u64.., 0..10),
    ) {
        let mut body = body_of(ops);
        body.first = Counter::new(first);
        body.previous = if first == 1 { Hash::ZERO } else { Hash::of(b"previous") };
        body.generation = Generation::new(generation);
        body.hlc = Hlc::from_u64(hlc);
        body.dependencies = dependencies.into_iter().map(|r| dependency(r, r)).collect();
        let bundle = SignedBundle::sign(&identity(), body.clone()).unwrap();
        let read = SignedBundle::decode(bundle.as_bytes()).unwrap();
        prop_assert_eq!(read.body(), &body);
        prop_assert_eq!(read.as_bytes(), bundle.as_bytes());
    }

    #[test]
    fn what_is_read_is_written_again_byte_by_byte(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let mut bytes = SignedBundle::sign(&identity(), body()).unwrap().as_bytes().to_vec();
        for (index, byte) in changes {
            let position = index.index(bytes.len());
            bytes[position] = byte;
        }
        if let Ok(bundle) = SignedBundle::decode(&bytes) {
            prop_assert_eq!(bundle.as_bytes(), &bytes[..]);
            prop_assert_eq!(bundle.body().encode(), bundle.body_bytes());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = SignedBundle::decode(&bytes);
        let _ = Body::decode(&bytes);
    }
}
