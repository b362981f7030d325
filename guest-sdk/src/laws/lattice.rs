//! Laws of state-based types: those of a join-semilattice, on whole states and on deltas.

use super::Case;
use super::cluster::{Cluster, is_next, read};
use super::diagnostic::diagnostic;
use crate::{Delta, DeltaCrdt, Object, Packed, Random};

/// A state, or a delta, as bytes.
type State = Vec<u8>;

/// What a random history leads to: states of replicas on the way, and every delta.
pub(super) struct History<T> {
    cluster: Cluster<Delta<T>>,
    deltas: Vec<State>,
}

impl<T: DeltaCrdt> History<T> {
    pub(super) fn new(random: &mut Random) -> Result<Self, String> {
        let mut cluster = Cluster::<Delta<T>>::new(random);
        let steps = random.below(40);
        cluster.live(random, steps)?;
        let runs = cluster.bundles.iter().map(|bundle| &bundle.run.ops);
        let deltas = runs
            .flat_map(|ops| ops.iter().map(<[u8]>::to_vec))
            .collect();
        Ok(Self { cluster, deltas })
    }

    /// The state of some replica, or a delta.
    fn any(&self, random: &mut Random) -> State {
        if random.chance(30)
            && let Some(delta) = random.pick(&self.deltas)
        {
            return delta.clone();
        }
        let replicas = &self.cluster.replicas;
        replicas[random.index(replicas.len())].object.save()
    }

    /// The first state with the others merged into it, one after the other.
    fn merged<'a>(
        &self,
        states: impl IntoIterator<Item = &'a State>,
    ) -> Result<Object<Delta<T>>, String> {
        let mut object = Object::<Delta<T>>::new();
        for (index, state) in states.into_iter().enumerate() {
            if index == 0 {
                let loaded = Object::load(state, T::VERSION);
                object = loaded
                    .map_err(|error| format!("a state or delta cannot be loaded: {error}"))?;
            } else {
                let mut packed = Packed::default();
                packed.push(state);
                object.merge(T::WRITES, packed, false);
            }
        }
        Ok(object)
    }

    fn same(&self, one: &Object<Delta<T>>, other: &Object<Delta<T>>, what: &str) -> Case {
        let (value, others) = (read(one), read(other));
        if value == others && one.save() == other.save() {
            return Ok(());
        }
        Err(self.cluster.fails(&format!(
            "{what}:\n    {} {:02x?}\n    {} {:02x?}",
            diagnostic(&value),
            one.save(),
            diagnostic(&others),
            other.save(),
        )))
    }

    pub(super) fn check_idempotent(&self, random: &mut Random) -> Case {
        let (a, b) = (self.any(random), self.any(random));
        let what = "merging a state with itself changes it";
        self.same(&self.merged([&a])?, &self.merged([&a, &a])?, what)?;
        let (once, twice) = (self.merged([&a, &b])?, self.merged([&a, &b, &b])?);
        self.same(
            &once,
            &twice,
            "merging the same twice is not merging it once",
        )
    }

    pub(super) fn check_commutative(&self, random: &mut Random) -> Case {
        let (a, b) = (self.any(random), self.any(random));
        let what = "merging b into a is not merging a into b";
        self.same(&self.merged([&a, &b])?, &self.merged([&b, &a])?, what)
    }

    pub(super) fn check_associative(&self, random: &mut Random) -> Case {
        let (a, b, c) = (self.any(random), self.any(random), self.any(random));
        let last_two = self.merged([&b, &c])?.save();
        let what = "(a merged with b) with c is not a with (b merged with c)";
        self.same(
            &self.merged([&a, &b, &c])?,
            &self.merged([&a, &last_two])?,
            what,
        )
    }

    /// Deltas on the one side, the replicas' whole states on the other.
    pub(super) fn check_deltas_make_the_state(&self) -> Case {
        let count = self.cluster.replicas.len();
        let mut by_deltas = Object::<Delta<T>>::new();
        let mut applied = vec![0; count];
        while let Some(bundle) = self.cluster.bundles.iter().find(|b| is_next(b, &applied)) {
            by_deltas.apply(&bundle.run, false);
            applied[bundle.author] += 1;
        }
        let states = self
            .cluster
            .replicas
            .iter()
            .map(|replica| replica.object.save());
        let states: Vec<State> = [Object::<Delta<T>>::new().save()]
            .into_iter()
            .chain(states)
            .collect();
        let by_states = self.merged(&states)?;
        self.same(
            &by_deltas,
            &by_states,
            "merging deltas is not merging whole states",
        )
    }

    /// Deltas in causal order once, and in any order, some of them several times.
    pub(super) fn check_old_deltas(&self, random: &mut Random) -> Case {
        let start = Object::<Delta<T>>::new().save();
        let mut shuffled = self.deltas.clone();
        for index in 0..self.deltas.len() {
            if random.chance(30) {
                shuffled.push(self.deltas[index].clone());
            }
        }
        for index in (1..shuffled.len()).rev() {
            shuffled.swap(index, random.index(index + 1));
        }
        let in_order = self.merged([&start].into_iter().chain(&self.deltas))?;
        let other = self.merged([&start].into_iter().chain(&shuffled))?;
        self.same(
            &in_order,
            &other,
            "deltas in another order, some twice, make another state",
        )
    }
}
