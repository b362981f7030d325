//! Listeners by themselves, without a network.

use replicant_protocol::ids::{NodeId, TopicName};
use replicant_protocol::topics::{Rule, Rules, SUBSCRIPTIONS_MAX, TopicsError, Who};

use super::*;
use crate::vocabulary::{Heard, ListenEvent, NodeError};

fn topic(name: &str) -> TopicName {
    name.parse().unwrap()
}

fn listeners() -> Listeners {
    Listeners::new(NodeId::from_bytes([1; 32]), Rules::default())
}

fn heard(path: Option<&str>, payload: &[u8]) -> Heard {
    Heard {
        topic: path.map(topic),
        author: NodeId::from_bytes([2; 32]),
        payload: payload.into(),
    }
}

async fn payload(listener: &mut Listener) -> Vec<u8> {
    match listener.next().await {
        Some(ListenEvent::Heard(heard)) => heard.payload.to_vec(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_listener_hears_its_topic_and_all_below_and_nothing_else() {
    let all = listeners();
    let mut shop = all.listen(Scope::Topic(topic("shop"))).unwrap();
    let mut carts = all.listen(Scope::Topic(topic("shop/eu/carts"))).unwrap();
    let mut direct = all.listen(Scope::Direct).unwrap();
    all.hear(&heard(Some("shop/eu"), b"one"));
    all.hear(&heard(Some("shop/eu/carts"), b"two"));
    all.hear(&heard(Some("shops"), b"three"));
    all.hear(&heard(None, b"four"));
    all.close();
    assert_eq!(payload(&mut shop).await, b"one");
    assert_eq!(payload(&mut shop).await, b"two");
    assert_eq!(shop.next().await, None);
    assert_eq!(payload(&mut carts).await, b"two");
    assert_eq!(carts.next().await, None);
    assert_eq!(payload(&mut direct).await, b"four");
    assert_eq!(direct.next().await, None);
}

#[tokio::test]
async fn who_does_not_read_loses_the_oldest_and_is_told_how_many() {
    let all = listeners();
    let mut listener = all.listen(Scope::Direct).unwrap();
    for number in 0..MESSAGES_MAX + 3 {
        all.hear(&heard(None, &number.to_le_bytes()));
    }
    assert_eq!(listener.next().await, Some(ListenEvent::Missed(3)));
    assert_eq!(payload(&mut listener).await, 3_usize.to_le_bytes());
}

#[tokio::test]
async fn what_waits_is_bounded_in_bytes_too_and_one_message_always_fits() {
    let all = listeners();
    let mut listener = all.listen(Scope::Direct).unwrap();
    all.hear(&heard(None, b"small"));
    all.hear(&heard(None, &vec![1; QUEUE_BYTES_MAX + 1]));
    assert_eq!(listener.next().await, Some(ListenEvent::Missed(1)));
    assert_eq!(payload(&mut listener).await.len(), QUEUE_BYTES_MAX + 1);
}

#[tokio::test]
async fn the_node_subscribes_to_what_is_listened_to_and_to_nothing_else() {
    let all = listeners();
    let told = all.subscriptions();
    let now = || {
        told.borrow()
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let one = all.listen(Scope::Topic(topic("a"))).unwrap();
    let two = all.listen(Scope::Topic(topic("a"))).unwrap();
    let other = all.listen(Scope::Topic(topic("b"))).unwrap();
    let direct = all.listen(Scope::Direct).unwrap();
    assert_eq!(now(), ["a", "b"]);
    drop((one, direct));
    assert_eq!(now(), ["a", "b"]);
    drop((two, other));
    assert!(now().is_empty());
}

#[tokio::test]
async fn subscriptions_and_listeners_are_bounded() {
    let all = listeners();
    let mut open = Vec::new();
    for number in 0..SUBSCRIPTIONS_MAX {
        let scope = Scope::Topic(topic(&format!("t{number}")));
        open.push(all.listen(scope).unwrap());
    }
    let refused = all.listen(Scope::Topic(topic("one-more"))).unwrap_err();
    let expected = NodeError::Topics(TopicsError::TooManySubscriptions);
    assert_eq!(refused.to_string(), expected.to_string());
    while open.len() < LISTENERS_MAX {
        open.push(all.listen(Scope::Topic(topic("t0"))).unwrap());
    }
    assert!(matches!(
        all.listen(Scope::Direct),
        Err(NodeError::Busy { .. })
    ));
    open.pop();
    assert!(all.listen(Scope::Direct).is_ok());
}

#[tokio::test]
async fn who_may_not_subscribe_is_told_so() {
    let rule = Rule {
        topics: "guarded/**".parse().unwrap(),
        publish: Who::Everyone,
        subscribe: Who::Only([].into()),
    };
    let rules = Rules::new(vec![rule]).unwrap();
    let all = Listeners::new(NodeId::from_bytes([1; 32]), rules);
    let refused = all.listen(Scope::Topic(topic("guarded/x"))).unwrap_err();
    assert!(refused.to_string().contains("guarded/x"), "{refused}");
}

#[tokio::test]
async fn a_listener_that_waits_is_woken_by_a_message_and_by_the_end() {
    let all = listeners();
    let mut listener = all.listen(Scope::Direct).unwrap();
    let waiting = tokio::spawn(async move {
        let first = listener.next().await;
        (first, listener.next().await)
    });
    tokio::task::yield_now().await;
    let said = heard(None, b"hello");
    all.hear(&said);
    tokio::task::yield_now().await;
    all.close();
    let (first, second) = waiting.await.unwrap();
    assert_eq!((first, second), (Some(ListenEvent::Heard(said)), None));
    assert!(matches!(
        all.listen(Scope::Direct),
        Err(NodeError::ShuttingDown)
    ));
}
