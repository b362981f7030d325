//! What the API's answers look like, for the server that writes them, for clients that read them
//! and for the OpenAPI document.

mod from_node;
mod of_facts;
mod of_members;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use of_members::{MemberView, ReliabilityView};

/// Every failed request answers with this.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorView {
    /// What went wrong.
    pub error: Failure,
    /// For an update of which every command was refused: what became of each, as in an
    /// `UpdatedView`: objects with the one key `refused` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<Vec<OutcomeView>>,
}

/// What went wrong, why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// For programs; does not change between releases.
    pub code: String,
    /// For people: what happened, and why. A type's own message is given as it is.
    pub message: String,
    /// For people: what to do next.
    pub hint: String,
}

/// How the node is doing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StatusView {
    /// The node's id: its public key in hexadecimal.
    pub node: String,
    /// The cluster's id.
    pub cluster: String,
    /// The release that the node runs.
    pub version: String,
    /// Where it listens for nodes.
    pub listen: String,
    /// Where it tells other nodes to find it.
    pub advertised: String,
    /// Where it serves this API.
    pub api: String,
    /// Seconds since it was started.
    pub uptime_seconds: u64,
    /// Whether the disk takes writes.
    pub storage: StorageView,
    /// Whether it takes part in the network.
    pub network: NetworkView,
    /// The fact that keeps it out, if it is revoked and knows of it; else left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<RevocationView>,
    /// Counters since the start (names ending in `_total`) and gauges, by name.
    pub counters: BTreeMap<String, u64>,
}

/// The fact that keeps a node out of its cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RevocationView {
    /// The fact's id.
    pub fact: String,
    /// Who revoked the node.
    pub issuer: String,
    /// Why, in the issuer's words.
    pub reason: String,
    /// Until when it counts, in milliseconds since 1970.
    pub expires_at_ms: u64,
}

/// Whether the disk takes writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StorageView {
    /// Whether it does.
    pub writable: bool,
    /// Why it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether the node takes part in the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkView {
    /// False after it was taken off.
    pub enabled: bool,
    /// Open sessions with other nodes.
    pub sessions: u64,
    /// How nodes know of each other: `swim`, a full view, or `hyparview`, partial views.
    pub membership: String,
}

/// Whether the node shall take part in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NetworkSwitch {
    /// False closes its sessions and refuses new ones.
    pub enabled: bool,
}

/// A path that members subscribe to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionView {
    /// The path.
    pub topic: String,
    /// How many members subscribe to it; left out with partial views, where nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscribers: Option<u64>,
    /// Whether the node that answers does: somebody listens there.
    pub own: bool,
}

/// What became of something that was said in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PublishedView {
    /// How many nodes listen to the topic as far as the node knows, itself included. Left out with
    /// partial views: nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<u64>,
    /// Who of them has it; left out if that was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<AcknowledgedView>,
}

/// Who has something that was said in a topic, as far as was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgedView {
    /// How many nodes have it, this one included if it listens.
    pub count: u64,
    /// Whether that is what was wanted.
    pub enough: bool,
    /// The ids of those of which nothing was heard. Empty where so many were wanted and have it:
    /// the others were not waited for.
    pub missing: Vec<String>,
}

/// What became of something that was said to one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SentView {
    /// To whom it was said.
    pub to: String,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageView {
    /// Where; left out if it was said to this node alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// The id of the node that said it.
    pub author: String,
    /// What was said.
    pub payload: serde_json::Value,
}

/// A fact to publish.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactDraft {
    /// Its kind: `node-revocation`, `publisher-revocation`, or one that nodes declare.
    pub kind: String,
    /// What it says. For a revocation an object with `node` (or `publisher`), and `reason`.
    pub body: serde_json::Value,
    /// How long it counts, in seconds. Without it: as long as its kind's declaration allows; a
    /// revocation ten years, which is the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_seconds: Option<u64>,
}

/// A fact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactView {
    /// The hash of what was signed.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// What it says.
    pub body: serde_json::Value,
    /// Who signed it.
    pub issuer: String,
    /// When, by the issuer's clock: milliseconds since 1970.
    pub issued_at_ms: u64,
    /// When it expires: milliseconds since 1970.
    pub expires_at_ms: u64,
    /// True where this was to be said again by who had said it, so that nothing was published; else
    /// left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub already: bool,
}

/// A page of facts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FactsView {
    /// By id.
    pub facts: Vec<FactView>,
    /// Hand it in as `after` for the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A module that the node knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ModuleView {
    /// The type's name.
    pub name: String,
    /// The type's version.
    pub version: String,
    /// BLAKE3 hash of the component's bytes.
    pub hash: String,
    /// Size of the component.
    pub size_bytes: u64,
    /// What the type means, in one paragraph.
    pub summary: String,
    /// JSON Schemas of what goes in and out.
    pub schemas: SchemasView,
    /// The version of the op encoding that it writes.
    pub writes: u32,
    /// The versions of the op encoding that it reads.
    pub reads: Vec<u32>,
    /// Limits that its instances run under; the unit stands at the end of the name.
    pub limits: BTreeMap<String, u64>,
    /// What the component imports.
    pub imports: Vec<String>,
    /// What the component exports.
    pub exports: Vec<String>,
    /// Whether it ships with the release.
    pub built_in: bool,
    /// Whether objects of the type run on this version.
    pub active: bool,
    /// Whether it is loaded here; if not, what describes it is empty.
    pub loaded: bool,
    /// Why what is announced is not loaded here; null if it is.
    pub waits: Option<String>,
    /// What it waits for, if it is not loaded here: `announcement`, `bytes`, `compilation` (its
    /// bytes are here), or `operator` (it cannot be loaded as it is).
    pub waits_for: Option<String>,
    /// Op encodings in which there may be ops, and which it does not read: objects with such ops
    /// wait for a version that does.
    pub unread_encodings: Vec<u32>,
    /// Ops without effect, since it says it cannot read them; as often as they were applied since
    /// it was loaded here.
    pub ops_unread: u64,
    /// The node whose announcement counts: it was the first.
    pub publisher: String,
    /// What else is announced under the same name and version. No node runs it: it needs a version
    /// of its own.
    pub others: Vec<OtherModuleView>,
    /// The latest switches of the type; the first one says which version runs.
    pub switches: Vec<SwitchView>,
}

/// A module that is announced under a name and version that another one has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OtherModuleView {
    /// BLAKE3 hash of its bytes; the same as the other's if only the limits differ.
    pub hash: String,
    /// The node that announced it.
    pub publisher: String,
}

/// A type was told to run on a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchView {
    /// The version.
    pub version: String,
    /// The node that was asked.
    pub issuer: String,
    /// When, by that node's clock, in milliseconds since 1970.
    pub at_ms: u64,
}

/// JSON Schemas (2020-12) of what a type takes and gives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SchemasView {
    /// Of a command.
    pub command: serde_json::Value,
    /// Of a query.
    pub query: serde_json::Value,
    /// Of the whole value.
    pub value: serde_json::Value,
    /// Of one change event.
    pub event: serde_json::Value,
}

/// A topic that the node holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TopicView {
    /// The topic.
    pub topic: String,
    /// How many ops were delivered.
    pub ops: u64,
    /// How many objects there are.
    pub objects: u64,
}

/// Some of a topic's objects, by type and id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectsView {
    /// The topic.
    pub topic: String,
    /// The objects of this page.
    pub objects: Vec<ObjectName>,
    /// Hand this in as `after` to get those behind these; null when there are no more.
    #[schema(required)]
    pub next: Option<String>,
}

/// What names an object within its topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectName {
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its id.
    pub id: String,
}

/// A topic's contents in one hash: equal on two nodes exactly if every object's state is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DigestView {
    /// The topic.
    pub topic: String,
    /// The version that was hashed.
    pub version: String,
    /// How many ops were delivered.
    pub ops: u64,
    /// How many objects there are.
    pub objects: u64,
    /// Bytes of all saved states together.
    pub bytes: u64,
    /// BLAKE3 over every object's key and the hash of its saved bytes, in the order of keys.
    pub digest: String,
    /// How many objects could not be shown (no module, or faulted).
    pub unavailable: u64,
}

/// An object's value at a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectView {
    /// The object's topic.
    pub topic: String,
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// A version of the topic that the value contains; hand it to a read as `after`.
    pub version: String,
    /// Ops of the object without effect, since its type says it cannot read them. Left out if there
    /// are none.
    #[serde(default, skip_serializing_if = "is_none")]
    pub ops_unread: u64,
    /// The whole value, as the type's value schema says.
    #[schema(required)]
    pub value: serde_json::Value,
}

/// For a count that is left out where it is 0.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
pub(crate) fn is_none(count: &u64) -> bool {
    *count == 0
}

/// What a query gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerView {
    /// A version of the topic that the answer is based on.
    pub version: String,
    /// The answer, as the type defines it.
    #[schema(required)]
    pub answer: serde_json::Value,
}

/// Commands for one object. A single command may also be sent as it is, without this around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    /// They are carried out together and in order; at most 10,000.
    pub commands: Vec<serde_json::Value>,
}

/// What became of an update. All of it is durable on the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdatedView {
    /// A version of the topic that contains the update; hand it to a read as `after`.
    pub version: String,
    /// What became of each command, in order: each an object with one key, `applied`, `unchanged`,
    /// `refused` or `failed`.
    pub outcomes: Vec<OutcomeView>,
}

/// What became of one command: an object with one of these keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeView {
    /// It made the op with this name.
    Applied {
        /// The replica that made the op. Uses all 64 bits.
        #[schema(format = "uint64")]
        replica: u64,
        /// How many ops that replica had made in the topic, this one included.
        counter: u64,
    },
    /// Always true: it was accepted and there was nothing to change.
    Unchanged(bool),
    /// It was refused and changed nothing: the type's own message.
    Refused(String),
    /// The type's code failed on it, and nothing changed: module, export and limit.
    Failed(String),
}

/// The data of a `change` event of a watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeView {
    /// The object's topic.
    pub topic: String,
    /// Its id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// A version of the topic that contains the change.
    pub version: String,
    /// From where to go on after this change (`from`).
    pub token: String,
    /// What changed, each as the type's event schema says.
    pub events: Vec<serde_json::Value>,
}

/// The data of a `missed` event of a watch: the state in place of changes that cannot be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MissedView {
    /// The topic.
    pub topic: String,
    /// The version of the topic that the state is of.
    pub version: String,
    /// From where to go on after this state (`from`).
    pub token: String,
    /// Whether the objects below are all that is watched; else only they may have changed.
    pub whole: bool,
    /// False if the state is too large to be sent along: list the objects and read them.
    pub complete: bool,
    /// The objects, with what they are now.
    pub objects: Vec<ObjectStateView>,
}

/// What one object is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectStateView {
    /// The object's id.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// Its value, as the type's value schema says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<serde_json::Value>,
    /// Why there is no value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<String>,
}
