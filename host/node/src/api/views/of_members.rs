//! Members as the API shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{MemberInfo, Reliability};

/// A member of the cluster, as the node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberView {
    /// The member's id.
    pub id: String,
    /// Where it says it can be reached.
    pub address: String,
    /// What failure detection says: `alive`, `suspect`, `dead` or `left`. With partial views:
    /// `neighbour`, `known` (others named it), or `forgotten` to who follows members; `alive` is
    /// the node itself.
    pub state: String,
    /// The member's own count of refuted suspicions.
    pub incarnation: u64,
    /// Whether it is the node that answers.
    #[serde(rename = "self")]
    pub is_self: bool,
    /// Whether a session with it is open.
    pub connected: bool,
    /// True if a fact revokes it, and else left out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
    /// For how many seconds it did of late what correct nodes do seldom, as far as that is not
    /// forgiven; each is after four seconds without. At 30 its session ends, and it is kept out for
    /// a while. Left out if none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bad_seconds: u32,
    /// How reliable it was, as the node that answers measured it; left out for itself, and with
    /// partial views.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reliability: Option<ReliabilityView>,
    /// What whoever runs it says of it (`serve --metadata`); left out if nothing, and with partial
    /// views.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub metadata: String,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// How reliable a member was, as the node that answers measured it; in parts per million. What is
/// older than an hour counts less than half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReliabilityView {
    /// The share of time in which it was there; 1,000,000 for who was just met.
    pub up_ppm: u32,
    /// The share of the node's probes that it answered, directly or through others; 1,000,000
    /// before the first.
    pub probe_success_ppm: u32,
    /// Both together, where time before it was met counts as time away: it begins at 0.
    pub score_ppm: u32,
}

impl From<MemberInfo> for MemberView {
    fn from(member: MemberInfo) -> Self {
        Self {
            id: member.id.to_string(),
            address: member.address,
            state: member.state.as_str().to_owned(),
            incarnation: member.incarnation,
            is_self: member.is_self,
            connected: member.connected,
            revoked: member.revoked,
            bad_seconds: member.bad_seconds,
            reliability: member.reliability.map(Into::into),
            metadata: member.metadata,
        }
    }
}

impl From<Reliability> for ReliabilityView {
    fn from(measured: Reliability) -> Self {
        Self {
            up_ppm: measured.up_ppm(),
            probe_success_ppm: measured.probe_success_ppm(),
            score_ppm: measured.score_ppm(),
        }
    }
}
