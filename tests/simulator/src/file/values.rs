//! Values of scenario files, each checked where it is read.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

use crate::Index;

/// No time of a file is longer: a day.
const TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Fewer nodes are no cluster, more have not been tried.
pub const NODES: std::ops::RangeInclusive<Index> = 2..=1_000_000;

/// A time: `10 s`, `250 ms`, `2 min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Time(pub(super) Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse_time(&text).map(Self).ok_or_else(|| {
            let text = text.chars().take(40).collect::<String>();
            D::Error::custom(format!(
                "`{text}` is not a time; write a number and `ms`, `s` or `min`, at most a day"
            ))
        })
    }
}

fn parse_time(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let seconds = match unit.trim() {
        "ms" => number / 1e3,
        "s" => number,
        "min" => number * 60.0,
        _ => return None,
    };
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    (time <= TIME_MAX).then_some(time)
}

/// A part of something, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Share(pub(super) f64);

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let share = f64::deserialize(deserializer)?;
        match (0.0..=1.0).contains(&share) {
            true => Ok(Self(share)),
            false => Err(D::Error::custom(format!("{share} is no share: 0 to 1"))),
        }
    }
}

/// A whole number with limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number<const LEAST: u32, const MOST: u32>(pub(super) u32);

impl<'de, const LEAST: u32, const MOST: u32> Deserialize<'de> for Number<LEAST, MOST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = i64::deserialize(deserializer)?;
        match u32::try_from(number) {
            Ok(taken) if (LEAST..=MOST).contains(&taken) => Ok(Self(taken)),
            _ => Err(D::Error::custom(format!(
                "{number} is not {LEAST} to {MOST}"
            ))),
        }
    }
}
