use proptest::prelude::*;

use super::*;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn the_figures_of_the_sources_come_out() {
    let env = Environment {
        reliability: 1.0,
        loss: 0.05,
        expected_size: 10_000,
        worst_loss: 0.9,
        miss: 1e-6,
        ..Environment::lan()
    };
    let parameters = env.parameters();
    // ln 10,000 = 9.2
    assert_eq!(parameters.hyparview.active_view_target, 13);
    // ln 1e-6 / ln 0.9
    assert_eq!(parameters.hyparview.passive_view_max, 132);
    // First detection after e/(e-1) = 1.58 periods.
    let expected = env.expected(&parameters);
    let periods =
        expected.first_suspicion.as_secs_f64() / parameters.swim.probe_interval.as_secs_f64();
    assert!((1.58..1.59).contains(&periods), "{periods}");
    // (1 - 0.95²)(1 - 0.95⁴)³ · e/(e-1)
    let false_suspicion = expected::false_suspicion(&env, 3);
    assert!(
        (9.8e-4..9.9e-4).contains(&false_suspicion),
        "{false_suspicion}"
    );
    assert!(expected.reach_probability >= 1.0 - 1e-6);
}

/// Three milliseconds followed from one, and `--parameter` refused them.
#[test]
fn what_follows_stays_within_what_can_be_set() {
    let env = Environment {
        round_trip: millis(1),
        ..Environment::local()
    };
    assert_eq!(env.parameters().swim.probe_interval, millis(10));
}

#[test]
fn a_node_that_is_away_more_often_gets_more_time_and_more_messages() {
    let with = |reliability| {
        let env = Environment {
            reliability,
            loss: 0.01,
            ..Environment::lan()
        };
        env.parameters()
    };
    let (sure, unsure) = (with(1.0), with(0.5));
    assert_eq!(sure.swim.suspicion_multiplier, 1);
    assert_eq!(unsure.swim.suspicion_multiplier, 3);
    assert!(unsure.swim.indirect_probes_count > sure.swim.indirect_probes_count);
    assert!(unsure.rapid.fanout_count > sure.rapid.fanout_count);
}

#[test]
fn the_profiles_are_what_the_documentation_says() {
    let lan = Environment::lan().parameters();
    assert_eq!(lan.swim.probe_interval, millis(350));
    assert_eq!(lan.swim.probe_timeout, millis(133));
    assert_eq!(lan.swim.indirect_probes_count, 3);
    assert_eq!(lan.swim.suspicion_multiplier, 1);
    assert_eq!(lan.swim.retransmission_multiplier, 3);
    for profile in Profile::ALL {
        assert_eq!(profile.to_string().parse(), Ok(profile));
    }
    let error = "lam".parse::<Profile>().unwrap_err().to_string();
    assert!(error.contains("local, lan, wan, edge"), "{error}");
}

fn expected_of(env: Environment) -> Expected {
    env.expected(&env.parameters())
}

/// Among two there is nobody else to ask, and nobody else to tell.
#[test]
fn of_two_nodes_is_expected_what_two_can_do() {
    let two = Environment {
        expected_size: 2,
        loss: 0.1,
        reliability: 1.0,
        ..Environment::lan()
    };
    let expected = expected_of(two);
    assert_eq!(expected.all_know, expected.first_death);
    // A push arrives, or it does not.
    assert!((expected.reach_probability - 0.9).abs() < 1e-9);
    let per_period = expected.false_suspicions_per_node_hour * 0.35 / 3_600.0;
    let unaided = expected::false_suspicion(&two, 0);
    assert!((per_period - unaided).abs() < 1e-9, "{per_period}");
}

#[test]
fn where_each_says_it_to_all_nobody_is_missed() {
    for expected_size in 2..18 {
        let env = Environment {
            expected_size,
            ..Environment::local()
        };
        assert_eq!(expected_of(env).reach_probability, 1.0, "{expected_size}");
    }
}

#[test]
fn news_that_nobody_is_told_at_once_travels_with_probes() {
    let env = Environment::lan();
    let mut parameters = env.parameters();
    parameters.set("swim.gossip_fanout", 0).unwrap();
    let (slow, fast) = (env.expected(&parameters), expected_of(env));
    assert!(slow.all_know > fast.all_know);
    assert!(slow.all_know < fast.all_know * 10, "{slow:?}");
}

proptest! {
    #[test]
    fn whatever_is_described_the_parameters_can_be_run_with(
        reliability in any::<f64>(),
        loss in any::<f64>(),
        worst_loss in any::<f64>(),
        miss in any::<f64>(),
        expected_size in any::<u32>(),
        round_trip in 0u64..10_000_000,
    ) {
        let env = Environment {
            reliability,
            round_trip: Duration::from_micros(round_trip),
            loss,
            expected_size,
            worst_loss,
            miss,
        };
        let parameters = env.parameters();
        let Parameters { swim, hyparview, plumtree, rapid } = parameters;
        prop_assert!(swim.probe_timeout * 2 < swim.probe_interval);
        prop_assert!((3..=8).contains(&swim.indirect_probes_count));
        prop_assert!((1..=5).contains(&swim.suspicion_multiplier));
        prop_assert!((2..=6).contains(&swim.retransmission_multiplier));
        prop_assert!(hyparview.active_view_target < hyparview.active_view_max);
        prop_assert!(hyparview.own_view_min < hyparview.active_view_target);
        prop_assert!((8..=1_024).contains(&hyparview.passive_view_max));
        prop_assert!(hyparview.active_view_max < hyparview.passive_view_max);
        prop_assert!(hyparview.passive_walk_length <= hyparview.active_walk_length);
        prop_assert!(plumtree.graft_timeout > Duration::ZERO);
        prop_assert!(rapid.fanout_count >= 1);
        let expected = env.expected(&parameters);
        prop_assert!((0.0..=1.0).contains(&expected.reach_probability));
        prop_assert!(expected.first_suspicion <= expected.first_death);
        prop_assert!(expected.first_death <= expected.all_know);
        let periods_in_hour = 3_600.0 / swim.probe_interval.as_secs_f64();
        prop_assert!(expected.false_suspicions_per_node_hour <= periods_in_hour);
    }
}
