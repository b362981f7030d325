//! WASI 0.2 without a system behind it, for components whose language brings a runtime that asks
//! for one: time stands still at zero, chance is the same numbers again and again, there are no
//! files, arguments, variables and networks, input has ended, output goes to the node's log, and
//! to exit is a trap.
//!
//! Nothing here has a memory: what a call answers depends on its arguments alone, or replicas with
//! different pasts would compute different things. Each call costs fuel, as if a guest had done it.
//!
//! The interfaces are defined by what a component imports of them, by name. What [`calls`] does not
//! know is there and traps with its name: in these interfaces that is what needs an open file or a
//! socket, which no component can have. Interfaces that are not in [`INTERFACES`] are refused at
//! load.

mod calls;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, ResourceType, Val};
use wasmtime::{StoreContextMut, Trap};

use crate::sandbox::GuestState;

/// What is offered of WASI: what the runtimes of Python, JavaScript and Rust import, and C's
/// standard library.
const INTERFACES: [&str; 27] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];
/// The version, whatever its last number.
const VERSION: &str = "0.2.";

/// Things that can be held. Others have no name here, since no call gives one.
const RESOURCES: [&str; 5] = [
    "unreachable",
    "pollable",
    "input-stream",
    "output-stream",
    "network",
];

/// Fuel of one call, so that guests cannot spend the host's time for nothing.
const FUEL_PER_CALL: u64 = 500;
/// Fuel of each byte that goes in or out: it takes a value of its own on the way.
const FUEL_PER_BYTE: u64 = 10;

/// A call that cannot be answered without a system.
#[derive(Debug, thiserror::Error)]
#[error("the component called {0}, and components have no system to ask for that")]
pub(crate) struct NoSystem(String);

/// Whether components may import an interface of this name.
pub(crate) fn is_offered(name: &str) -> bool {
    interface(name).is_some_and(|interface| INTERFACES.contains(&interface))
}

/// The name of an interface without its version, if the version is ours.
fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.split_once('@')?;
    version.starts_with(VERSION).then_some(interface)
}

/// The linker that `component` needs: `plain`, and what it imports of WASI.
pub(crate) fn linker_for(
    plain: &Linker<GuestState>,
    component: &Component,
) -> wasmtime::Result<Linker<GuestState>> {
    let mut linker = plain.clone();
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        let Some(interface) = interface(name).filter(|_| is_offered(name)) else {
            continue;
        };
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            continue;
        };
        let mut defined = linker.instance(name)?;
        for (item, import) in instance.exports(engine) {
            match import.ty {
                ComponentItem::ComponentFunc(_) => define(&mut defined, interface, item)?,
                ComponentItem::Resource(_) => {
                    let kind = ResourceType::host_dynamic(resource_kind(item));
                    defined.resource(item, kind, |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(linker)
}

/// The number that tells resources apart.
fn resource_kind(name: &str) -> u32 {
    let kind = RESOURCES.iter().position(|known| *known == name);
    kind.unwrap_or(0) as u32
}

fn define(
    linker: &mut LinkerInstance<'_, GuestState>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()> {
    let name = format!("{interface}#{function}");
    let Some(call) = calls::find(interface, function) else {
        return linker.func_new(function, move |_, _, _, _| {
            Err(NoSystem(name.clone()).into())
        });
    };
    linker.func_new(function, move |mut store, _, parameters, results| {
        let bytes = bytes_in(parameters);
        spend(
            &mut store,
            FUEL_PER_CALL.saturating_add(FUEL_PER_BYTE.saturating_mul(bytes)),
        )?;
        let mut lent = Vec::new();
        take_back(&mut store, parameters, &mut lent)?;
        let answer = call(&mut store, &Asked { lent, parameters })?;
        if let (Some(place), Some(answer)) = (results.first_mut(), answer) {
            *place = answer;
        }
        Ok(())
    })
}

/// What a call is about.
struct Asked<'a> {
    /// The numbers behind the resources that were lent for the call, in order.
    lent: Vec<u32>,
    parameters: &'a [Val],
}

/// Ends the loan of all resources, which must be done before a call returns.
fn take_back(
    store: &mut StoreContextMut<'_, GuestState>,
    values: &[Val],
    lent: &mut Vec<u32>,
) -> wasmtime::Result<()> {
    for value in values {
        match value {
            Val::Resource(one) => {
                lent.push(one.try_into_resource_dynamic(&mut *store)?.rep());
            }
            Val::List(more) if matches!(more.first(), Some(Val::Resource(_))) => {
                take_back(store, more, lent)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the parameters take on their way here: the bytes of texts, and one for each value inside
/// of others.
fn bytes_in(parameters: &[Val]) -> u64 {
    parameters.iter().map(weight).sum()
}

fn weight(value: &Val) -> u64 {
    let inside = |it: &Option<Box<Val>>| it.as_deref().map_or(0, |it| 1 + weight(it));
    match value {
        Val::String(text) | Val::Enum(text) => text.len() as u64,
        Val::List(items) | Val::Tuple(items) => items.iter().map(|it| 1 + weight(it)).sum(),
        Val::Record(fields) => {
            let fields = fields.iter();
            fields
                .map(|(name, it)| 1 + name.len() as u64 + weight(it))
                .sum()
        }
        Val::Variant(name, it) => name.len() as u64 + inside(it),
        Val::Option(it) | Val::Result(Ok(it) | Err(it)) => inside(it),
        Val::Flags(names) => names.iter().map(|name| 1 + name.len() as u64).sum(),
        _ => 0,
    }
}

/// Takes fuel, and ends the call if there is not enough.
fn spend(store: &mut StoreContextMut<'_, GuestState>, fuel: u64) -> wasmtime::Result<()> {
    match store.get_fuel()?.checked_sub(fuel) {
        Some(left) => store.set_fuel(left),
        None => {
            store.set_fuel(0)?;
            Err(Trap::OutOfFuel.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_are_known_by_name_and_by_the_first_two_numbers_of_their_version() {
        assert!(is_offered("wasi:cli/environment@0.2.0"));
        assert!(is_offered("wasi:io/streams@0.2.12"));
        for name in [
            "wasi:cli/environment",
            "wasi:cli/environment@0.3.0",
            "wasi:cli/environment@0.20.0",
            "wasi:http/outgoing-handler@0.2.3",
            "wasi:keyvalue/store@0.2.0",
        ] {
            assert!(!is_offered(name), "{name}");
        }
    }

    #[test]
    fn resources_are_told_apart() {
        let kinds = RESOURCES.map(resource_kind);
        assert_eq!(kinds, [0, 1, 2, 3, 4]);
        assert_eq!(resource_kind("descriptor"), 0);
    }
}
