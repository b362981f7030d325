//! The calls into a guest, alike for both worlds.

use wasmtime::Store;
use wasmtime::component::{InstancePre, ResourceAny};

use crate::sandbox::GuestState;
use crate::values;
use crate::world::World;
use crate::worlds::v0_1_0::{
    Context, DeltaBased, DeltaBasedIndices, Description, Dot, OpBased, OpBasedIndices, PackedParam,
    PackedResult, Run, Updated, first_mismatch,
};

type Result<T> = wasmtime::Result<T>;

/// A linked component: what instances are made of.
pub(crate) struct GuestPre {
    instance: InstancePre<GuestState>,
    indices: Indices,
}

#[derive(Clone)]
enum Indices {
    Op(OpBasedIndices),
    Delta(DeltaBasedIndices),
}

impl GuestPre {
    pub(crate) fn new(instance: InstancePre<GuestState>, world: World) -> Result<Self> {
        let indices = match world {
            World::OpBased => Indices::Op(OpBasedIndices::new(&instance)?),
            World::DeltaBased => Indices::Delta(DeltaBasedIndices::new(&instance)?),
        };
        Ok(Self { instance, indices })
    }

    pub(crate) fn world(&self) -> World {
        match self.indices {
            Indices::Op(_) => World::OpBased,
            Indices::Delta(_) => World::DeltaBased,
        }
    }

    /// Makes an instance and checks the types of its exports.
    pub(crate) fn instantiate(&self, store: &mut Store<GuestState>) -> Result<Guest> {
        let instance = self.instance.instantiate(&mut *store)?;
        Ok(match &self.indices {
            Indices::Op(indices) => Guest::Op(indices.load(store, &instance)?),
            Indices::Delta(indices) => Guest::Delta(indices.load(store, &instance)?),
        })
    }

    /// The first function whose type is not that of the interface, and how it differs.
    pub(crate) fn first_mismatch(
        &self,
        store: &mut Store<GuestState>,
    ) -> Option<(&'static str, wasmtime::Error)> {
        let instance = self.instance.instantiate(&mut *store).ok()?;
        first_mismatch(self.world(), &instance, store)
    }
}

/// The exports of one instance.
pub(crate) enum Guest {
    Op(OpBased),
    Delta(DeltaBased),
}

/// Makes the same call on either interface.
macro_rules! either {
    ($self:ident.$call:ident($($argument:expr),*)) => {
        match $self {
            Self::Op(guest) => guest.object().$call($($argument),*),
            Self::Delta(guest) => guest.object().$call($($argument),*),
        }
    };
}

impl Guest {
    pub(crate) fn describe(&self, store: &mut Store<GuestState>) -> Result<Description> {
        match self {
            Self::Op(guest) => guest.call_describe(store),
            Self::Delta(guest) => guest.call_describe(store),
        }
    }

    pub(crate) fn new_object(&self, store: &mut Store<GuestState>) -> Result<ResourceAny> {
        either!(self.call_constructor(store))
    }

    pub(crate) fn load(
        &self,
        store: &mut Store<GuestState>,
        saved: &[u8],
        from_version: &str,
    ) -> Result<std::result::Result<ResourceAny, String>> {
        either!(self.call_load(store, saved, from_version))
    }

    /// `update` or `mutate`.
    pub(crate) fn update(
        &self,
        store: &mut Store<GuestState>,
        object: ResourceAny,
        context: Context,
        commands: PackedParam<'_>,
        events: bool,
    ) -> Result<Updated> {
        match self {
            Self::Op(guest) => {
                let object_type = guest.object();
                object_type.call_update(store, object, context, commands, events)
            }
            Self::Delta(guest) => {
                let object_type = guest.object();
                object_type.call_mutate(store, object, context, commands, events)
            }
        }
    }

    /// `apply` or `merge`.
    pub(crate) fn apply(
        &self,
        store: &mut Store<GuestState>,
        object: ResourceAny,
        run: &values::Run,
        events: bool,
    ) -> Result<PackedResult> {
        match self {
            Self::Op(guest) => guest
                .object()
                .call_apply(store, object, Run::from(run), events),
            Self::Delta(guest) => {
                let deltas = PackedParam::from(&run.ops);
                let object_type = guest.object();
                object_type.call_merge(store, object, run.schema, deltas, events)
            }
        }
    }

    pub(crate) fn query(
        &self,
        store: &mut Store<GuestState>,
        object: ResourceAny,
        query: Option<&[u8]>,
    ) -> Result<std::result::Result<Vec<u8>, String>> {
        either!(self.call_query(store, object, query))
    }

    pub(crate) fn save(
        &self,
        store: &mut Store<GuestState>,
        object: ResourceAny,
    ) -> Result<Vec<u8>> {
        either!(self.call_save(store, object))
    }

    pub(crate) fn compact(
        &self,
        store: &mut Store<GuestState>,
        object: ResourceAny,
        stable: &[Dot],
        floor: u64,
        number: u64,
    ) -> Result<bool> {
        either!(self.call_compact(store, object, stable, floor, number))
    }

    pub(crate) fn sample(
        &self,
        store: &mut Store<GuestState>,
        object: ResourceAny,
        seed: u64,
    ) -> Result<Vec<u8>> {
        either!(self.call_sample(store, object, seed))
    }
}
