//! Parameters that contradict each other. A protocol would change one of them by itself, and run
//! with something else than what was asked for.

use super::{ParameterError, Parameters};

/// `greater` has to be at least `times · lesser + more`.
struct Rule {
    greater: &'static str,
    times: u64,
    lesser: &'static str,
    more: u64,
    why: &'static str,
}

const fn rule(greater: &'static str, lesser: &'static str, why: &'static str) -> Rule {
    Rule {
        greater,
        times: 1,
        lesser,
        more: 0,
        why,
    }
}

static RULES: [Rule; 8] = [
    Rule {
        times: 2,
        ..rule(
            "swim.probe_interval_ms",
            "swim.probe_timeout_ms",
            "in a period a direct probe has time to fail, and an indirect one after it",
        )
    },
    rule(
        "swim.sync_interval_ms",
        "swim.probe_interval_ms",
        "tables are compared once in a period at most",
    ),
    rule(
        "swim.reconnect_interval_ms",
        "swim.probe_interval_ms",
        "the dead are tried once in a period at most",
    ),
    rule(
        "hyparview.active_view_max",
        "hyparview.active_view_target",
        "a node takes at least as many neighbours as it looks for",
    ),
    Rule {
        more: 1,
        ..rule(
            "hyparview.active_view_target",
            "hyparview.own_view_min",
            "not all neighbours can be of a node's own choice, since links are mutual",
        )
    },
    rule(
        "hyparview.active_walk",
        "hyparview.passive_walk",
        "a walk enters passive views with steps left that it had",
    ),
    rule(
        "hyparview.active_view_max",
        "hyparview.shuffle_active",
        "a shuffle carries no more of the active view than there are",
    ),
    rule(
        "hyparview.passive_view",
        "hyparview.shuffle_passive",
        "a shuffle carries no more of the passive view than there are",
    ),
];

impl Parameters {
    /// Brings intervals that were not given in line with one that was: tables are not compared,
    /// and the dead not tried, more often than once in a period.
    pub fn adapt(&mut self, is_given: impl Fn(&str) -> bool) {
        let period = self.swim.probe_interval;
        if !is_given("swim.sync_interval_ms") {
            self.swim.sync_interval = self.swim.sync_interval.max(period);
        }
        if !is_given("swim.reconnect_interval_ms") {
            self.swim.reconnect_interval = self.swim.reconnect_interval.max(period);
        }
    }

    /// Looks for two that contradict each other.
    ///
    /// # Errors
    ///
    /// The first such pair, with what to write in place of one of them.
    pub fn check(&self) -> Result<(), ParameterError> {
        let value = |name| self.by_name().find(|of| of.0 == name).map_or(0, |of| of.1);
        for rule in &RULES {
            let (greater, lesser) = (value(rule.greater), value(rule.lesser));
            let least = lesser.saturating_mul(rule.times).saturating_add(rule.more);
            if greater < least {
                return Err(ParameterError::Contradiction {
                    greater: (rule.greater, greater),
                    lesser: (rule.lesser, lesser),
                    why: rule.why,
                    least,
                    most: greater.saturating_sub(rule.more) / rule.times,
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::environment::{Environment, Profile};
    use crate::membership::{Config, hyparview};

    #[test]
    fn each_contradiction_names_both_and_what_to_write() {
        for rule in &RULES {
            let lan = Environment::lan().parameters();
            let of = |all: &Parameters, name| all.by_name().find(|of| of.0 == name).unwrap().1;
            let mut wrong = lan;
            let most = (of(&lan, rule.greater) - rule.more) / rule.times;
            wrong.set(rule.lesser, most + 1).unwrap();
            let error = wrong.check().unwrap_err();
            let told = error.to_string();
            for name in [rule.greater, rule.lesser] {
                let pair = format!("{name}={}", of(&wrong, name));
                assert!(told.contains(&pair), "{pair}: {told}");
            }
            let ParameterError::Contradiction { least, most, .. } = error else {
                panic!("{told}");
            };
            for (name, value) in [(rule.greater, least), (rule.lesser, most)] {
                let mut right = wrong;
                right.set(name, value).unwrap();
                assert_ne!(right.check(), wrong.check(), "{name}={value}");
            }
        }
    }

    #[test]
    fn what_was_not_given_follows_a_longer_period_and_what_was_given_is_refused() {
        let mut parameters = Environment::lan().parameters();
        parameters.set("swim.probe_interval_ms", 9_000).unwrap();
        let mut given = parameters;
        parameters.adapt(|_| false);
        assert_eq!(parameters.check(), Ok(()));
        let nine = std::time::Duration::from_secs(9);
        let swim = &parameters.swim;
        assert_eq!((swim.sync_interval, swim.reconnect_interval), (nine, nine));
        given.adapt(|name| name == "swim.reconnect_interval_ms");
        assert!(given.check().is_err());
    }

    fn any_parameters() -> impl Strategy<Value = Parameters> {
        let values = prop::collection::vec((0..28_usize, 0..5_000_u64), 0..12);
        let profile = prop::sample::select(&Profile::ALL);
        (profile, values).prop_map(|(profile, values)| {
            let mut parameters = profile.environment().parameters();
            let names: Vec<_> = parameters.by_name().map(|of| of.0).collect();
            for (index, value) in values {
                // What is out of range is not taken.
                let _ = parameters.set(names[index], value);
            }
            parameters
        })
    }

    proptest! {
        /// A contradiction was settled in silence.
        #[test]
        fn what_is_accepted_is_what_the_protocols_run_with(parameters in any_parameters()) {
            let swim = Config::from(&parameters.swim);
            let partial = hyparview::Config::from(&parameters.hyparview);
            let are_kept = swim.clone().within_range() == swim && {
                let mut ranged = partial.clone().within_range();
                // It is no parameter, and follows from one.
                ranged.passive_share_max = partial.passive_share_max;
                ranged == partial
            };
            if parameters.check().is_ok() {
                prop_assert!(are_kept, "{parameters:?}");
            }
        }

        #[test]
        fn what_follows_from_an_environment_contradicts_nothing(
            reliability in any::<f64>(),
            loss in any::<f64>(),
            worst_loss in any::<f64>(),
            miss in any::<f64>(),
            expected_size in any::<u32>(),
            round_trip_ms in 0u64..100_000,
        ) {
            let env = Environment {
                reliability,
                round_trip: std::time::Duration::from_millis(round_trip_ms),
                loss,
                expected_size,
                worst_loss,
                miss,
            };
            let mut parameters = env.parameters();
            prop_assert_eq!(parameters.check(), Ok(()));
            // Whoever writes down what follows is not told that it cannot be.
            let derived: Vec<_> = parameters.by_name().collect();
            for (name, value) in derived {
                prop_assert_eq!(parameters.set(name, value), Ok(()));
            }
        }
    }
}
