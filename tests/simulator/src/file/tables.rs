//! The tables of a scenario file.

use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::values::{Number, Share, Time};
use crate::Latency;
use crate::worlds::{FloodNode, OverlayNode, RapidNode, Subject as _, SwimNode, Views};

/// How often each node may go and come back in a minute.
const CHURN_MAX: f64 = 60.0;

/// An entry that happens at some time.
pub(super) trait Timed {
    /// When it begins.
    fn at(&self) -> Duration;

    /// How long it lasts.
    fn lasts(&self) -> Duration {
        Duration::ZERO
    }
}

macro_rules! timed {
    ($($name:ident $($lasts:ident)?),*) => {
        $(impl Timed for $name {
            fn at(&self) -> Duration {
                self.at.0
            }
            $(fn lasts(&self) -> Duration {
                self.$lasts.0
            })?
        })*
    };
}

timed!(
    CrashTable,
    ChurnTable lasts,
    PartitionTable lasts,
    SlowTable lasts,
    StallTable lasts,
    SkewTable,
    LossTable lasts,
    BroadcastTable
);

/// The worlds that files can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum World {
    Flood,
    Rapid,
    Tree,
    Swim,
}

impl World {
    pub(super) fn views(self) -> Views {
        match self {
            Self::Flood => FloodNode::VIEWS,
            Self::Rapid => RapidNode::VIEWS,
            Self::Tree => OverlayNode::VIEWS,
            Self::Swim => SwimNode::VIEWS,
        }
    }

    pub(super) fn says(self) -> bool {
        let payload = [0_u8].as_slice();
        match self {
            Self::Flood => FloodNode::say(payload.into()).is_some(),
            Self::Rapid => RapidNode::say(payload.into()).is_some(),
            Self::Tree => OverlayNode::say(payload.into()).is_some(),
            Self::Swim => SwimNode::say(payload.into()).is_some(),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NetworkTable {
    pub(super) latency: Option<Spanned<LatencyTable>>,
    pub(super) loss: Option<Share>,
    pub(super) duplication: Option<Share>,
    /// With it messages travel in streams, and what is lost is sent again after it.
    pub(super) retransmission: Option<Time>,
    pub(super) silence_max: Option<Time>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum LatencyTable {
    Constant(Time),
    Uniform(Time, Time),
    PerLink(Time, Time),
    LongTailed {
        median: Time,
        spread: f64,
        most: Time,
    },
}

/// Nodes go, and perhaps come back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CrashTable {
    pub(super) at: Time,
    pub(super) share: Share,
    #[serde(default)]
    pub(super) how: How,
    /// Without it they stay away.
    pub(super) returns_after: Option<Time>,
    #[serde(default)]
    pub(super) disk: DiskWord,
}

/// Nodes go and come back, one by one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChurnTable {
    pub(super) at: Time,
    pub(super) lasts: Time,
    /// The share of all nodes that goes in a minute.
    pub(super) per_minute: f64,
    pub(super) away: Time,
    #[serde(default)]
    pub(super) how: How,
    #[serde(default)]
    pub(super) disk: DiskWord,
}

/// How nodes go.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum How {
    /// The machine is gone.
    #[default]
    Silent,
    /// The process ended.
    Noticed,
}

/// Whether what they had written is still there when they come back.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum DiskWord {
    #[default]
    Kept,
    Lost,
}

/// Nodes do not reach each other.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartitionTable {
    pub(super) at: Time,
    pub(super) lasts: Time,
    /// How much of all nodes is in each part. The rest is in none and reaches everyone.
    pub(super) parts: Vec<Share>,
    #[serde(default)]
    pub(super) direction: Direction,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Direction {
    #[default]
    Both,
    /// Nothing travels from a part to those after it.
    OneWay,
}

/// Nodes take longer over each message.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SlowTable {
    pub(super) at: Time,
    pub(super) lasts: Time,
    pub(super) share: Share,
    /// Up to so much longer.
    pub(super) by: Time,
}

/// Nodes stand still.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StallTable {
    pub(super) at: Time,
    pub(super) lasts: Time,
    pub(super) share: Share,
}

/// Clocks go wrong.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SkewTable {
    pub(super) at: Time,
    pub(super) share: Share,
    /// Each is put forward by up to so much …
    #[serde(default = "no_time")]
    pub(super) ahead: Time,
    /// … and gains or loses up to so many millionths from then on.
    #[serde(default = "no_drift")]
    pub(super) drift_ppm: Number<0, 500_000>,
}

/// Messages are lost, apart from what the network loses.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LossTable {
    pub(super) at: Time,
    pub(super) lasts: Time,
    pub(super) rate: Share,
}

/// Random nodes say something.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BroadcastTable {
    /// What expectations call it.
    pub(super) name: String,
    pub(super) at: Time,
    #[serde(default = "once")]
    pub(super) count: Number<1, 10_000>,
    #[serde(default = "second")]
    pub(super) every: Time,
    #[serde(default = "hundred")]
    pub(super) bytes: Number<32, 1_000_000>,
}

/// What has to hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectTable {
    pub(super) figure: FigureWord,
    /// Of which broadcast.
    pub(super) of: Option<String>,
    pub(super) at_least: Option<f64>,
    pub(super) at_most: Option<f64>,
}

/// What can be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FigureWord {
    Reached,
    DeliveredTwice,
    LastNode,
    LastHop,
    Isolated,
    OneSided,
    WronglyDead,
    WronglyAlive,
    Messages,
    Bytes,
}

impl FigureWord {
    /// Whether it is about a broadcast.
    pub(super) fn is_of_broadcast(self) -> bool {
        matches!(
            self,
            Self::Reached | Self::DeliveredTwice | Self::LastNode | Self::LastHop
        )
    }

    /// Whether it can be measured where nodes know each other like this.
    pub(super) fn needs(self, views: Views) -> bool {
        match self {
            Self::Isolated => views != Views::Told,
            Self::OneSided => views == Views::Partial,
            Self::WronglyDead | Self::WronglyAlive => views == Views::Full,
            _ => true,
        }
    }
}

pub(super) fn no_time() -> Time {
    Time(Duration::ZERO)
}

fn second() -> Time {
    Time(Duration::from_secs(1))
}

fn once() -> Number<1, 10_000> {
    Number(1)
}

fn hundred() -> Number<32, 1_000_000> {
    Number(100)
}

fn no_drift() -> Number<0, 500_000> {
    Number(0)
}

impl LatencyTable {
    pub(super) fn latency(&self) -> Latency {
        match self {
            Self::Constant(Time(delay)) => Latency::Constant(*delay),
            Self::Uniform(Time(least), Time(most)) => Latency::Uniform(*least, *most),
            Self::PerLink(Time(least), Time(most)) => Latency::PerLink(*least, *most),
            Self::LongTailed {
                median,
                spread,
                most,
            } => Latency::LongTailed {
                median: median.0,
                spread: *spread,
                most: most.0,
            },
        }
    }

    pub(super) fn fault(&self) -> Option<String> {
        match self {
            Self::Uniform(least, most) | Self::PerLink(least, most) if least > most => {
                Some("the smaller time stands first".to_owned())
            }
            Self::LongTailed { spread, .. } if !(0.0..=5.0).contains(spread) => {
                Some("a spread is 0 to 5".to_owned())
            }
            _ => None,
        }
    }
}

impl ChurnTable {
    pub(super) fn fault(&self) -> Option<String> {
        match self.per_minute > 0.0 && self.per_minute <= CHURN_MAX {
            true => None,
            false => Some(format!("`per_minute` is above 0 and at most {CHURN_MAX}")),
        }
    }
}

impl PartitionTable {
    pub(super) fn fault(&self) -> Option<String> {
        let sum: f64 = self.parts.iter().map(|share| share.0).sum();
        match (2..=16).contains(&self.parts.len()) && sum <= 1.000_001 {
            true => None,
            false => Some("`parts` are 2 to 16 shares that come to at most 1".to_owned()),
        }
    }
}
