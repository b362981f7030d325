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
pub mod modules;
pub mod network;
pub mod node;
pub mod storage;
pub mod topics;
mod vocabulary;

pub use node::{
    Change, DigestInfo, Direction, LoadLimits, MemberInfo, MemberState, Missed, ModuleInfo,
    NetworkInfo, Node, NodeConfig, NodeError, ObjectPage, ObjectRead, ObjectState, OtherModule,
    Outcome, QueryAnswer, Status, StorageInfo, SwitchInfo, Switching, TopicInfo, Update, Updated,
    VersionToken, Watch, WatchEvent, WatchToken, init,
};
pub use replicant_protocol::ids;
pub use replicant_runtime::{CompilerProcess, compile_for_parent};
