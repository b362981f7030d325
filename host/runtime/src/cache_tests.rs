use super::*;
use crate::RuntimeConfig;
use crate::engine::Engine;

const HASH: ModuleHash = [7; 32];
const OTHER: ModuleHash = [8; 32];

struct Setup {
    folder: tempfile::TempDir,
    engine: Engine,
    code: Vec<u8>,
}

impl Setup {
    fn new() -> Self {
        let engine = Engine::new(&RuntimeConfig::small()).unwrap();
        let bytes = wat::parse_str("(component)").unwrap();
        let code = engine.wasmtime().precompile_component(&bytes).unwrap();
        Self {
            folder: tempfile::tempdir().unwrap(),
            engine,
            code,
        }
    }

    fn open(&self) -> DiskCache {
        DiskCache::open(&CacheConfig::new(self.folder.path())).unwrap()
    }

    fn has(&self, cache: &DiskCache, hash: &ModuleHash) -> bool {
        cache.get(self.engine.wasmtime(), hash).is_some()
    }

    fn put(&self, cache: &DiskCache, hash: &ModuleHash) {
        let shape = Shape {
            imports: vec!["a:b/c".to_owned()],
            ..Shape::default()
        };
        cache.put(self.engine.wasmtime(), hash, &shape, &self.code);
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some());
        paths.sort();
        paths
    }
}

#[test]
fn what_was_put_is_there_after_a_restart() {
    let setup = Setup::new();
    setup.put(&setup.open(), &HASH);
    let cache = setup.open();
    let (_, shape) = cache.get(setup.engine.wasmtime(), &HASH).unwrap();
    assert_eq!(shape.imports, ["a:b/c"]);
    assert!(!setup.has(&cache, &OTHER));
    assert_eq!(setup.files().len(), 1);
}

#[test]
fn a_changed_byte_anywhere_is_found() {
    let setup = Setup::new();
    let cache = setup.open();
    setup.put(&cache, &HASH);
    let path = setup.files().remove(0);
    let whole = fs::read(&path).unwrap();
    // As it is written: what is mapped must not be written to.
    let replace = |with: &[u8]| {
        let other = setup.folder.path().join("other");
        fs::write(&other, with).unwrap();
        fs::rename(other, &path).unwrap();
    };
    let end = whole.len();
    for at in [
        0,
        7,
        end / 2,
        end - 45,
        end - 44,
        end - 41,
        end - 40,
        end - 8,
        end - 1,
    ] {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        replace(&changed);
        assert!(!setup.has(&cache, &HASH), "byte {at}");
    }
    for length in [0, 1, 8, 43, 44, 45, end - 1] {
        replace(&whole[..length]);
        assert!(!setup.has(&cache, &HASH), "length {length}");
    }
    replace(&[&whole[..], b"x"].concat());
    assert!(!setup.has(&cache, &HASH), "a byte more");
    setup.put(&cache, &HASH);
    assert!(setup.has(&cache, &HASH), "a bad file is replaced");
}

/// Where the folder is on a file system from which no program runs.
#[test]
fn what_cannot_be_mapped_is_copied_if_it_is_still_what_was_put() {
    let setup = Setup::new();
    let cache = setup.open();
    setup.put(&cache, &HASH);
    let path = setup.files().remove(0);
    let engine = setup.engine.wasmtime();
    let environment = environment(engine);
    let copy = || cache.copy(engine, &path, &HASH, &environment);
    assert!(copy().is_ok());
    let mut changed = fs::read(&path).unwrap();
    changed[9] ^= 1;
    fs::write(&path, changed).unwrap();
    assert!(copy().is_err());
}

#[test]
fn a_file_of_another_component_or_key_is_not_taken() {
    let setup = Setup::new();
    let cache = setup.open();
    setup.put(&cache, &HASH);
    let path = setup.files().remove(0);
    let environment = environment(setup.engine.wasmtime());
    fs::copy(&path, cache.path(&OTHER, &environment)).unwrap();
    assert!(!setup.has(&cache, &OTHER));

    let config = CacheConfig {
        key: Some([1; 32]),
        ..CacheConfig::new(setup.folder.path())
    };
    assert!(!setup.has(&DiskCache::open(&config).unwrap(), &HASH));
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_is_replaced() {
    use std::os::unix::fs::PermissionsExt;
    let setup = Setup::new();
    let before = setup.open().key;
    let path = setup.folder.path().join(KEY_FILE);
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    assert_eq!(setup.open().key, before);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_ne!(setup.open().key, before);
    assert_eq!(mode(), 0o600);
    fs::write(&path, b"short").unwrap();
    assert_ne!(setup.open().key, before);
}

#[test]
fn beyond_the_bound_the_least_recently_used_go() {
    let setup = Setup::new();
    let roomy = setup.open();
    setup.put(&roomy, &HASH);
    let size = fs::metadata(setup.files().remove(0)).unwrap().len();
    let config = CacheConfig {
        bytes_max: 2 * size,
        ..CacheConfig::new(setup.folder.path())
    };
    let cache = DiskCache::open(&config).unwrap();
    let age = |hash: &ModuleHash, seconds| {
        let path = cache.path(hash, &environment(setup.engine.wasmtime()));
        let file = OpenOptions::new().append(true).open(path).unwrap();
        let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.set_modified(then).unwrap();
    };
    setup.put(&cache, &OTHER);
    age(&HASH, 1000);
    age(&OTHER, 2000);
    assert!(setup.has(&cache, &HASH), "this makes it the one used last");
    setup.put(&cache, &[9; 32]);
    assert_eq!(setup.files().len(), 2);
    assert!(setup.has(&cache, &HASH));
    assert!(!setup.has(&cache, &OTHER));
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_with_its_path() {
    let setup = Setup::new();
    let file = setup.folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let error = DiskCache::open(&CacheConfig::new(file.join("cache")))
        .err()
        .unwrap();
    assert!(error.to_string().contains("file/cache"), "{error}");
}

/// Its size was looked at, and then all of it was read.
#[cfg(unix)]
#[test]
fn a_file_that_does_not_end_is_not_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let config = CacheConfig {
        bytes_max: 1_000,
        ..CacheConfig::new(folder.path())
    };
    let cache = DiskCache::open(&config).unwrap();
    let engine = wasmtime::Engine::default();
    let environment = blake3::hash(b"any");
    let copied = cache.copy(&engine, Path::new("/dev/zero"), &[7; 32], &environment);
    let error = copied.err().unwrap().to_string();
    assert!(error.contains("larger than the whole cache"), "{error}");
}
