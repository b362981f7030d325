//! The librarian with real components, real storage and a network that only takes notes.

mod limits;
mod switching;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use replicant_protocol::clock::Hlc;
use replicant_protocol::content::{
    self, Announcement, SignedAnnouncement, SignedSwitch, Statement, Switch,
};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ModuleHash, TypeName};
use replicant_runtime::{Limits, Runtime, RuntimeConfig};
use tempfile::TempDir;

use super::*;
use crate::network::ModuleEvent;
use crate::storage::{RedbStorage, Storage, Writer};
use crate::vocabulary::{Direction, LoadLimits, ModuleInfo, NodeError, Switching};

const PATIENCE: Duration = Duration::from_secs(60);

/// What was asked of the network, and which types changed.
#[derive(Default, Clone)]
struct Notes {
    announced: Arc<Mutex<Vec<Statement>>>,
    wanted: Arc<Mutex<Vec<ModuleHash>>>,
    changed: Arc<Mutex<Vec<TypeName>>>,
    /// Whoever holds it makes the librarian wait.
    gate: Arc<Mutex<()>>,
}

impl ModuleNetwork for Notes {
    fn announce(&self, statement: Statement) -> bool {
        self.announced.lock().unwrap().push(statement);
        true
    }

    fn want(&self, module: ModuleHash, _size_bytes: u32) -> bool {
        self.wanted.lock().unwrap().push(module);
        true
    }

    fn unwant(&self, module: ModuleHash) {
        self.wanted
            .lock()
            .unwrap()
            .retain(|wanted| *wanted != module);
    }
}

impl ModuleChanges for Notes {
    fn changed(&self, name: &TypeName) {
        drop(self.gate.lock().unwrap());
        self.changed.lock().unwrap().push(name.clone());
    }
}

struct Library {
    folder: TempDir,
    registry: Registry,
    librarian: Librarian,
    notes: Notes,
}

impl Library {
    fn open() -> Self {
        Self::open_in(TempDir::new().unwrap())
    }

    fn open_in(folder: TempDir) -> Self {
        Self::open_with(folder, content::Config::default())
    }

    fn open_with(folder: TempDir, content: content::Config) -> Self {
        let file = folder.path().join("storage.redb");
        let storage: Arc<dyn Storage> = Arc::new(RedbStorage::open(&file, 1 << 20).unwrap());
        let (registry, notes) = (Registry::default(), Notes::default());
        let librarian = Librarian::start(Resources {
            runtime: Runtime::new(RuntimeConfig::small()).unwrap(),
            writer: Arc::new(Writer::start(Arc::clone(&storage)).unwrap()),
            storage,
            identity: Arc::new(publisher()),
            registry: registry.clone(),
            changes: Arc::new(notes.clone()),
            content,
        })
        .unwrap();
        librarian.go_online(Box::new(notes.clone()));
        Self {
            folder,
            registry,
            librarian,
            notes,
        }
    }

    fn reopen(self) -> Self {
        let Self {
            folder, librarian, ..
        } = self;
        drop(librarian);
        Self::open_in(folder)
    }

    fn runs(&self, name: &str, module: ModuleHash) -> bool {
        let active = self.registry.active(&name.parse().unwrap());
        active.is_some_and(|active| ModuleHash::from_bytes(active.hash()) == module)
    }

    fn active(&self, name: &str) -> ModuleHash {
        ModuleHash::from_bytes(self.registry.active(&name.parse().unwrap()).unwrap().hash())
    }

    fn load(&self, bytes: Vec<u8>) -> Result<ModuleInfo, NodeError> {
        self.load_with(bytes, LoadLimits::default())
    }

    fn load_with(&self, bytes: Vec<u8>, limits: LoadLimits) -> Result<ModuleInfo, NodeError> {
        wait_for(self.librarian.load(bytes, limits))
    }

    /// Switches `name` or `name@version`.
    fn switch(&self, module: &str, direction: Direction) -> Result<ModuleInfo, NodeError> {
        self.switch_with(module, direction, false)
    }

    fn switch_with(
        &self,
        module: &str,
        direction: Direction,
        force: bool,
    ) -> Result<ModuleInfo, NodeError> {
        let (name, version) = match module.split_once('@') {
            Some((name, version)) => (name, Some(version.to_owned())),
            None => (module, None),
        };
        wait_for(self.librarian.switch(Switching {
            name: name.parse().unwrap(),
            version,
            direction,
            force,
        }))
    }

    /// The version that a type runs on, by its module.
    fn running(&self, name: &str) -> Option<String> {
        let module = self.registry.active(&name.parse().unwrap())?;
        Some(module.description().version.clone())
    }
}

fn wait_for<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(work)
}

fn publisher() -> NodeIdentity {
    NodeIdentity::from_secret(&[7; 32])
}

fn built_in(name: &str) -> Vec<u8> {
    replicant_crdts::find(name).unwrap().bytes.to_vec()
}

/// The same component with other bytes: a custom section more.
fn rebuilt(mut component: Vec<u8>) -> Vec<u8> {
    component.extend([0, 2, 1, b'x']);
    component
}

/// A node whose announcements win over those of `publisher` and of every lower number.
fn stronger(number: usize) -> NodeIdentity {
    let all = (1..100).map(|secret| NodeIdentity::from_secret(&[secret; 32]));
    let mut all: Vec<NodeIdentity> = all.filter(|node| node.id() < publisher().id()).collect();
    all.sort_by_key(|node| std::cmp::Reverse(node.id()));
    all.swap_remove(number)
}

fn announced(name: &str, version: &str, bytes: &[u8]) -> Arc<SignedAnnouncement> {
    announced_by(&stronger(0), name, version, bytes)
}

fn announced_by(
    publisher: &NodeIdentity,
    name: &str,
    version: &str,
    bytes: &[u8],
) -> Arc<SignedAnnouncement> {
    let announcement = Announcement {
        name: replicant_protocol::content::ModuleName {
            name: name.parse().unwrap(),
            version: version.parse().unwrap(),
        },
        module: ModuleHash::of(bytes),
        size_bytes: bytes.len().try_into().unwrap(),
        limits: super::limits::announced(&Limits::default()),
        publisher: publisher.id(),
        hlc: Hlc::ZERO,
    };
    Arc::new(SignedAnnouncement::sign(announcement, publisher).unwrap())
}

fn activated(announcement: &Arc<SignedAnnouncement>) -> ModuleEvent {
    ModuleEvent::Activated {
        announcement: Arc::clone(announcement),
        replaced: None,
    }
}

fn wait_until(mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < deadline, "it did not become true");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_types_of_the_release_are_there_at_once_and_are_announced() {
    let library = Library::open();
    let modules = library.registry.list();
    assert_eq!(modules.len(), replicant_crdts::all().len());
    assert!(
        modules
            .iter()
            .all(|module| module.built_in && module.active && module.loaded)
    );
    wait_until(|| library.notes.announced.lock().unwrap().len() == modules.len());
}

#[test]
fn the_same_bytes_again_change_nothing_and_others_under_the_name_are_a_conflict() {
    let library = Library::open();
    let info = library.load(built_in("g-counter")).unwrap();
    assert_eq!(info.name.as_str(), "g-counter");
    let before = library.active("g-counter");
    let conflict = library.load(rebuilt(built_in("g-counter"))).unwrap_err();
    assert!(
        matches!(conflict, NodeError::ModuleConflict { .. }),
        "{conflict}"
    );
    assert_eq!(library.active("g-counter"), before);
}

#[test]
fn what_is_not_a_component_is_refused_with_the_reason() {
    let library = Library::open();
    let error = library.load(b"not a component".to_vec()).unwrap_err();
    assert!(matches!(error, NodeError::ModuleInvalid { .. }), "{error}");
}

#[test]
fn an_announced_module_is_fetched_replaces_the_one_before_and_survives_a_restart() {
    let library = Library::open();
    let bytes = rebuilt(built_in("g-counter"));
    let version = library.registry.show("g-counter").unwrap().version;
    let announcement = announced("g-counter", &version, &bytes);
    let module = ModuleHash::of(&bytes);

    library
        .librarian
        .tell(ModuleEvent::Learned(announcement.clone().into()));
    library.librarian.tell(activated(&announcement));
    wait_until(|| library.notes.wanted.lock().unwrap().contains(&module));
    // Nodes that have them run the new bytes already: until they are here, nothing is run here.
    assert!(
        library
            .registry
            .active(&"g-counter".parse().unwrap())
            .is_none()
    );
    library.notes.changed.lock().unwrap().clear();
    library
        .librarian
        .tell(ModuleEvent::Fetched { module, bytes });
    wait_until(|| library.runs("g-counter", module));
    wait_until(|| library.notes.changed.lock().unwrap().len() == 1);

    let library = library.reopen();
    assert_eq!(library.active("g-counter"), module);
}

/// Nodes that had taken in the module that was announced later ran it on, beside others that had
/// not.
#[test]
fn where_the_module_that_counts_cannot_be_loaded_the_type_waits() {
    let library = Library::open();
    let version = library.registry.show("g-counter").unwrap().version;
    let bytes = b"not a component".to_vec();
    let announcement = announced("g-counter", &version, &bytes);
    let module = ModuleHash::of(&bytes);
    library
        .librarian
        .tell(ModuleEvent::Learned(announcement.clone().into()));
    library.librarian.tell(activated(&announcement));
    library
        .librarian
        .tell(ModuleEvent::Fetched { module, bytes });
    let name = "g-counter".parse().unwrap();
    wait_until(|| {
        let missing = library.registry.missing(&name).to_string();
        library.registry.active(&name).is_none() && missing.contains("not a")
    });
    // Neither after a restart, which takes in the types of the release first.
    let library = library.reopen();
    assert!(library.registry.active(&name).is_none());
}

#[test]
fn a_module_that_is_announced_under_a_name_that_it_does_not_give_itself_is_not_used() {
    let library = Library::open();
    let bytes = rebuilt(built_in("g-counter"));
    let announcement = announced("impostor", "0.1.0", &bytes);
    let module = ModuleHash::of(&bytes);
    library.librarian.tell(activated(&announcement));
    library
        .librarian
        .tell(ModuleEvent::Fetched { module, bytes });
    // The librarian does one thing after the other: this is answered after the event.
    library.load(built_in("g-counter")).unwrap();
    assert!(
        library
            .registry
            .active(&"impostor".parse().unwrap())
            .is_none()
    );
    assert_ne!(library.active("g-counter"), module);
}

#[test]
fn what_is_announced_and_has_not_come_is_wanted_again_after_a_restart() {
    let library = Library::open();
    let announcement = announced("elsewhere", "1.0.0", b"a module that nobody has");
    library
        .librarian
        .tell(ModuleEvent::Learned(announcement.clone().into()));
    library.librarian.tell(activated(&announcement));
    let module = announcement.announcement().module;
    wait_until(|| *library.notes.wanted.lock().unwrap() == [module]);
    let library = library.reopen();
    wait_until(|| *library.notes.wanted.lock().unwrap() == [module]);
}

/// One announcement for each module was kept: the impostor's took the place of the right one.
#[test]
fn an_impostor_keeps_nobody_from_a_module() {
    let library = Library::open();
    let bytes = rebuilt(built_in("g-counter"));
    let version = library.registry.show("g-counter").unwrap().version;
    let module = ModuleHash::of(&bytes);
    library
        .librarian
        .tell(activated(&announced("g-counter", &version, &bytes)));
    library
        .librarian
        .tell(activated(&announced("impostor", "0.1.0", &bytes)));
    library
        .librarian
        .tell(ModuleEvent::Fetched { module, bytes });
    wait_until(|| library.runs("g-counter", module));
}

/// What was wanted first was taken in when it came, although another was active by then.
#[test]
fn a_module_that_comes_when_another_has_its_name_is_not_used() {
    let library = Library::open();
    let version = library.registry.show("g-counter").unwrap().version;
    let first = rebuilt(built_in("g-counter"));
    let second = rebuilt(first.clone());
    let modules = [&first, &second].map(|bytes| ModuleHash::of(bytes));
    for (number, bytes) in [&first, &second].into_iter().enumerate() {
        let announcement = announced_by(&stronger(number), "g-counter", &version, bytes);
        library.librarian.tell(activated(&announcement));
    }
    wait_until(|| *library.notes.wanted.lock().unwrap() == [modules[1]]);
    for (module, bytes) in [(modules[1], second), (modules[0], first)] {
        library
            .librarian
            .tell(ModuleEvent::Fetched { module, bytes });
    }
    wait_until(|| library.runs("g-counter", modules[1]));
    // The librarian does one thing after the other: this is answered after the events.
    library.load(built_in("pn-counter")).unwrap();
    assert_eq!(library.active("g-counter"), modules[1]);
}
