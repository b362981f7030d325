//! The words in which the node is asked and answers: requests, answers, errors, reports. Every
//! layer may use them; they use none.

mod error;
mod message;
mod report;
mod request;
mod token;
mod watch;

pub use error::NodeError;
pub use message::{Acknowledgements, Heard, ListenEvent, Published, Strategy, Subscription};
pub use report::{
    Counter, MemberInfo, MemberState, ModuleInfo, NetworkInfo, OtherModule, RevocationInfo, Status,
    StorageInfo, SwitchInfo, WaitsFor,
};
pub use request::{
    DigestInfo, Direction, LoadLimits, ObjectPage, ObjectRead, Outcome, QueryAnswer, Switching,
    TopicInfo, Update, Updated,
};
pub use token::VersionToken;
pub use watch::{Change, Missed, ObjectState, WatchEvent, WatchToken};
