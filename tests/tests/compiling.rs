//! Components are compiled in a child process, under limits that the system enforces.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use replicant_runtime::{CompilerProcess, Limits, LoadError, Runtime, RuntimeConfig};

/// A runtime whose compiler is the `replicant` command with changed limits.
fn runtime(change: impl FnOnce(&mut CompilerProcess)) -> Runtime {
    let mut compiler = CompilerProcess::this_program(["--compile-component"]).unwrap();
    compiler.program = replicant_tests::process::binary().to_owned();
    change(&mut compiler);
    Runtime::new(RuntimeConfig {
        compiler: Some(compiler),
        ..RuntimeConfig::small()
    })
    .unwrap()
}

#[test]
fn a_module_compiled_by_a_child_computes_as_one_compiled_here() {
    let built_in = replicant_crdts::find("or-set").unwrap();
    let outcome = |runtime: Runtime| {
        let module = runtime.load(built_in.bytes, Limits::default()).unwrap();
        let mut instance = module.instantiate().unwrap();
        let handle = instance.create().unwrap();
        let sample = instance.sample(handle, 7).unwrap();
        (sample, instance.fuel_used())
    };
    let here = Runtime::new(RuntimeConfig::small()).unwrap();
    assert_eq!(outcome(runtime(|_| {})), outcome(here));
}

#[test]
fn what_is_not_valid_is_refused_with_the_reason() {
    let built_in = replicant_crdts::find("g-counter").unwrap();
    let mut bytes = built_in.bytes.to_vec();
    let here = Runtime::new(RuntimeConfig::small()).unwrap();
    let runtime = runtime(|_| {});
    let mut refused = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 20) {
        bytes[at] ^= 0x55;
        let of = |runtime: &Runtime| runtime.load(&bytes, Limits::default()).err();
        let error = of(&runtime);
        assert_eq!(error, of(&here));
        refused += usize::from(matches!(error, Some(LoadError::Invalid(_))));
        bytes[at] ^= 0x55;
    }
    assert!(refused > 0, "some of these reach the compiler's validation");
}

#[test]
fn a_component_that_takes_too_much_memory_is_refused_and_the_parent_goes_on() {
    let text = replicant_crdts::find("text").unwrap();
    let runtime = runtime(|compiler| compiler.address_space_bytes_max = 64 << 20);
    let error = runtime.load(text.bytes, Limits::default()).unwrap_err();
    assert_eq!(
        error,
        LoadError::TooHard {
            what: "more than 67,108,864 bytes of memory".to_owned()
        }
    );
}

#[test]
fn a_component_that_takes_too_long_is_refused_and_the_parent_goes_on() {
    let large = large_component();
    let runtime = runtime(|compiler| compiler.cpu_time_max = Duration::from_secs(1));
    let error = runtime.load(&large, Limits::default()).unwrap_err();
    assert_eq!(
        error,
        LoadError::TooHard {
            what: "more than 1 s of processor time".to_owned()
        }
    );
}

/// A component within all bounds of shape that takes many seconds to compile.
fn large_component() -> Vec<u8> {
    let body = "(local.set 0 (i64.add (i64.mul (local.get 0) (local.get 1)) (i64.const 7)))";
    let function = format!(
        "(func (param i64 i64) (result i64) {} (local.get 0))",
        body.repeat(250)
    );
    let functions = function.repeat(2_000);
    let interface = replicant_runtime::OP_BASED_INTERFACE;
    let export = format!("(instance $i) (export \"{interface}\" (instance $i))");
    wat::parse_str(format!("(component (core module {functions}) {export})")).unwrap()
}
