//! What calls cost as history grows, counted in fuel: the same on every machine.

use replicant_runtime::{Context, Run};
use serde::Serialize;

use crate::chance::Chance;
use crate::config::Config;
use crate::law::{Law, Outcome, Stop};
use crate::object::{Object, Subject};
use crate::world::packed;

/// Ops of the longest history in which costs are measured.
pub const COST_OPS_MAX: u64 = 8_192;
/// Commands of one batch.
const BATCH: u64 = 32;
/// The history of the first point.
const FIRST: u64 = 256;
/// How many times as much an op may cost at the end as at the first point, when the history is 32
/// times as long. Costs that grow with the logarithm stay far below, linear ones go far beyond.
pub const GROWTH_MAX: f64 = 8.0;
/// Below this an op is cheap however it grew: counting is then mostly the call itself.
const CHEAP_FUEL: f64 = 2_000.0;

/// What an op costs in an object with so much history: means over the last half of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CostPoint {
    /// Ops that the object had seen.
    pub ops: u64,
    /// Fuel of carrying out a command.
    pub update_fuel: f64,
    /// Fuel of applying an op.
    pub apply_fuel: f64,
    /// Bytes that the object saves to.
    pub saved_bytes: usize,
}

/// What was measured.
pub(crate) struct Curve {
    /// The points that were reached.
    pub(crate) points: Vec<CostPoint>,
    /// Ops that history had at its end.
    ops: u64,
    /// Commands that were given until then.
    commands: u64,
}

impl Curve {
    /// Why nothing can be said about growth; none if something can.
    pub(crate) fn unmeasured(&self) -> Option<String> {
        let needed = 2 * FIRST;
        let (ops, commands) = (self.ops, self.commands);
        (self.points.len() < 2).then(|| {
            format!(
                "of {commands} commands {ops} made an op, and costs are compared from {needed} ops \
                 on"
            )
        })
    }
}

/// Lets one author and one reader live through a long history.
pub(crate) fn curve(subject: &Subject, config: &Config) -> Outcome<Curve> {
    let mut author = Object::new(subject)?;
    let mut reader = Object::new(subject)?;
    let mut chance = Chance::new(config.seed, "cost", 0);
    let mut points = Vec::new();
    let (mut ops, mut commands, mut next) = (0, 0, FIRST);
    let mut sum = Sum::default();
    // Commands that change nothing do not make history longer: the loop has its own end.
    while ops < COST_OPS_MAX && commands < 4 * COST_OPS_MAX {
        let made = batch(&mut author, &mut reader, config, &mut chance, ops, &mut sum)?;
        ops += made;
        commands += BATCH;
        if ops >= next {
            points.push(sum.point(ops, author.save()?.len()));
            sum = Sum::default();
            next *= 2;
        }
    }
    Ok(Curve {
        points,
        ops,
        commands,
    })
}

#[derive(Default)]
struct Sum {
    ops: u64,
    update_fuel: u64,
    apply_fuel: u64,
}

impl Sum {
    fn point(&self, ops: u64, saved_bytes: usize) -> CostPoint {
        let mean = |fuel: u64| fuel as f64 / self.ops.max(1) as f64;
        CostPoint {
            ops,
            update_fuel: mean(self.update_fuel),
            apply_fuel: mean(self.apply_fuel),
            saved_bytes,
        }
    }
}

/// Gives a batch of commands to the author and its ops to the reader. Returns how many ops.
fn batch(
    author: &mut Object,
    reader: &mut Object,
    config: &Config,
    chance: &mut Chance,
    ops: u64,
    sum: &mut Sum,
) -> Outcome<u64> {
    let mut commands = Vec::new();
    for _ in 0..BATCH {
        commands.push(match chance.pick(&config.commands) {
            Some(command) => command.clone(),
            None => author.sample(chance.number())?,
        });
    }
    let context = Context {
        replica: 1,
        counter: ops + 1,
        timestamp: (1 << 16) + ops,
    };
    let updated = author.update(context, &packed(commands.iter().map(Vec::as_slice)), false)?;
    let made = updated.ops.len() as u64;
    sum.ops += made;
    sum.update_fuel += author.fuel_used();
    if made > 0 {
        let run = Run {
            replica: context.replica,
            timestamp: context.timestamp,
            schema: author.writes(),
            counters: (context.counter..context.counter + made).collect(),
            ops: updated.ops,
        };
        reader.apply(&run, false)?;
        sum.apply_fuel += reader.fuel_used();
    }
    Ok(made)
}

/// Checks that the last point does not cost too much beside the first.
pub(crate) fn check(points: &[CostPoint]) -> Outcome {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return Ok(());
    };
    for (call, early, late) in [
        ("update", first.update_fuel, last.update_fuel),
        ("apply", first.apply_fuel, last.apply_fuel),
    ] {
        if late > CHEAP_FUEL && late > early * GROWTH_MAX {
            let what = format!(
                "`{call}` costs {late:.0} fuel an op after {} ops, and {early:.0} after {}: more \
                 than {GROWTH_MAX} times as much",
                last.ops, first.ops
            );
            return Err(Stop::broken(Law::CostIsBounded, what));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(fuel: impl Fn(u64) -> f64) -> Vec<CostPoint> {
        let ops = [256, 1_024, 8_192];
        let point = |ops| CostPoint {
            ops,
            update_fuel: 100.0,
            apply_fuel: fuel(ops),
            saved_bytes: 0,
        };
        ops.map(point).to_vec()
    }

    #[test]
    fn growth_is_known_from_two_points_on() {
        let curve = |count| Curve {
            points: points(|_| 1.0)[..count].to_vec(),
            ops: 300,
            commands: 32_768,
        };
        assert!(curve(2).unmeasured().is_none());
        for count in [0, 1] {
            let reason = curve(count).unmeasured().unwrap();
            assert!(reason.contains("32768 commands 300 made an op"), "{reason}");
        }
    }

    #[test]
    fn costs_may_grow_like_a_logarithm_but_not_with_history() {
        assert!(check(&points(|ops| 1_000.0 * (ops as f64).log2())).is_ok());
        assert!(check(&points(|ops| 10.0 * ops as f64)).is_err());
        assert!(check(&points(|ops| 0.1 * ops as f64)).is_ok());
        assert!(check(&[]).is_ok());
    }
}
