//! The node's own types as the API shows them.

use serde_json::Value;

use super::{
    AcknowledgedView, DigestView, ModuleView, NetworkView, ObjectName, ObjectsView,
    OtherModuleView, OutcomeView, PublishedView, RevocationView, SchemasView, StatusView,
    StorageView, SubscriptionView, SwitchView, TopicView, UpdatedView,
};
use crate::ids::TopicName;
use crate::{
    Acknowledgements, DigestInfo, ModuleInfo, NetworkInfo, ObjectPage, OtherModule, Outcome,
    Published, RevocationInfo, Status, Subscription, SwitchInfo, TopicInfo, Updated,
};

impl StatusView {
    pub(crate) fn new(status: Status, api: String) -> Self {
        let counters = status.counters.into_iter();
        Self {
            node: status.id.to_string(),
            cluster: status.cluster.to_string(),
            version: status.version.to_owned(),
            listen: status.listen.to_string(),
            advertised: status.advertised,
            api,
            uptime_seconds: status.uptime.as_secs(),
            storage: StorageView {
                writable: status.storage.writable,
                reason: status.storage.reason,
            },
            network: status.network.into(),
            revoked: status.revoked.map(Into::into),
            counters: counters
                .map(|counter| (counter.name.to_owned(), counter.value))
                .collect(),
        }
    }
}

impl From<RevocationInfo> for RevocationView {
    fn from(revoked: RevocationInfo) -> Self {
        Self {
            fact: revoked.fact.to_string(),
            issuer: revoked.issuer.to_string(),
            reason: revoked.reason,
            expires_at_ms: revoked.expires_at_ms,
        }
    }
}

impl From<NetworkInfo> for NetworkView {
    fn from(network: NetworkInfo) -> Self {
        Self {
            enabled: network.enabled,
            sessions: network.sessions,
            membership: network.membership.to_string(),
        }
    }
}

impl From<Subscription> for SubscriptionView {
    fn from(subscription: Subscription) -> Self {
        Self {
            topic: subscription.topic.to_string(),
            subscribers: subscription.subscribers.map(|count| count as u64),
            own: subscription.own,
        }
    }
}

impl From<Published> for PublishedView {
    fn from(published: Published) -> Self {
        Self {
            audience: published.audience.map(|count| count as u64),
            acknowledged: None,
        }
    }
}

impl From<Acknowledgements> for PublishedView {
    fn from(told: Acknowledgements) -> Self {
        Self {
            audience: told.audience.map(|count| count as u64),
            acknowledged: Some(AcknowledgedView {
                count: told.count as u64,
                enough: told.is_enough,
                missing: told.missing.iter().map(ToString::to_string).collect(),
            }),
        }
    }
}

impl From<ModuleInfo> for ModuleView {
    fn from(module: ModuleInfo) -> Self {
        let limits = module.limits.into_iter();
        Self {
            name: module.name.to_string(),
            version: module.version,
            hash: module.hash.to_string(),
            size_bytes: module.size_bytes,
            summary: module.summary,
            schemas: SchemasView {
                command: schema(module.command_schema),
                query: schema(module.query_schema),
                value: schema(module.value_schema),
                event: schema(module.event_schema),
            },
            writes: module.writes,
            reads: module.reads,
            limits: limits
                .map(|(name, limit)| (name.to_owned(), limit))
                .collect(),
            imports: module.imports,
            exports: module.exports,
            built_in: module.built_in,
            active: module.active,
            loaded: module.loaded,
            waits: module.waits,
            waits_for: module.waits_for.map(|what| what.as_str().to_owned()),
            unread_encodings: module.unread_encodings,
            ops_unread: module.ops_unread,
            publisher: module.publisher.to_string(),
            others: module.others.into_iter().map(Into::into).collect(),
            switches: module.switches.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<OtherModule> for OtherModuleView {
    fn from(other: OtherModule) -> Self {
        Self {
            hash: other.hash.to_string(),
            publisher: other.publisher.to_string(),
        }
    }
}

impl From<SwitchInfo> for SwitchView {
    fn from(switch: SwitchInfo) -> Self {
        Self {
            version: switch.version,
            issuer: switch.issuer.to_string(),
            at_ms: switch.at_ms,
        }
    }
}

/// A schema as the document that it is; as a plain text if the module's author got it wrong.
fn schema(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

impl From<TopicInfo> for TopicView {
    fn from(topic: TopicInfo) -> Self {
        Self {
            topic: topic.name.to_string(),
            ops: topic.ops,
            objects: topic.objects,
        }
    }
}

impl ObjectsView {
    pub(crate) fn new(topic: &TopicName, page: ObjectPage) -> Self {
        let objects = page.objects.into_iter().map(|(type_name, id)| ObjectName {
            type_name: type_name.to_string(),
            id: id.to_string(),
        });
        Self {
            topic: topic.to_string(),
            objects: objects.collect(),
            next: page.next,
        }
    }
}

impl DigestView {
    pub(crate) fn new(topic: &TopicName, digest: DigestInfo) -> Self {
        Self {
            topic: topic.to_string(),
            version: digest.version.to_string(),
            ops: digest.ops,
            objects: digest.objects,
            bytes: digest.bytes,
            digest: digest.digest,
            unavailable: digest.unavailable,
        }
    }
}

impl From<Updated> for UpdatedView {
    fn from(updated: Updated) -> Self {
        Self {
            version: updated.version.to_string(),
            outcomes: updated
                .outcomes
                .into_iter()
                .map(OutcomeView::from)
                .collect(),
        }
    }
}

impl From<Outcome> for OutcomeView {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied(dot) => Self::Applied {
                replica: dot.replica.get(),
                counter: dot.counter.get(),
            },
            Outcome::Unchanged => Self::Unchanged(true),
            Outcome::Refused(message) => Self::Refused(message),
            Outcome::Failed(message) => Self::Failed(message),
        }
    }
}
