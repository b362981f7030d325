//! What one module may use. Part of a module's registration, and so equal on all nodes: whether a
//! call ends well must not depend on where it runs.

/// Bounds on every call into one module's instances, and on each instance.
///
/// The fuel of a call is `fuel_per_call + fuel_per_item × n + fuel_per_byte × b`: *n* counts the
/// commands or ops that go in, and *b* the bytes of the arguments and of the object, which are the
/// bytes that it was loaded from or last saved as, and of the ops that were made or applied since.
/// So a large object can be read, and a small one not be used to compute for long. One unit is
/// about one WebAssembly instruction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Fuel of one call, before what its items and bytes add. Default 200,000,000: about a fifth
    /// of a second. Raising it lets one bad command hold its shard for longer.
    pub fuel_per_call: u64,
    /// Fuel that each command or op of a batch adds. Default 100,000: a well-made op takes a
    /// hundredth of that.
    pub fuel_per_item: u64,
    /// Fuel that each byte of the arguments and of the object adds. Default 1,000: loading a text
    /// typed all over the place takes 600, saving and reading a set of a million strings 500.
    pub fuel_per_byte: u64,
    /// Fuel of `describe`, which is called once, at load. Default 10,000,000: languages with a
    /// runtime of their own start it inside this call.
    pub fuel_describe: u64,
    /// Fuel of making an instance (start functions, and a unit for each byte of data), before any
    /// call. Default 200,000,000.
    pub fuel_instantiate: u64,
    /// All linear memories of one instance together, in bytes. Default 256 MiB. At most what the
    /// runtime's pool gives to one memory.
    pub memory_bytes_max: u64,
    /// All tables of one instance together, in elements. Default 32,768. At most what the
    /// runtime's pool gives to one table.
    pub table_elements_max: u64,
    /// The arguments of one call, in bytes. Default 64 MiB; not below `output_bytes_max`, since
    /// saved bytes must be loadable.
    pub input_bytes_max: u64,
    /// The result of one call, in bytes. Default 64 MiB.
    pub output_bytes_max: u64,
    /// One op, in bytes. Default 1 MiB. What stores and sends ops must take ops of this size.
    pub op_bytes_max: u64,
    /// Live objects of one instance. Default 100,000.
    pub objects_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel_per_call: 200_000_000,
            fuel_per_item: 100_000,
            fuel_per_byte: 1_000,
            fuel_describe: 10_000_000,
            fuel_instantiate: 200_000_000,
            memory_bytes_max: 256 << 20,
            table_elements_max: 32_768,
            input_bytes_max: 64 << 20,
            output_bytes_max: 64 << 20,
            op_bytes_max: 1 << 20,
            objects_max: 100_000,
        }
    }
}

impl Limits {
    /// The fuel of a call with `items` commands or ops, where object and arguments have `bytes`;
    /// more than [`Limits::input_bytes_max`] count as that.
    #[must_use]
    pub fn fuel(&self, items: usize, bytes: u64) -> u64 {
        let of_items = self.fuel_per_item.saturating_mul(items as u64);
        let of_bytes = self
            .fuel_per_byte
            .saturating_mul(bytes.min(self.input_bytes_max));
        self.fuel_per_call
            .saturating_add(of_items)
            .saturating_add(of_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fuel_grows_with_items_and_bytes_up_to_what_can_go_in() {
        let limits = Limits {
            fuel_per_call: 1_000,
            fuel_per_item: 10,
            fuel_per_byte: 2,
            input_bytes_max: 100,
            ..Limits::default()
        };
        assert_eq!(limits.fuel(0, 0), 1_000);
        assert_eq!(limits.fuel(3, 7), 1_044);
        assert_eq!(limits.fuel(0, 101), 1_200);
        assert_eq!(limits.fuel(usize::MAX, u64::MAX), u64::MAX);
    }
}
