//! What a member tells of itself beyond its address: what it subscribes to, and what its
//! application adds.

use std::collections::BTreeSet;
use std::sync::Arc;

use minicbor::{Decode, Encode};

use crate::bounded;
use crate::ids::TopicName;

/// How many topics a member can subscribe to. Who needs more subscribes to an ancestor of them.
pub const SUBSCRIPTIONS_MAX: usize = 64;
/// How long the names of a member's topics may be in all, in bytes.
pub const SUBSCRIPTIONS_BYTES_MAX: usize = 768;
/// How much an application can add, in bytes.
pub const APPLICATION_BYTES_MAX: usize = 256;

/// What a member tells of itself. Part of its signed record, so that nobody else can change it, and
/// bounded, since every member keeps it of every other. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Metadata(Arc<Parts>);

#[derive(PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
struct Parts {
    subscriptions: BTreeSet<TopicName>,
    application: Vec<u8>,
}

/// Why something is no metadata. Whoever made it is at fault; nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// Too many topics.
    #[error(
        "{count} subscriptions; a member can have {SUBSCRIPTIONS_MAX}: subscribe to an ancestor of \
         several topics, it covers them all"
    )]
    Subscriptions {
        /// How many.
        count: usize,
    },
    /// The names of the topics are too long together.
    #[error(
        "subscriptions of {bytes} bytes in all; a member's may have {SUBSCRIPTIONS_BYTES_MAX}: \
         subscribe to an ancestor of several topics, it covers them all"
    )]
    SubscriptionBytes {
        /// How long they are.
        bytes: usize,
    },
    /// The application wants to add too much.
    #[error(
        "application metadata of {bytes} bytes; at most {APPLICATION_BYTES_MAX} spread with \
         membership: publish more in a topic"
    )]
    Application {
        /// How much.
        bytes: usize,
    },
}

impl Metadata {
    /// Puts metadata together.
    ///
    /// # Errors
    /// [`MetadataError`] if it is too large: the caller's fault.
    pub fn new(
        subscriptions: BTreeSet<TopicName>,
        application: Vec<u8>,
    ) -> Result<Self, MetadataError> {
        let count = subscriptions.len();
        if count > SUBSCRIPTIONS_MAX {
            return Err(MetadataError::Subscriptions { count });
        }
        let lengths = subscriptions.iter().map(|topic| topic.as_str().len());
        let bytes = lengths.sum();
        if bytes > SUBSCRIPTIONS_BYTES_MAX {
            return Err(MetadataError::SubscriptionBytes { bytes });
        }
        let bytes = application.len();
        if bytes > APPLICATION_BYTES_MAX {
            return Err(MetadataError::Application { bytes });
        }
        Ok(Self(Arc::new(Parts {
            subscriptions,
            application,
        })))
    }

    /// The topics that the member subscribes to, in order. Each covers all topics below it.
    pub fn subscriptions(&self) -> &BTreeSet<TopicName> {
        &self.0.subscriptions
    }

    /// What the application added; opaque.
    pub fn application(&self) -> &[u8] {
        &self.0.application
    }

    /// Whether a message to `topic` is for this member: it subscribes to the topic or to an
    /// ancestor of it.
    pub fn covers(&self, topic: &TopicName) -> bool {
        let path = topic.as_str();
        let of = |subscription: &TopicName| {
            let rest = path.strip_prefix(subscription.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.subscriptions().iter().any(of)
    }

    pub(super) fn to_wire(&self) -> WireMetadata {
        WireMetadata {
            subscriptions: self.0.subscriptions.iter().cloned().collect(),
            application: self.0.application.clone(),
        }
    }
}

#[derive(Encode, Decode)]
#[cbor(array)]
pub(super) struct WireMetadata {
    #[cbor(n(0), decode_with = "bounded::vec::<_, _, SUBSCRIPTIONS_MAX>")]
    subscriptions: Vec<TopicName>,
    #[cbor(
        n(1),
        encode_with = "minicbor::bytes::encode",
        decode_with = "bounded::bytes::<_, APPLICATION_BYTES_MAX>"
    )]
    application: Vec<u8>,
}

impl WireMetadata {
    /// `None` if the topics are not in order, each once, or it is too large.
    pub(super) fn into_metadata(self) -> Option<Metadata> {
        let is_ordered = self.subscriptions.is_sorted_by(|a, b| a < b);
        let subscriptions = self.subscriptions.into_iter().collect();
        let metadata = Metadata::new(subscriptions, self.application).ok()?;
        is_ordered.then_some(metadata)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> BTreeSet<TopicName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn a_subscription_covers_what_lies_below_it_and_nothing_beside_it() {
        let metadata = Metadata::new(topics(&["shop/eu"]), Vec::new()).unwrap();
        let covers = |name: &str| metadata.covers(&name.parse().unwrap());
        assert!(covers("shop/eu") && covers("shop/eu/carts"));
        assert!(!covers("shop") && !covers("shop/europe") && !covers("shop/us"));
    }

    #[test]
    fn each_part_is_accepted_up_to_its_bound() {
        let many = |count: usize| {
            let names = (0..count).map(|number| format!("t{number}").parse().unwrap());
            Metadata::new(names.collect(), Vec::new())
        };
        assert!(many(SUBSCRIPTIONS_MAX).is_ok());
        assert!(matches!(
            many(SUBSCRIPTIONS_MAX + 1),
            Err(MetadataError::Subscriptions { .. })
        ));
        let segment = "x".repeat(63);
        let long = |first: &str| format!("{first}{segment}/{segment}/{segment}/{segment}");
        let names = [long("a"), long("b"), long("c")];
        assert!(names.iter().all(|name| name.len() == 256));
        let names = names.each_ref().map(String::as_str);
        assert!(Metadata::new(topics(&names), Vec::new()).is_ok());
        let one_more = [names[0], names[1], names[2], "a"];
        assert_eq!(
            Metadata::new(topics(&one_more), Vec::new()),
            Err(MetadataError::SubscriptionBytes { bytes: 769 })
        );
        assert!(Metadata::new(topics(&[]), vec![0; APPLICATION_BYTES_MAX]).is_ok());
        assert!(Metadata::new(topics(&[]), vec![0; APPLICATION_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn topics_out_of_order_or_twice_are_no_metadata() {
        for names in [["b", "a"], ["a", "a"]] {
            let wire = WireMetadata {
                subscriptions: names.map(|name| name.parse().unwrap()).to_vec(),
                application: Vec::new(),
            };
            assert_eq!(wire.into_metadata(), None);
        }
    }
}
