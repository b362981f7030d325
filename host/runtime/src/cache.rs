//! Compiled modules on disk, so that a restart does not compile again.
//!
//! A file is machine code: whoever can make us load one runs code as us. So every file carries a
//! keyed BLAKE3 over its contents, over the component that it was made from, and over everything
//! that the engine's output depends on. It is checked before a byte of the file is used. A file
//! that does not pass is as good as none: the component is compiled and the file replaced.
//!
//! A file that passed is mapped, as a program is: copying takes longer than all else. Files are
//! made under another name and never written again; whoever can write to them afterwards is this
//! node's user, and could as well replace its program.
//!
//! The cache never fails a load. What goes wrong with it is logged.
//!
//! A file is: what the compiler made (first, as it is mapped); the names of the component's imports
//! and exports, so that a component that was found good is not looked through again; their length
//! (4 bytes, little endian); the code of the authentication (32 bytes); the magic number (8 bytes).
//! Its name is the hash of the component, `-`, the start of the environment's hash, `.compiled`.
//! What the code is over: the environment's hash, the component's hash, all of the file that
//! stands before it. The environment is the engine and what is refused of components.

use std::fs::{self, File, OpenOptions};
use std::hash::Hash;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use wasmtime::component::Component;

use crate::config::CacheConfig;
use crate::error::RuntimeError;
use crate::module::ModuleHash;
use crate::shape::{self, Shape};

const MAGIC: [u8; 8] = *b"RPLCNTM3";
const CODE_BYTES: usize = 32;
/// What stands behind the names: their length, the code, the magic number.
const TAIL_BYTES: usize = 4 + CODE_BYTES + MAGIC.len();
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
        let opened = File::open(&path);
        let authentic = opened.and_then(|mut file| self.authentic(&mut file, hash, &environment));
        let shape = match authentic {
            Ok(Some(shape)) => shape,
            Ok(None) => {
                tracing::warn!(path = %path.display(), "a compiled module is not what was stored");
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled module is unreadable");
                return None;
            }
        };
        // From where no programs may be run it cannot be mapped.
        let mapped = map(engine, &path);
        let loaded = mapped.or_else(|_| self.copy(engine, &path, hash, &environment));
        match loaded {
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

    /// A compiled component in memory of its own.
    fn copy(
        &self,
        engine: &wasmtime::Engine,
        path: &Path,
        hash: &ModuleHash,
        environment: &blake3::Hash,
    ) -> wasmtime::Result<Component> {
        // It was looked at, and may be another by now, or a longer one.
        let mut bytes = Vec::new();
        let file = File::open(path)?;
        file.take(self.bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)?;
        let authentic = self.authentic(&mut Cursor::new(&bytes), hash, environment)?;
        match authentic {
            Some(_) => deserialize(engine, &bytes),
            None => Err(wasmtime::Error::msg("it is not what was stored")),
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
        let names = shape.to_bytes();
        // As many as a component has, whose size is bounded far below.
        let length = u32::try_from(names.len()).unwrap_or(u32::MAX);
        let contents = [code, &names[..], &length.to_le_bytes()].concat();
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

    /// The names in a file, if it was written with our key for this component and this engine.
    fn authentic(
        &self,
        file: &mut (impl Read + Seek),
        hash: &ModuleHash,
        environment: &blake3::Hash,
    ) -> io::Result<Option<Shape>> {
        let length = file.seek(SeekFrom::End(0))?;
        if length > self.bytes_max {
            return Err(io::Error::other("larger than the whole cache may be"));
        }
        let Some(names_end) = length.checked_sub(TAIL_BYTES as u64) else {
            return Ok(None);
        };
        let mut tail = [0; TAIL_BYTES];
        file.seek(SeekFrom::Start(names_end))?;
        file.read_exact(&mut tail)?;
        let (names_length, found) = tail.split_at(4);
        let Some(found) = found.strip_suffix(&MAGIC) else {
            return Ok(None);
        };
        file.rewind()?;
        let checked = file.take(names_end + 4);
        // Compares in constant time.
        if self.code(hash, environment, checked)? != *found {
            return Ok(None);
        }
        let names_length = names_length.iter().rev();
        let names_length = names_length.fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        let Some(names_start) = names_end.checked_sub(names_length) else {
            return Ok(None);
        };
        let mut names = Vec::new();
        file.seek(SeekFrom::Start(names_start))?;
        file.take(names_length).read_to_end(&mut names)?;
        Ok(Shape::from_bytes(&names))
    }

    fn code(
        &self,
        hash: &ModuleHash,
        environment: &blake3::Hash,
        contents: impl Read,
    ) -> io::Result<blake3::Hash> {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(environment.as_bytes());
        hasher.update(hash);
        hasher.update_reader(contents)?;
        Ok(hasher.finalize())
    }

    fn write(
        &self,
        path: &Path,
        hash: &ModuleHash,
        environment: &blake3::Hash,
        contents: &[u8],
    ) -> io::Result<()> {
        let authentication = self.code(hash, environment, contents)?;
        let unfinished = path.with_extension(format!("{}.{UNFINISHED}", unique()?));
        let written = (|| {
            let mut file = private_new_file(&unfinished)?;
            file.write_all(contents)?;
            file.write_all(authentication.as_bytes())?;
            file.write_all(&MAGIC)?;
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
    // writes to nobody but us; or `DiskCache::authentic` found them to begin so, as for `map`.
    unsafe { Component::deserialize(engine, code) }
}

/// Makes a file executable that was found authentic.
#[allow(unsafe_code)]
fn map(engine: &wasmtime::Engine, path: &Path) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize_file` wants a file that begins with bytes that the engine's compiler
    // made, and that does not change while it is mapped. `DiskCache::authentic` found in it a keyed
    // hash which only `put` makes, and `put` makes it of nothing but what the compiler gave. Files
    // of the cache are in a folder of this user alone, are renamed into place when they are whole,
    // and never opened to be written again: another may only take the name.
    unsafe { Component::deserialize_file(engine, path) }
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
