//! The data folder: what is in it, and that only one process has it.
//!
//! ```text
//! node.key        the node's secret key, 64 hexadecimal digits
//! replicant.redb  everything else that must survive (docs/storage-format.md)
//! modules/        compiled modules; may be deleted
//! lock            held while a process uses the folder
//! ```
//!
//! Nobody but their owner can read any of it.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{Hash, NodeId};

use super::NodeError;

/// A data folder that this process holds.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    identity: Arc<NodeIdentity>,
    lock: Arc<Lock>,
}

/// Keeps others out of a data folder. Released when it is dropped, or when the process ends in
/// whatever way.
#[derive(Debug)]
pub(super) struct Lock(#[allow(dead_code, reason = "held for its drop")] File);

impl Folder {
    /// Takes a folder that [`init`](super::init) made.
    pub(super) fn open(path: &Path) -> Result<Self, NodeError> {
        let identity = read_key(path)?;
        let lock_path = path.join("lock");
        let lock = private().create(true).truncate(false).open(&lock_path);
        let lock = lock.map_err(|error| broken(&lock_path, &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(NodeError::FolderInUse {
                    folder: path.to_path_buf(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(broken(&lock_path, &error)),
        }
        Ok(Self {
            path: path.to_path_buf(),
            identity: Arc::new(identity),
            lock: Arc::new(Lock(lock)),
        })
    }

    pub(super) fn identity(&self) -> Arc<NodeIdentity> {
        self.identity.clone()
    }

    /// What holds the folder; it is free when all have dropped it.
    pub(super) fn lock(&self) -> Arc<Lock> {
        self.lock.clone()
    }

    pub(super) fn database(&self) -> PathBuf {
        self.path.join("replicant.redb")
    }

    pub(super) fn compiled_modules(&self) -> PathBuf {
        self.path.join("modules")
    }
}

/// Makes a data folder with a new key.
pub(super) fn init(path: &Path) -> Result<NodeId, NodeError> {
    make_private(path).map_err(|error| broken(path, &error))?;
    let key_path = path.join("node.key");
    if let Some(found) = stranger(path).map_err(|error| broken(path, &error))? {
        return Err(NodeError::FolderNotEmpty {
            folder: path.to_path_buf(),
            found,
        });
    }
    let mut secret = [0; 32];
    getrandom::fill(&mut secret)
        .map_err(|error| broken(&key_path, &io::Error::other(error.to_string())))?;
    let identity = NodeIdentity::from_secret(&secret);
    let text = Hash::from_bytes(secret).to_string();
    match write_new(&key_path, &text) {
        Ok(()) => Ok(identity.id()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(NodeError::AlreadyInitialised {
                folder: path.to_path_buf(),
            })
        }
        Err(error) => Err(broken(&key_path, &error)),
    }
}

/// What is in a folder that is no data folder and should become one, besides what an attempt before
/// left behind, and what a file system has at its root.
fn stranger(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut first = None;
    for entry in fs::read_dir(path)? {
        let name = entry?.file_name();
        if name == "node.key" {
            return Ok(None);
        }
        if name != "node.new" && name != "lost+found" {
            first = Some(PathBuf::from(name));
        }
    }
    Ok(first)
}

/// Makes a folder that only its owner may enter. One that is there stays as it is.
fn make_private(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Writes a file that was not there, readable by its owner only. Nobody ever sees half of it.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private().create_new(true).open(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // A link fails where a rename would replace a key that is there.
    let linked = fs::hard_link(&unfinished, path);
    fs::remove_file(&unfinished)?;
    linked?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// For writing; a file that is made is readable by its owner only.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

fn read_key(path: &Path) -> Result<NodeIdentity, NodeError> {
    let key_path = path.join("node.key");
    let text = match fs::read_to_string(&key_path) {
        Ok(text) => {
            if let Some(advice) = others_may_read(&key_path) {
                tracing::warn!("{advice}");
            }
            text
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(NodeError::NotInitialised {
                folder: path.to_path_buf(),
            });
        }
        // It is not even text.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(no_key(&key_path)),
        Err(error) => return Err(broken(&key_path, &error)),
    };
    // The reason does not repeat what is in the file.
    let secret: Hash = text.trim().parse().map_err(|_| no_key(&key_path))?;
    Ok(NodeIdentity::from_secret(secret.as_bytes()))
}

fn no_key(key_path: &Path) -> NodeError {
    NodeError::Folder {
        path: key_path.to_path_buf(),
        reason: "this is not a key: the file has to hold the node's secret key, 64 hexadecimal \
                 digits, and nothing else; put it back from a backup, or, if there is none, make \
                 a new node in another folder with `replicant init`: nobody can make this key again"
            .to_owned(),
    }
}

/// What to do if others than its owner may read or write the key.
#[cfg(unix)]
fn others_may_read(key_path: &Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(key_path).ok()?.permissions().mode() & 0o777;
    let path = key_path.display();
    (mode & 0o077 != 0).then(|| {
        format!(
            "others than its owner have access to {path} (mode {mode:04o}), and who has this \
             key can speak as this node; take that away: chmod 600 '{path}'. If somebody may \
             have read it, revoke this node and make a new one"
        )
    })
}

#[cfg(not(unix))]
fn others_may_read(_: &Path) -> Option<String> {
    None
}

fn broken(path: &Path, error: &io::Error) -> NodeError {
    let advice = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; take a folder that this user may write to, or have its owner allow it"
        }
        _ => "",
    };
    NodeError::Folder {
        path: path.to_path_buf(),
        reason: format!("{error}{advice}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_write_there_is_told_what_to_do() {
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        let told = broken(Path::new("/srv/node"), &denied).to_string();
        assert!(told.contains("/srv/node"), "{told}");
        assert!(
            told.contains("a folder that this user may write to"),
            "{told}"
        );
    }

    #[test]
    fn a_folder_has_one_key_for_life() {
        let folder = tempfile::tempdir().unwrap();
        let id = init(folder.path()).unwrap();
        let again = init(folder.path());
        assert!(matches!(again, Err(NodeError::AlreadyInitialised { .. })));
        assert_eq!(Folder::open(folder.path()).unwrap().identity().id(), id);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_what_is_in_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        init(&path).unwrap();
        let folder = Folder::open(&path).unwrap();
        drop(crate::storage::RedbStorage::open(&folder.database(), 1 << 20).unwrap());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        for entry in fs::read_dir(&path).unwrap() {
            let file = entry.unwrap().path();
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_may_read_is_told_with_the_command_that_mends_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        init(folder.path()).unwrap();
        let key = folder.path().join("node.key");
        assert_eq!(others_may_read(&key), None);
        for mode in [0o644, 0o620, 0o604] {
            fs::set_permissions(&key, fs::Permissions::from_mode(mode)).unwrap();
            let told = others_may_read(&key).unwrap();
            assert!(
                told.contains(&format!("chmod 600 '{}'", key.display())),
                "{told}"
            );
            assert!(told.contains(&format!("{mode:04o}")), "{told}");
        }
    }

    #[test]
    fn two_holders_of_one_folder_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        init(folder.path()).unwrap();
        let first = Folder::open(folder.path()).unwrap();
        let second = Folder::open(folder.path());
        assert!(matches!(second, Err(NodeError::FolderInUse { .. })));
        drop(first);
        assert!(Folder::open(folder.path()).is_ok());
    }

    /// A node's files were strewn among others.
    #[test]
    fn only_an_empty_folder_becomes_a_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        for left in ["lost+found", "node.new"] {
            fs::write(folder.path().join(left), "").unwrap();
        }
        fs::write(folder.path().join("letter.txt"), "").unwrap();
        let error = init(folder.path()).unwrap_err();
        assert!(matches!(error, NodeError::FolderNotEmpty { .. }), "{error}");
        assert!(error.to_string().contains("letter.txt"), "{error}");
        assert!(!folder.path().join("node.key").exists());
        fs::remove_file(folder.path().join("letter.txt")).unwrap();
        init(folder.path()).unwrap();
    }

    #[test]
    fn what_is_no_data_folder_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let opened = Folder::open(folder.path());
        assert!(matches!(opened, Err(NodeError::NotInitialised { .. })));
        fs::write(folder.path().join("node.key"), "secret words").unwrap();
        let error = Folder::open(folder.path()).unwrap_err().to_string();
        assert!(!error.contains("words"), "{error}");
        fs::write(folder.path().join("node.key"), [0xff; 40]).unwrap();
        assert_eq!(Folder::open(folder.path()).unwrap_err().to_string(), error);
        for told in [
            "node.key: this is not a key",
            "64 hex",
            "backup",
            "replicant init",
        ] {
            assert!(error.contains(told), "{told}: {error}");
        }
    }
}
