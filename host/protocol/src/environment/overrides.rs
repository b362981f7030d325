//! Every parameter by name, as `replicant tune` prints it and `--parameter` takes it.

use std::time::Duration;

use super::Parameters;

/// Why a parameter was not set, or not taken. Whoever wrote it is at fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// There is none of this name.
    #[error("there is no parameter `{name}`; `replicant tune` prints all of them")]
    Unknown {
        /// What was written.
        name: String,
    },
    /// The protocol cannot run with this value.
    #[error("{name} cannot be {value}; {least} to {most} are possible")]
    OutOfRange {
        /// Which.
        name: &'static str,
        /// What was written.
        value: u64,
        /// The smallest possible.
        least: u64,
        /// The largest possible.
        most: u64,
    },
    /// Two of them contradict each other.
    #[error(
        "{}={} is too little beside {}={}: {why}; write {}={least} or more, or {}={most} or less",
        greater.0, greater.1, lesser.0, lesser.1, greater.0, lesser.0
    )]
    Contradiction {
        /// The one that is too little, with its value.
        greater: (&'static str, u64),
        /// The one that is too much for it.
        lesser: (&'static str, u64),
        /// Why both cannot be.
        why: &'static str,
        /// What the one has to be at least.
        least: u64,
        /// What the other may be at most.
        most: u64,
    },
}

/// A parameter with its range. Times are in milliseconds.
struct Parameter {
    name: &'static str,
    least: u64,
    most: u64,
    get: fn(&Parameters) -> u64,
    set: fn(&mut Parameters, u64),
}

/// A number of the parameters.
macro_rules! count {
    ($name:literal, $least:literal, $most:literal, $group:ident . $field:ident as $type:ty) => {
        Parameter {
            name: $name,
            least: $least,
            most: $most,
            get: |all| u64::try_from(all.$group.$field).unwrap_or(u64::MAX),
            set: |all, value| all.$group.$field = <$type>::try_from(value).unwrap_or(<$type>::MAX),
        }
    };
}

/// A time of the parameters.
macro_rules! time {
    ($name:literal, $least:literal, $most:literal, $group:ident . $field:ident) => {
        Parameter {
            name: $name,
            least: $least,
            most: $most,
            get: |all| u64::try_from(all.$group.$field.as_millis()).unwrap_or(u64::MAX),
            set: |all, value| all.$group.$field = Duration::from_millis(value),
        }
    };
}

#[rustfmt::skip]
static ALL: [Parameter; 28] = [
    time!("swim.probe_interval_ms", 10, 3_600_000, swim.probe_interval),
    time!("swim.probe_timeout_ms", 1, 600_000, swim.probe_timeout),
    count!("swim.indirect_probes", 0, 64, swim.indirect_probes_count as usize),
    count!("swim.suspicion_multiplier", 1, 100, swim.suspicion_multiplier as u32),
    count!("swim.suspicion_max_multiplier", 1, 100, swim.suspicion_max_multiplier as u32),
    count!("swim.confirmations", 0, 3, swim.confirmations_max as usize),
    count!("swim.retransmission_multiplier", 1, 20, swim.retransmission_multiplier as u32),
    time!("swim.gossip_interval_ms", 1, 600_000, swim.gossip_interval),
    count!("swim.gossip_fanout", 0, 64, swim.gossip_fanout_count as usize),
    time!("swim.sync_interval_ms", 100, 3_600_000, swim.sync_interval),
    time!("swim.reconnect_interval_ms", 100, 3_600_000, swim.reconnect_interval),
    count!("hyparview.active_view_target", 1, 254, hyparview.active_view_target as usize),
    count!("hyparview.active_view_max", 1, 256, hyparview.active_view_max as usize),
    count!("hyparview.own_view_min", 0, 253, hyparview.own_view_min as usize),
    count!("hyparview.passive_view", 1, 4_096, hyparview.passive_view_max as usize),
    count!("hyparview.active_walk", 1, 255, hyparview.active_walk_length as u8),
    count!("hyparview.passive_walk", 0, 255, hyparview.passive_walk_length as u8),
    time!("hyparview.shuffle_interval_ms", 10, 3_600_000, hyparview.shuffle_interval),
    time!("hyparview.contact_interval_ms", 100, 86_400_000, hyparview.contact_interval),
    count!("hyparview.shuffle_active", 0, 31, hyparview.shuffle_active_count as usize),
    count!("hyparview.shuffle_passive", 0, 32, hyparview.shuffle_passive_count as usize),
    time!("hyparview.request_timeout_ms", 10, 600_000, hyparview.request_timeout),
    count!("plumtree.spread", 0, 65_535, plumtree.spread_count as u16),
    time!("plumtree.i_have_interval_ms", 1, 600_000, plumtree.i_have_interval),
    time!("plumtree.graft_timeout_ms", 1, 600_000, plumtree.graft_timeout),
    time!("plumtree.graft_retry_timeout_ms", 1, 600_000, plumtree.graft_retry_timeout),
    count!("rapid.fanout", 1, 64, rapid.fanout_count as usize),
    time!("rapid.pull_timeout_ms", 1, 600_000, rapid.pull_timeout),
];

impl Parameters {
    /// Every parameter's name and value; times in milliseconds.
    pub fn by_name(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        ALL.iter().map(|of| (of.name, (of.get)(self)))
    }

    /// The nearest that [`set`](Self::set) would take.
    pub(super) fn within_range(mut self) -> Self {
        for of in &ALL {
            let value = (of.get)(&self);
            let within = value.clamp(of.least, of.most);
            if within != value {
                (of.set)(&mut self, within);
            }
        }
        self
    }

    /// Sets one, by its name. Nothing else follows from it: what is derived stays as it was.
    ///
    /// # Errors
    ///
    /// There is none of this name, or the value is out of its range.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), ParameterError> {
        let of = ALL.iter().find(|of| of.name == name);
        let of = of.ok_or_else(|| ParameterError::Unknown { name: name.into() })?;
        let (name, least, most) = (of.name, of.least, of.most);
        if !(least..=most).contains(&value) {
            return Err(ParameterError::OutOfRange {
                name,
                value,
                least,
                most,
            });
        }
        (of.set)(self, value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::{Environment, Profile};

    #[test]
    fn each_is_set_by_its_name_and_no_other_with_it() {
        let before = Environment::lan().parameters();
        for of in &ALL {
            let mut after = before;
            let value = if (of.get)(&before) == of.least {
                of.most
            } else {
                of.least
            };
            assert_eq!(after.set(of.name, value), Ok(()));
            let changed = before
                .by_name()
                .zip(after.by_name())
                .filter(|(a, b)| a != b);
            let changed: Vec<_> = changed.map(|(_, now)| now).collect();
            assert_eq!(changed, [(of.name, value)]);
        }
    }

    #[test]
    fn what_profiles_give_is_within_range() {
        for profile in Profile::ALL {
            let mut parameters = profile.environment().parameters();
            let all: Vec<_> = parameters.by_name().collect();
            for (name, value) in all {
                assert_eq!(parameters.set(name, value), Ok(()), "{profile}");
            }
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_what_can() {
        let mut parameters = Environment::lan().parameters();
        let error = parameters.set("swim.prob", 1).unwrap_err().to_string();
        assert!(error.contains("replicant tune"), "{error}");
        let error = parameters.set("swim.confirmations", 4).unwrap_err();
        assert!(error.to_string().contains("0 to 3"), "{error}");
        assert_eq!(parameters, Environment::lan().parameters());
    }
}
