use std::fs;
use std::thread;

use super::*;
use crate::{CacheConfig, CompilerProcess, Packed};
use guest::Guest;

// Not all of it is needed here.
#[allow(dead_code)]
#[path = "../tests/hostile/guest.rs"]
mod guest;

fn with_cache(folder: &tempfile::TempDir) -> Runtime {
    Runtime::new(RuntimeConfig {
        cache: Some(CacheConfig::new(folder.path())),
        ..RuntimeConfig::small()
    })
    .unwrap()
}

/// What a module does: fuel and bytes.
fn trace(module: &Module) -> Vec<(u64, Vec<u8>)> {
    let mut instance = module.instantiate().unwrap();
    let handle = instance.create().unwrap();
    let mut trace = vec![(instance.fuel_used(), Vec::new())];
    let saved = instance.save(handle).unwrap();
    trace.push((instance.fuel_used(), saved));
    let sample = instance.sample(handle, 3).unwrap();
    trace.push((instance.fuel_used(), sample));
    trace
}

#[test]
fn loads_of_the_same_bytes_share_their_code_while_it_is_in_use() {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let bytes = Guest::new("shared").build();
    let load = || runtime.load(&bytes, Limits::default()).unwrap();
    let loaded: Vec<Module> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(load)).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(
        loaded
            .iter()
            .all(|module| module.shares_code_with(&loaded[0]))
    );
    let other = Guest::new("other").build();
    let other = runtime.load(&other, Limits::default()).unwrap();
    assert!(!other.shares_code_with(&loaded[0]));
    assert_eq!(lock(&runtime.shared.compiled).len(), 2);
    drop(loaded);
    runtime
        .load(&Guest::new("third").build(), Limits::default())
        .unwrap();
    assert_eq!(
        lock(&runtime.shared.compiled).len(),
        2,
        "what nobody uses is forgotten"
    );
}

#[test]
fn the_same_code_under_other_limits_is_another_module() {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let bytes = Guest::new("limited").build();
    let roomy = runtime.load(&bytes, Limits::default()).unwrap();
    let tight = Limits {
        objects_max: 1,
        ..Limits::default()
    };
    let tight = runtime.load(&bytes, tight).unwrap();
    assert!(tight.shares_code_with(&roomy));
    let mut instance = tight.instantiate().unwrap();
    instance.create().unwrap();
    instance.create().unwrap_err();
    roomy.instantiate().unwrap().create().unwrap();
}

#[test]
fn a_module_from_the_cache_behaves_as_a_compiled_one() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = Guest::new("cached").build();
    let compiled = with_cache(&folder).load(&bytes, Limits::default()).unwrap();
    let compiled_trace = trace(&compiled);
    drop(compiled);
    let file = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some())
        .unwrap();
    let written = fs::read(&file).unwrap();

    let runtime = with_cache(&folder);
    let cached = runtime.load(&bytes, Limits::default()).unwrap();
    assert_eq!(trace(&cached), compiled_trace);

    drop(cached);
    fs::write(&file, b"not what it was").unwrap();
    let again = runtime.load(&bytes, Limits::default()).unwrap();
    assert_eq!(trace(&again), compiled_trace);
    assert_eq!(
        fs::read(&file).unwrap().len(),
        written.len(),
        "the bad file was replaced"
    );
}

#[test]
fn a_cache_that_cannot_be_written_does_not_stop_a_load() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = with_cache(&folder);
    fs::remove_dir_all(folder.path()).unwrap();
    let module = runtime
        .load(&Guest::new("anyway").build(), Limits::default())
        .unwrap();
    module.instantiate().unwrap().create().unwrap();
}

#[test]
fn instances_outlive_the_runtime_and_move_between_threads() {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let module = runtime
        .load(&Guest::new("moved").build(), Limits::default())
        .unwrap();
    let mut instance = module.instantiate().unwrap();
    let handle = instance.create().unwrap();
    drop((runtime, module));
    let saved = thread::spawn(move || instance.save(handle)).join().unwrap();
    assert_eq!(saved, Ok(Vec::new()));
}

#[test]
fn a_configuration_out_of_range_is_named() {
    let error = Runtime::new(RuntimeConfig {
        tick: std::time::Duration::ZERO,
        ..RuntimeConfig::small()
    });
    assert!(error.err().unwrap().to_string().contains("`tick`"));
}

#[test]
fn many_objects_in_one_instance_come_and_go() {
    let runtime = Runtime::new(RuntimeConfig::small()).unwrap();
    let module = runtime
        .load(&Guest::new("many").build(), Limits::default())
        .unwrap();
    let mut instance = module.instantiate().unwrap();
    let handles: Vec<_> = (0..10_000).map(|_| instance.create().unwrap()).collect();
    let commands = Packed::from_items(["x"]).unwrap();
    for handle in &handles {
        let context = crate::Context {
            replica: 1,
            counter: 1,
            timestamp: 1,
        };
        instance.update(*handle, context, &commands, false).unwrap();
    }
    for handle in handles {
        instance.release(handle).unwrap();
    }
    assert_eq!(instance.objects_count(), 0);
}

/// A runtime whose compiler writes a line and then ends as `script` says.
#[cfg(unix)]
fn with_compiler(attempts: &std::path::Path, script: &str) -> Runtime {
    let script = format!("echo attempt >> {}; {script}", attempts.display());
    Runtime::new(RuntimeConfig {
        compiler: Some(CompilerProcess {
            program: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            ..CompilerProcess::this_program(["compile"]).unwrap()
        }),
        ..RuntimeConfig::small()
    })
    .unwrap()
}

#[cfg(unix)]
#[test]
fn a_component_that_is_too_hard_for_the_compiler_is_tried_once() {
    let folder = tempfile::tempdir().unwrap();
    let attempts = folder.path().join("attempts");
    let runtime = with_compiler(&attempts, "kill -ABRT $$");
    for _ in 0..3 {
        let bytes = Guest::new("hard").build();
        let error = runtime.load(&bytes, Limits::default()).unwrap_err();
        assert!(matches!(error, LoadError::TooHard { .. }), "{error}");
    }
    assert_eq!(fs::read_to_string(&attempts).unwrap(), "attempt\n");
    let other = Guest::new("other").build();
    runtime.load(&other, Limits::default()).unwrap_err();
    assert_eq!(fs::read_to_string(&attempts).unwrap().lines().count(), 2);
}

#[cfg(unix)]
#[test]
fn a_failure_of_the_machine_is_not_held_against_the_component() {
    let folder = tempfile::tempdir().unwrap();
    let attempts = folder.path().join("attempts");
    let runtime = with_compiler(&attempts, "exit 1");
    let bytes = Guest::new("unlucky").build();
    for _ in 0..2 {
        let error = runtime.load(&bytes, Limits::default()).unwrap_err();
        assert!(matches!(error, LoadError::Compiler(_)), "{error}");
    }
    assert_eq!(fs::read_to_string(&attempts).unwrap().lines().count(), 2);
}
