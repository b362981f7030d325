//! Limits as they are announced, and as the runtime takes them.

use replicant_protocol::content::ModuleLimits;
use replicant_runtime::Limits;

use crate::vocabulary::LoadLimits;

/// The announced part of the limits; the rest is the same in every release that speaks this
/// version of the protocol.
pub(super) fn announced(limits: &Limits) -> ModuleLimits {
    ModuleLimits {
        fuel_per_call: limits.fuel_per_call,
        memory_bytes_max: limits.memory_bytes_max,
        output_bytes_max: limits.output_bytes_max,
    }
}

/// The limits that an announcement stands for.
pub(super) fn of_announcement(announced: &ModuleLimits) -> Limits {
    Limits {
        fuel_per_call: announced.fuel_per_call,
        memory_bytes_max: announced.memory_bytes_max,
        output_bytes_max: announced.output_bytes_max,
        ..Limits::default()
    }
}

/// What a user gave; what he left out is as it is registered, or the default.
pub(super) fn given(given: &LoadLimits, otherwise: Limits) -> Limits {
    Limits {
        fuel_per_call: given.fuel_per_call.unwrap_or(otherwise.fuel_per_call),
        memory_bytes_max: given.memory_bytes.unwrap_or(otherwise.memory_bytes_max),
        output_bytes_max: given.output_bytes.unwrap_or(otherwise.output_bytes_max),
        ..otherwise
    }
}

/// The announced limits in a line, for people.
pub(super) fn listed(limits: &ModuleLimits) -> String {
    format!(
        "fuel_per_call {}, memory_bytes {}, output_bytes {}",
        limits.fuel_per_call, limits.memory_bytes_max, limits.output_bytes_max
    )
}

/// The limits by name, for people; units stand at the end of the names.
pub(super) fn named(limits: &Limits) -> Vec<(&'static str, u64)> {
    vec![
        ("fuel_per_call", limits.fuel_per_call),
        ("fuel_per_item", limits.fuel_per_item),
        ("fuel_per_byte", limits.fuel_per_byte),
        ("input_bytes", limits.input_bytes_max),
        ("memory_bytes", limits.memory_bytes_max),
        ("objects", limits.objects_max.into()),
        ("op_bytes", limits.op_bytes_max),
        ("output_bytes", limits.output_bytes_max),
        ("table_elements", limits.table_elements_max),
    ]
}
