//! An embeddable Replicant node.
//!
//! [`Node`] is the whole public face: start one on a data folder, update and read objects, watch
//! them, load modules. The HTTP API and the command are clients of it.
//!
//! The layers below it know nothing of each other; [`node`] puts them together.
//!
#![forbid(unsafe_code)]

pub mod api;
pub mod data;
pub mod messages;
pub mod modules;
pub mod network;
pub mod node;
pub mod storage;
pub mod topics;
mod vital;
mod vocabulary;
mod wall_clock;

pub use network::{AddressError, DISCOVERY_GROUP, SeedError, check_address, check_seed};
pub use node::{
    Acknowledgements, Change, Counter, DigestInfo, Direction, FactChange, FactFilter, FactWatch,
    Heard, ListenEvent, LoadLimits, MemberInfo, MemberState, MemberWatch, Missed, ModuleInfo,
    NetworkInfo, Node, NodeConfig, NodeError, ObjectPage, ObjectRead, ObjectState, OtherModule,
    Outcome, Published, QueryAnswer, RevocationInfo, Status, StorageInfo, Subscription, SwitchInfo,
    Switching, TopicInfo, Update, Updated, VersionToken, WaitsFor, Watch, WatchEvent, WatchToken,
    init,
};
/// Who may publish and subscribe in which topics.
pub mod access {
    pub use replicant_protocol::topics::{
        Pattern, PatternError, RULES_MAX, Rule, RuleError, Rules, Who,
    };
}
pub use replicant_protocol::membership::{
    APPLICATION_BYTES_MAX as METADATA_BYTES_MAX, Reliability, StrategyKind,
};
pub use replicant_protocol::{environment, facts, ids};
pub use replicant_runtime::{CompilerProcess, compile_for_parent};
