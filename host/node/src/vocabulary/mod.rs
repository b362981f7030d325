//! The words in which the node is asked and answers: requests, answers, errors, reports. Every
//! layer may use them; they use none.

mod error;
mod report;
mod request;
mod token;
mod watch;

pub use error::NodeError;
pub use report::{MemberInfo, MemberState, ModuleInfo, NetworkInfo, Status, StorageInfo};
pub use request::{
    DigestInfo, ObjectPage, ObjectRead, Outcome, QueryAnswer, TopicInfo, Update, Updated,
};
pub use token::VersionToken;
pub use watch::{Change, Missed, ObjectState, WatchEvent, WatchToken};
