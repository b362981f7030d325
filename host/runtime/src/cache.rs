//! Compiled modules on disk, so that a restart does not compile again.
//!
//! A file is machine code: whoever can make us load one runs code as us. So every file carries a
//! keyed BLAKE3 over its contents, over the component that it was made from, and over everything
//! that the engine's output depends on. It is checked before a byte of the file is used. A file
//! that does not pass is as good as none: the component is compiled and the file replaced.
//!
//! The cache never fails a load. What goes wrong with it is logged.
//!
//! A file is: the magic number (8 bytes), the code of the authentication (32 bytes), the names of
//! the component's imports and exports (so that a component that was found good is not looked
//! through again), what the compiler made. Its name is the hash of the component, `-`, the start of
//! the environment's hash, `.compiled`. What the code is over: the environment's hash, the
//! component's hash, the rest of the file. The environment is the engine and what is refused of
//! components.

use std::fs::{self, File, OpenOptions};
use std::hash::Hash;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wasmtime::component::Component;

use crate::config::CacheConfig;
use crate::error::RuntimeError;
use crate::module::ModuleHash;
use crate::shape::{self, Shape};

const MAGIC: [u8; 8] = *b"RPLCNTM2";
const CODE_BYTES: usize = 32;
const KEY_FILE: &str = "key";
const EXTENSION: &str = "compiled";
const UNFINISHED: &str = "unfinished";

/// The folder of compiled modules.
pub(crate) struct DiskCache {
    directory: PathBuf,
    key: [u8; 32],
    bytes_max: u64,
}

impl DiskCache {
    /// Opens the folder, making it and its key if they are not there.
    pub(crate) fn open(config: &CacheConfig) -> Result<Self, RuntimeError> {
        let directory = config.directory.clone();
        let failed = |path: &Path, source| RuntimeError::Cache {
            path: path.to_owned(),
            source,
        };
        make_private_directory(&directory).map_err(|error| failed(&directory, error))?;
        let key = match config.key {
            Some(key) => key,
            None => {
                let path = directory.join(KEY_FILE);
                read_or_make_key(&path).map_err(|error| failed(&path, error))?
            }
        };
        Ok(Self {
            directory,
            key,
            bytes_max: config.bytes_max,
        })
    }

    /// The compiled component and its names, if it is here and is what was put here.
    pub(crate) fn get(
        &self,
        engine: &wasmtime::Engine,
        hash: &ModuleHash,
    ) -> Option<(Component, Shape)> {
        let environment = environment(engine);
        let path = self.path(hash, &environment);
        let file = match self.read(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled module is unreadable");
                return None;
            }
        };
        let authentic = self.authentic(&file, hash, &environment);
        let Some((shape, code)) = authentic.and_then(Shape::split_off) else {
            tracing::warn!(path = %path.display(), "a compiled module is not what was stored");
            return None;
        };
        match deserialize(engine, code) {
            Ok(component) => {
                mark_used(&path);
                Some((component, shape))
            }
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled module does not load");
                None
            }
        }
    }

    /// Keeps a compiled component, and removes the least recently used beyond the bound.
    pub(crate) fn put(
        &self,
        engine: &wasmtime::Engine,
        hash: &ModuleHash,
        shape: &Shape,
        code: &[u8],
    ) {
        let contents = [&shape.to_bytes()[..], code].concat();
        let environment = environment(engine);
        let path = self.path(hash, &environment);
        let stored = self.write(&path, hash, &environment, &contents);
        if let Err(error) = stored.and_then(|()| self.trim(&path)) {
            tracing::warn!(path = %path.display(), %error, "a compiled module was not kept");
        }
    }

    fn path(&self, hash: &ModuleHash, environment: &blake3::Hash) -> PathBuf {
        let component = blake3::Hash::from_bytes(*hash).to_hex();
        let environment = environment.to_hex();
        self.directory
            .join(format!("{component}-{}.{EXTENSION}", &environment[..16]))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        if length > self.bytes_max {
            return Err(io::Error::other("larger than the whole cache may be"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.take(self.bytes_max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// What stands behind the authentication in `file`, if `file` was written with our key for this
    /// component and this engine.
    fn authentic<'a>(
        &self,
        file: &'a [u8],
        hash: &ModuleHash,
        environment: &blake3::Hash,
    ) -> Option<&'a [u8]> {
        let (found, code) = file
            .strip_prefix(&MAGIC)?
            .split_first_chunk::<CODE_BYTES>()?;
        // Compares in constant time.
        (self.code(hash, environment, code) == *found).then_some(code)
    }

    fn code(&self, hash: &ModuleHash, environment: &blake3::Hash, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(environment.as_bytes());
        hasher.update(hash);
        hasher.update(code);
        hasher.finalize()
    }

    fn write(
        &self,
        path: &Path,
        hash: &ModuleHash,
        environment: &blake3::Hash,
        code: &[u8],
    ) -> io::Result<()> {
        let authentication = self.code(hash, environment, code);
        let unfinished = path.with_extension(format!("{}.{UNFINISHED}", unique()?));
        let written = (|| {
            let mut file = private_new_file(&unfinished)?;
            file.write_all(&MAGIC)?;
            file.write_all(authentication.as_bytes())?;
            file.write_all(code)?;
            fs::rename(&unfinished, path)
        })();
        if written.is_err() {
            // It may not even exist; the error that matters is the first.
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    /// Removes the least recently used files until the rest fits, but not `keep`.
    fn trim(&self, keep: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        let mut total = 0;
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let path = entry.path();
            let known = path
                .extension()
                .is_some_and(|extension| extension == EXTENSION || extension == UNFINISHED);
            if !known {
                continue;
            }
            let Ok(metadata) = entry.metadata() else {
                continue;
            };
            total += metadata.len();
            if path != keep {
                files.push((metadata.modified()?, path, metadata.len()));
            }
        }
        files.sort();
        for (_, path, size) in files {
            if total <= self.bytes_max {
                break;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => total -= size,
            }
        }
        Ok(())
    }
}

/// Hash of everything besides the component that decides what the compiler makes of it, and
/// whether this engine can run that.
fn environment(engine: &wasmtime::Engine) -> blake3::Hash {
    struct Feed(blake3::Hasher);
    impl std::hash::Hasher for Feed {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
    }
    let mut feed = Feed(blake3::Hasher::new_derive_key(
        "replicant compiled module environment 2",
    ));
    engine.precompile_compatibility_hash().hash(&mut feed);
    shape::rules().hash(&mut feed);
    feed.0.finalize()
}

/// Makes machine code executable that the compiler has just made.
pub(crate) fn load_compiled(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    deserialize(engine, code)
}

/// Makes bytes executable that this program's compiler made.
#[allow(unsafe_code)]
fn deserialize(engine: &wasmtime::Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` wants bytes that the engine's compiler made. They come from
    // `Compiler::compile`, which ran it in this process or in a child of the same program that
    // writes to nobody but us; or from `DiskCache::authentic`: bytes that carry a keyed hash which
    // only `put` makes, and `put` makes it of nothing but what the compiler gave.
    unsafe { Component::deserialize(engine, code) }
}

/// Tells `trim` that a file is in use. Failing only makes it go earlier.
fn mark_used(path: &Path) {
    if let Ok(file) = OpenOptions::new().append(true).open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}

fn read_or_make_key(path: &Path) -> io::Result<[u8; 32]> {
    if let Some(key) = read_key(path)? {
        return Ok(key);
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
    let unfinished = path.with_extension(format!("{}.{UNFINISHED}", unique()?));
    private_new_file(&unfinished)?.write_all(&key)?;
    // Of two processes that start at once, the key of the later one stays; the files of the other
    // are compiled again.
    fs::rename(&unfinished, path)?;
    Ok(key)
}

/// The key, unless there is none, it is damaged, or others than its owner can read it.
fn read_key(path: &Path) -> io::Result<Option<[u8; 32]>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !is_private(&file)? {
        tracing::warn!(path = %path.display(), "the key of the module cache was open to others");
        return Ok(None);
    }
    let mut bytes = Vec::new();
    (&mut file).take(33).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

/// A name that nobody else uses.
fn unique() -> io::Result<String> {
    let number = getrandom::u64().map_err(|error| io::Error::other(error.to_string()))?;
    Ok(format!("{number:016x}"))
}

#[cfg(unix)]
fn make_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(not(unix))]
fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

fn private_new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

#[cfg(unix)]
fn is_private(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_file: &File) -> io::Result<bool> {
    Ok(true)
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
