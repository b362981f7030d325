//! Components are compiled in a child process, under limits that the system enforces.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use replicant_runtime::{CompilerProcess, Limits, LoadError, Runtime, RuntimeConfig};
#[cfg(target_os = "linux")]
use replicant_tests::process::{NodeProcess, until};

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

/// The limit is one under which others are compiled, so it is this component that is too much.
#[test]
fn a_component_that_takes_too_much_memory_is_refused_and_the_parent_goes_on() {
    let runtime = runtime(|compiler| compiler.address_space_bytes_max = 192 << 20);
    // One function, nearly as large as one may be: it takes more than 256 MiB.
    let large = component(1, 100_000);
    let error = runtime.load(&large, Limits::default()).unwrap_err();
    assert_eq!(
        error,
        LoadError::TooHard {
            what: "more than 201,326,592 bytes of memory".to_owned()
        }
    );
    for name in ["g-counter", "text"] {
        let built_in = replicant_crdts::find(name).unwrap();
        runtime.load(built_in.bytes, Limits::default()).unwrap();
    }
}

/// That no thread could be started made the compiler panic, which was told, and remembered, as the
/// component's fault.
#[test]
fn a_child_that_can_start_no_threads_compiles_without() {
    let built_in = replicant_crdts::find("g-counter").unwrap();
    // More stack for each thread than all of the address space.
    let script = r#"RUST_MIN_STACK=1099511627776 exec "$0" --compile-component"#;
    let runtime = runtime(|compiler| {
        let program = std::mem::replace(&mut compiler.program, "/bin/sh".into());
        compiler.arguments = vec!["-c".into(), script.into(), program.into()];
    });
    runtime.load(built_in.bytes, Limits::default()).unwrap();
}

#[test]
fn a_component_that_takes_too_long_is_refused_and_the_parent_goes_on() {
    // It takes many seconds.
    let large = component(2_000, 250);
    let runtime = runtime(|compiler| compiler.cpu_time_max = Duration::from_secs(1));
    let error = runtime.load(&large, Limits::default()).unwrap_err();
    assert_eq!(
        error,
        LoadError::TooHard {
            what: "more than 1 s of processor time".to_owned()
        }
    );
}

/// Nobody else would end it, and the next start begins another one. It is stopped meanwhile, so it
/// cannot end by itself.
#[cfg(target_os = "linux")]
#[test]
fn a_compiler_ends_with_a_node_that_is_killed() {
    let mut node = NodeProcess::alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.wasm");
    std::fs::write(&file, component(2_000, 250)).unwrap();
    let load = ["module", "load", file.to_str().unwrap()];
    let _loading = node.replicant.start(load);
    let mut found = None;
    // From when it has taken on its limits, it ends with its parent.
    until("it is being compiled", || {
        found = compiler_of(node.process_id()).filter(|id| is_limited(*id));
        found.is_some()
    });
    let compiler = Stopped::new(found.unwrap());
    node.kill();
    until("the compiler has ended", || !compiler.is_there());
}

/// The child of a process that compiles.
#[cfg(target_os = "linux")]
fn compiler_of(parent: u32) -> Option<u32> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let is_child = |id: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        status.contains(&format!("\nPPid:\t{parent}\n"))
    };
    ids.filter(is_child).find(|id| is_compiler(*id))
}

/// One that has ended has no command line, whether somebody noticed or not.
#[cfg(target_os = "linux")]
fn is_compiler(id: u32) -> bool {
    let line = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains("--compile-component")
}

/// Whether it may write no files any more.
#[cfg(target_os = "linux")]
fn is_limited(id: u32) -> bool {
    let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap_or_default();
    let mut lines = limits.lines();
    let of_files = lines.find_map(|line| line.strip_prefix("Max file size"));
    of_files.is_some_and(|line| line.trim_start().starts_with("0 "))
}

/// A compiler that is stopped; it is ended when this is dropped.
#[cfg(target_os = "linux")]
struct Stopped(u32);

#[cfg(target_os = "linux")]
impl Stopped {
    fn new(id: u32) -> Self {
        let stopped = Self(id);
        assert!(stopped.signal("-STOP"));
        stopped
    }

    fn is_there(&self) -> bool {
        is_compiler(self.0)
    }

    fn signal(&self, name: &str) -> bool {
        let mut kill = std::process::Command::new("kill");
        let sent = kill.args([name, &self.0.to_string()]).status();
        sent.is_ok_and(|sent| sent.success())
    }
}

#[cfg(target_os = "linux")]
impl Drop for Stopped {
    fn drop(&mut self) {
        if self.is_there() {
            self.signal("-KILL");
        }
    }
}

/// A component within all bounds of shape: so many functions, each with so many additions.
fn component(functions: usize, additions: usize) -> Vec<u8> {
    let body = "(local.set 0 (i64.add (i64.mul (local.get 0) (local.get 1)) (i64.const 7)))";
    let function = format!(
        "(func (param i64 i64) (result i64) {} (local.get 0))",
        body.repeat(additions)
    );
    let functions = function.repeat(functions);
    let interface = replicant_runtime::OP_BASED_INTERFACE;
    let export = format!("(instance $i) (export \"{interface}\" (instance $i))");
    wat::parse_str(format!("(component (core module {functions}) {export})")).unwrap()
}
