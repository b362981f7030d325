//! One object, with no other one in its instance.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use replicant_runtime::{
    CallError, Context, Dot, Fault, Handle, Instance, Module, Packed, Run, Updated, World,
};

use crate::chance::Chance;
use crate::config::{Config, Readable};
use crate::law::{Evidence, Law, Outcome, Stop};
use crate::queries::{Queries, Query};
use crate::tally::Tally;
use crate::world::packed;

/// The largest command that a sample may be: what a node takes in a request unless told otherwise.
const COMMAND_BYTES_MAX: usize = 16 << 20;

/// The component under test: what all threads share.
#[derive(Clone)]
pub(crate) struct Component {
    module: Module,
    /// The same component with another budget of fuel.
    rich: Module,
    /// What it can be asked.
    queries: Arc<Queries>,
    readable: Readable,
    /// A newer version, which has to go on with what this one saved.
    successor: Option<Arc<Component>>,
}

impl Component {
    pub(crate) fn new(module: Module, rich: Module, config: &Config) -> Self {
        let queries = Queries::new(&module.description().query_schema, &config.queries);
        Self {
            module,
            rich,
            queries: Arc::new(queries),
            readable: config.readable,
            successor: None,
        }
    }

    /// This version as the one before `newer`.
    pub(crate) fn before(self, newer: &Self) -> Self {
        Self {
            successor: Some(Arc::new(newer.clone())),
            ..self
        }
    }

    /// The world that the component implements.
    pub(crate) fn world(&self) -> World {
        self.module.world()
    }

    /// `name@version`.
    pub(crate) fn label(&self) -> &str {
        self.module.label()
    }
}

/// The component under test, in one run.
///
/// Making an instance takes as long as a hundred calls, so one that holds no object any more is
/// used again: as on a node, where objects come and go in it.
#[derive(Clone)]
pub(crate) struct Subject {
    component: Component,
    instances: Rc<RefCell<Vec<Rc<RefCell<Instance>>>>>,
    tally: Rc<RefCell<Tally>>,
    /// How the release of an object ended that was not waited for.
    unreleased: Rc<RefCell<Option<Fault>>>,
}

impl Subject {
    pub(crate) fn new(component: &Component) -> Self {
        Self {
            component: component.clone(),
            instances: Rc::default(),
            tally: Rc::default(),
            unreleased: Rc::default(),
        }
    }

    /// Another component in the same run.
    fn beside(&self, component: &Component) -> Self {
        Self {
            tally: Rc::clone(&self.tally),
            unreleased: Rc::clone(&self.unreleased),
            ..Self::new(component)
        }
    }

    /// The same component, whose objects run with the other budget.
    pub(crate) fn with_more_fuel(&self) -> Self {
        self.beside(&Component {
            module: self.component.rich.clone(),
            ..self.component.clone()
        })
    }

    /// From here on, objects get instances that were not used before: so what happens next does
    /// not depend on what happened before, even if the component hides something in its instance.
    pub(crate) fn begin_anew(&self) {
        self.instances.borrow_mut().clear();
        self.unreleased.take();
    }

    /// Whether an object could not be released since this was last asked.
    pub(crate) fn check_released(&self) -> Outcome {
        match self.unreleased.take() {
            Some(fault) => Err(fault.into()),
            None => Ok(()),
        }
    }

    /// The version of the op encoding that the component writes.
    pub(crate) fn writes(&self) -> u32 {
        self.component.module.description().writes
    }

    /// The version of the component.
    pub(crate) fn version(&self) -> &str {
        &self.component.module.description().version
    }

    /// The versions of op encodings that the component reads.
    pub(crate) fn reads(&self) -> &[u32] {
        &self.component.module.description().reads
    }

    /// The version that comes after the component.
    pub(crate) fn successor(&self) -> Option<Self> {
        let successor = self.component.successor.as_deref();
        successor.map(|successor| self.beside(successor))
    }

    /// Counts something.
    pub(crate) fn count(&self, count: impl FnOnce(&mut Tally)) {
        count(&mut self.tally.borrow_mut());
    }

    /// What was counted, and counting begins anew.
    pub(crate) fn take_tally(&self) -> Tally {
        self.tally.take()
    }

    /// An instance without objects.
    fn instance(&self) -> Outcome<Rc<RefCell<Instance>>> {
        self.check_released()?;
        let mut instances = self.instances.borrow_mut();
        let is_free = |instance: &&Rc<RefCell<Instance>>| {
            Rc::strong_count(instance) == 1 && !instance.borrow().is_dead()
        };
        if let Some(free) = instances.iter().find(is_free) {
            return Ok(Rc::clone(free));
        }
        let made = Rc::new(RefCell::new(self.component.module.instantiate()?));
        instances.push(Rc::clone(&made));
        Ok(made)
    }
}

/// The answer to a query: CBOR, or the words of a refusal.
pub(crate) type Answer = Result<Vec<u8>, String>;

/// An object with nothing else in its instance.
pub(crate) struct Object {
    subject: Subject,
    instance: Rc<RefCell<Instance>>,
    handle: Handle,
}

impl Drop for Object {
    fn drop(&mut self) {
        let mut instance = self.instance.borrow_mut();
        // Nobody uses a dead one again.
        if !instance.is_dead()
            && let Err(fault) = instance.release(self.handle)
        {
            self.subject.unreleased.borrow_mut().get_or_insert(fault);
        }
    }
}

impl Object {
    pub(crate) fn new(subject: &Subject) -> Outcome<Self> {
        let instance = subject.instance()?;
        let handle = instance.borrow_mut().create()?;
        Ok(Self {
            subject: subject.clone(),
            instance,
            handle,
        })
    }

    /// Loads what this version saved.
    pub(crate) fn load(subject: &Subject, saved: &[u8]) -> Outcome<Self> {
        Self::load_from(subject, saved, subject.version())
    }

    /// Loads what a version saved.
    pub(crate) fn load_from(subject: &Subject, saved: &[u8], version: &str) -> Outcome<Self> {
        let instance = subject.instance()?;
        let restored = instance.borrow_mut().restore(saved, version);
        match restored {
            Ok(handle) => Ok(Self {
                subject: subject.clone(),
                instance,
                handle,
            }),
            Err(CallError::Fault(fault)) => Err(fault.into()),
            Err(CallError::Refused(words)) => Err(Stop::broken(
                Law::SavedStatesComeBack,
                "what was saved cannot be loaded",
            )
            .with("saved", Evidence::State(saved.to_vec()))
            .with("the component says", Evidence::Words(words))),
        }
    }

    /// The component that it is an object of.
    pub(crate) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// A second object with the same state.
    pub(crate) fn copy(&mut self) -> Outcome<Self> {
        let saved = self.save()?;
        Self::load(&self.subject, &saved)
    }

    /// An object in an instance in which there is already another one, with these ops applied.
    pub(crate) fn beside(subject: &Subject, runs: &[Run]) -> Outcome<Self> {
        let mut sibling = Self::new(subject)?;
        for run in runs {
            sibling.apply(run, false)?;
        }
        // The sibling is never released.
        sibling.handle = sibling.instance.borrow_mut().create()?;
        Ok(sibling)
    }

    pub(crate) fn update(
        &mut self,
        context: Context,
        commands: &Packed,
        events: bool,
    ) -> Outcome<Updated> {
        let mut instance = self.instance.borrow_mut();
        let updated = instance.update(self.handle, context, commands, events)?;
        self.check_readable("an event", updated.events.iter())?;
        Ok(updated)
    }

    pub(crate) fn apply(&mut self, run: &Run, events: bool) -> Outcome<Packed> {
        let count = run.counters.len() as u64;
        self.subject.count(|tally| tally.deliveries += count);
        let events = self.instance.borrow_mut().apply(self.handle, run, events)?;
        self.check_readable("an event", events.iter())?;
        Ok(events)
    }

    /// Merges deltas or saved states, one after the other. Returns events.
    pub(crate) fn merge<'a>(
        &mut self,
        states: impl IntoIterator<Item = &'a [u8]>,
    ) -> Outcome<Packed> {
        let states = packed(states);
        // A state-based type is told the schema only.
        let run = Run {
            replica: 1,
            timestamp: 1 << 16,
            schema: self.writes(),
            counters: (1..).take(states.len()).collect(),
            ops: states,
        };
        self.apply(&run, true)
    }

    pub(crate) fn query(&mut self, query: Option<&[u8]>) -> Outcome<Answer> {
        let answer = self.instance.borrow_mut().query(self.handle, query);
        match answer {
            Ok(answer) => {
                let what = query.map_or("the value", |_| "an answer");
                self.check_readable(what, [&answer[..]])?;
                Ok(Ok(answer))
            }
            Err(CallError::Refused(words)) => Ok(Err(words)),
            Err(CallError::Fault(fault)) => Err(fault.into()),
        }
    }

    /// Checks that clients can be told of data.
    fn check_readable<'a>(&self, what: &str, data: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        for data in data {
            if let Err(why) = (self.subject.component.readable)(data) {
                let said = format!("{what} cannot be passed on to clients: {why}");
                let bytes = Evidence::State(data.to_vec());
                return Err(Stop::broken(Law::NeverFaults, said).with("it is", bytes));
            }
        }
        Ok(())
    }

    /// Queries of the type's own that this object can be asked.
    pub(crate) fn own_queries(&mut self, chance: &mut Chance) -> Outcome<Vec<Query>> {
        let queries = Arc::clone(&self.subject.component.queries);
        queries.own(self, chance)
    }

    /// All kinds of queries that this object can be asked, some of which make no sense.
    pub(crate) fn all_queries(&mut self, chance: &mut Chance) -> Outcome<Vec<Query>> {
        let queries = Arc::clone(&self.subject.component.queries);
        queries.all(self, chance)
    }

    /// The whole value. There always is one: a type that refuses to tell it is at fault.
    pub(crate) fn value(&mut self) -> Outcome<Answer> {
        match self.query(None)? {
            Ok(value) => Ok(Ok(value)),
            Err(words) => {
                let what = format!("the value cannot be read: {words}");
                Err(Stop::broken(Law::NeverFaults, what))
            }
        }
    }

    pub(crate) fn save(&mut self) -> Outcome<Vec<u8>> {
        Ok(self.instance.borrow_mut().save(self.handle)?)
    }

    pub(crate) fn compact(&mut self, stable: &[Dot], floor: u64, number: u64) -> Outcome<bool> {
        let mut instance = self.instance.borrow_mut();
        Ok(instance.compact(self.handle, stable, floor, number)?)
    }

    /// A command that the component makes up, of a size that a node takes.
    pub(crate) fn sample(&mut self, seed: u64) -> Outcome<Vec<u8>> {
        let sampled = self.instance.borrow_mut().sample(self.handle, seed);
        let command = sampled.map_err(|fault| Stop::from(fault).of_sample(seed))?;
        if command.len() <= COMMAND_BYTES_MAX {
            return Ok(command);
        }
        let bytes = command.len();
        let what = format!(
            "`sample` makes a command of {bytes} bytes; a node takes at most {COMMAND_BYTES_MAX}"
        );
        Err(Stop::broken(Law::SamplesAreValid, what))
    }

    /// The version of the op encoding that it writes.
    pub(crate) fn writes(&self) -> u32 {
        self.subject.writes()
    }

    /// Fuel that the last call used.
    pub(crate) fn fuel_used(&self) -> u64 {
        self.instance.borrow().fuel_used()
    }

    /// The whole value, and the answers to queries.
    pub(crate) fn readings(&mut self, queries: &[Query]) -> Outcome<Vec<Answer>> {
        let queries = queries.iter().map(|query| Some(&query.data[..]));
        [None]
            .into_iter()
            .chain(queries)
            .map(|query| self.query(query))
            .collect()
    }

    /// Checks that another object has the same value and answers queries alike.
    pub(crate) fn check_reads_alike(
        &mut self,
        other: &mut Self,
        queries: &[Query],
        law: Law,
        what: &str,
        sides: [&str; 2],
    ) -> Outcome {
        let (own, others) = (self.readings(queries)?, other.readings(queries)?);
        let what = format!("{what}, but they read differently");
        check_readings(law, &what, queries, sides, own, others)
    }

    /// Checks that another object reads the same and has the same bytes.
    pub(crate) fn check_same(
        &mut self,
        other: &mut Self,
        law: Law,
        what: &str,
        sides: [&str; 2],
    ) -> Outcome {
        let (own, others) = (self.value()?, other.value()?);
        if own != others {
            return Err(
                Stop::broken(law, format!("{what}, but they read differently"))
                    .with(sides[0], answer(own))
                    .with(sides[1], answer(others)),
            );
        }
        let (own_state, others_state) = (self.save()?, other.save()?);
        if own_state == others_state {
            return Ok(());
        }
        Err(Stop::broken(
            law,
            format!("{what}, and they read the same, but save to other bytes"),
        )
        .with("both read", answer(own))
        .with(sides[0], Evidence::State(own_state))
        .with(sides[1], Evidence::State(others_state)))
    }
}

/// Checks that two readings with the same queries are equal.
pub(crate) fn check_readings(
    law: Law,
    what: &str,
    queries: &[Query],
    sides: [&str; 2],
    own: Vec<Answer>,
    others: Vec<Answer>,
) -> Outcome {
    let pairs = own.into_iter().zip(others).enumerate();
    let Some((at, (own, others))) = pairs.into_iter().find(|(_, (own, others))| own != others)
    else {
        return Ok(());
    };
    let asked = at.checked_sub(1).and_then(|at| queries.get(at));
    let asked = asked.map_or_else(
        || Evidence::Words("the value".to_owned()),
        |query| Evidence::Data(query.data.clone()),
    );
    Err(Stop::broken(law, what)
        .with("query", asked)
        .with(sides[0], answer(own))
        .with(sides[1], answer(others)))
}

/// An answer as something to show.
pub(crate) fn answer(answer: Answer) -> Evidence {
    match answer {
        Ok(data) => Evidence::Data(data),
        Err(words) => Evidence::Words(words),
    }
}
