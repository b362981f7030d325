//! The thread that takes modules in: from the release, from users, from the network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use replicant_protocol::clock::Hlc;
use replicant_protocol::content::{Announcement, ModuleName, SignedAnnouncement};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ModuleHash, TypeName};
use replicant_runtime::{Limits, Module, Runtime};
use semver::Version;
use tokio::sync::oneshot;

use super::archive::Archive;
use super::fetched::Fetched;
use super::limits;
use super::registry::{Entry, Registry};
use super::wanted::Wanted;
use crate::network::ModuleEvent;
use crate::storage::{General, Job, Storage, Writer};
use crate::vocabulary::{ModuleInfo, NodeError};

/// Requests that may wait: two for every announcement that the network layer keeps.
const REQUESTS_MAX: usize = 8_192;

/// What the librarian asks of the network. No method waits.
pub trait ModuleNetwork: Send + 'static {
    /// Tells everybody of a module. False if that has to be tried again.
    fn announce(&self, announcement: SignedAnnouncement) -> bool;

    /// Fetches a module. False if that has to be tried again.
    fn want(&self, module: ModuleHash, size_bytes: u32) -> bool;

    /// No longer fetches a module.
    fn unwant(&self, module: ModuleHash);
}

/// Who wants to know when another module runs a type's objects.
pub trait ModuleChanges: Send + Sync + 'static {
    /// The active module of `name` changed, or there is one now. Must not wait.
    fn changed(&self, name: &TypeName);
}

/// What the librarian works with.
pub struct Resources {
    /// Compiles.
    pub runtime: Runtime,
    /// Has modules and announcements of earlier runs.
    pub storage: Arc<dyn Storage>,
    /// Makes new ones durable.
    pub writer: Arc<Writer>,
    /// Signs announcements.
    pub identity: Arc<NodeIdentity>,
    /// Is filled.
    pub registry: Registry,
    /// Is told of changes.
    pub changes: Arc<dyn ModuleChanges>,
}

enum Request {
    Load(Vec<u8>, oneshot::Sender<Result<ModuleInfo, NodeError>>),
    Event(ModuleEvent),
    Online(Box<dyn ModuleNetwork>),
}

/// The way to the librarian's thread. The thread ends with it, after what it is at.
#[derive(Debug)]
pub struct Librarian {
    requests: Option<SyncSender<Request>>,
    fetched: Arc<Fetched>,
    thread: Option<JoinHandle<()>>,
}

impl Librarian {
    /// Loads the release's modules and those of earlier runs, then starts the thread. Compiling
    /// takes a while the first time; later the compiled modules come from the disk.
    ///
    /// # Errors
    /// [`NodeError::ModuleInvalid`] if a module of the release does not load,
    /// [`NodeError::StorageFailed`] if storage cannot be read or the system gives no thread.
    pub fn start(resources: Resources) -> Result<Self, NodeError> {
        let fetched = Arc::new(Fetched::default());
        let mut desk = Desk::new(resources, fetched.clone());
        desk.take_in_built_ins()?;
        desk.take_in_stored()?;
        let (sender, receiver) = sync_channel(REQUESTS_MAX);
        let thread = std::thread::Builder::new()
            .name("modules".to_owned())
            .spawn(move || desk.work(&receiver))
            .map_err(|error| NodeError::StorageFailed {
                reason: error.to_string(),
            })?;
        Ok(Self {
            requests: Some(sender),
            fetched,
            thread: Some(thread),
        })
    }

    /// Gives the librarian a network: it announces what this node has, and wants what it lacks.
    pub fn go_online(&self, network: Box<dyn ModuleNetwork>) {
        self.request(Request::Online(network));
    }

    /// Takes what the network tells. Does not wait. Beyond 8,192 that wait it is lost, and logged;
    /// a module that does not fit into 64 MiB is fetched again later.
    pub fn tell(&self, event: ModuleEvent) {
        let fetched = match &event {
            ModuleEvent::Fetched { module, bytes } => Some((*module, bytes.len())),
            _ => None,
        };
        if let Some((module, bytes)) = fetched
            && !self.fetched.begin(module, bytes)
        {
            return;
        }
        let is_taken = self.request(Request::Event(event));
        if let Some((module, bytes)) = fetched
            && !is_taken
        {
            self.fetched.miss(module, bytes);
        }
    }

    /// False if there is no room.
    fn request(&self, request: Request) -> bool {
        let Some(requests) = &self.requests else {
            return true;
        };
        let is_full = matches!(requests.try_send(request), Err(TrySendError::Full(_)));
        if is_full {
            tracing::error!("too many module events wait; one is lost until the next start");
        }
        !is_full
    }

    /// Loads a component that a user gave, and announces it.
    ///
    /// # Errors
    /// [`NodeError::ModuleInvalid`], [`NodeError::ModuleConflict`], [`NodeError::StorageFailed`];
    /// [`NodeError::Busy`] when too much waits. Nothing changed.
    pub async fn load(&self, bytes: Vec<u8>) -> Result<ModuleInfo, NodeError> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(NodeError::ShuttingDown)?;
        requests
            .try_send(Request::Load(bytes, reply))
            .map_err(|error| match error {
                TrySendError::Full(_) => NodeError::Busy { queue: "modules" },
                TrySendError::Disconnected(_) => NodeError::ShuttingDown,
            })?;
        answer.await.map_err(|_| NodeError::ShuttingDown)?
    }
}

impl Drop for Librarian {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the runtime's hook already.
            let _ = thread.join();
        }
    }
}

/// What the thread works on.
struct Desk {
    resources: Resources,
    archive: Archive,
    network: Option<Box<dyn ModuleNetwork>>,
    wanted: Wanted,
    fetched: Arc<Fetched>,
    /// This node's own announcements.
    own: Vec<SignedAnnouncement>,
}

impl Desk {
    fn new(resources: Resources, fetched: Arc<Fetched>) -> Self {
        let archive = Archive::new(Arc::clone(&resources.storage));
        Self {
            resources,
            archive,
            network: None,
            wanted: Wanted::default(),
            fetched,
            own: Vec::new(),
        }
    }

    fn work(mut self, requests: &Receiver<Request>) {
        while let Ok(request) = requests.recv() {
            match request {
                Request::Load(bytes, reply) => {
                    // Whoever asked may have gone; the module is loaded all the same.
                    let _ = reply.send(self.load(bytes));
                }
                Request::Event(event) => self.on_event(event),
                Request::Online(network) => self.on_online(network),
            }
            if let Some(missed) = self.fetched.next_missed() {
                self.ask_for(missed);
            }
        }
    }

    fn take_in_built_ins(&mut self) -> Result<(), NodeError> {
        for built_in in replicant_crdts::all() {
            let module = self.compile(built_in.bytes, Limits::default())?;
            let name = module_name(&module)?;
            let announcement = self.sign(&name, &module, Hlc::ZERO)?;
            self.own.push(announcement);
            self.insert(&name, module, true)?;
        }
        Ok(())
    }

    /// Loads what announcements of earlier runs say is active, as far as the bytes are here.
    fn take_in_stored(&mut self) -> Result<(), NodeError> {
        let stored = self
            .resources
            .storage
            .announcements()
            .map_err(storage_failed)?;
        let mut active: BTreeMap<ModuleName, Arc<SignedAnnouncement>> = BTreeMap::new();
        for (_, bytes) in stored {
            match SignedAnnouncement::from_bytes(&bytes) {
                Ok(announcement) => keep_first(&mut active, Arc::new(announcement)),
                Err(error) => tracing::warn!(%error, "a stored announcement is passed over"),
            }
        }
        for announcement in active.into_values() {
            self.activate(announcement);
        }
        Ok(())
    }

    fn on_online(&mut self, network: Box<dyn ModuleNetwork>) {
        for announcement in &self.own {
            if !network.announce(announcement.clone()) {
                tracing::warn!("an announcement did not get out; the next start repeats it");
            }
        }
        for (module, size_bytes) in self.wanted.all() {
            network.want(module, size_bytes);
        }
        self.network = Some(network);
    }

    fn on_event(&mut self, event: ModuleEvent) {
        match event {
            ModuleEvent::Learned(announcement) => self.keep(&announcement),
            ModuleEvent::Forgotten(_) => {}
            ModuleEvent::Activated { announcement, .. } => self.activate(announcement),
            ModuleEvent::Conflict { active, other } => {
                let name = &active.announcement().name;
                tracing::warn!(
                    module = %format!("{}@{}", name.name, name.version),
                    active = %active.announcement().module,
                    other = %other.announcement().module,
                    "two different modules are announced under one name and version",
                );
            }
            ModuleEvent::Fetched { module, bytes } => {
                let size = bytes.len();
                self.on_fetched(module, bytes);
                self.fetched.end(size);
            }
            ModuleEvent::Stalled { module } => self.on_stalled(module),
        }
    }

    fn keep(&self, announcement: &SignedAnnouncement) {
        let bytes = announcement.as_bytes().to_vec();
        let job = Job::general(General::Announcement(announcement.id(), bytes));
        if let Err(error) = self.resources.writer.commit(job) {
            tracing::warn!(%error, "an announcement is not stored; peers have it");
        }
    }

    fn on_fetched(&mut self, module: ModuleHash, bytes: Vec<u8>) {
        let announced: Vec<_> = self.wanted.of(&module).cloned().collect();
        if announced.is_empty() {
            return;
        }
        let job = Job::general(General::Module(module, bytes));
        if let Err(error) = self.resources.writer.commit(job) {
            tracing::warn!(%module, %error, "a fetched module is not stored; fetching it again");
            return self.ask_for(module);
        }
        for announcement in announced {
            self.activate(announcement);
        }
    }

    /// Nobody who is connected has the module; or its size is not the one that was asked for, and
    /// another one is said too.
    fn on_stalled(&mut self, module: ModuleHash) {
        tracing::info!(%module, "no connected node has this module; waiting for one");
        let size_bytes = self.wanted.other_size(&module, Instant::now());
        if let (Some(network), Some(size_bytes)) = (&self.network, size_bytes) {
            network.unwant(module);
            network.want(module, size_bytes);
        }
    }

    /// Has a wanted module fetched.
    fn ask_for(&self, module: ModuleHash) {
        let Some(announcement) = self.wanted.of(&module).next() else {
            return;
        };
        if let Some(network) = &self.network
            && !network.want(module, announcement.announcement().size_bytes)
        {
            tracing::warn!(%module, "a module is not asked for; the next start repeats it");
        }
    }

    /// Runs objects on the announced module, or sees to it that its bytes come.
    fn activate(&mut self, announcement: Arc<SignedAnnouncement>) {
        let said = announcement.announcement().clone();
        let limits = limits::of_announcement(&said.limits);
        // What was active under this name before is of no use any more.
        if let Some(module) = self.wanted.remove(&said.name)
            && let Some(network) = &self.network
            && module != said.module
        {
            network.unwant(module);
        }
        if let Some(entry) = self.resources.registry.exact(&said.name)
            && ModuleHash::from_bytes(entry.module.hash()) == said.module
            && *entry.module.limits() == limits
        {
            return;
        }
        let label = format!("{}@{}", said.name.name, said.name.version);
        match self.archive.find(&said.module) {
            Ok(Some(bytes)) => {
                let taken = self.compile(&bytes, limits).and_then(|module| {
                    if module_name(&module)? == said.name {
                        return self.insert(&said.name, module, false);
                    }
                    let reason = format!("it is announced as {label} and says otherwise");
                    Err(NodeError::ModuleInvalid { reason })
                });
                if let Err(error) = taken {
                    tracing::error!(module = label, %error, "an announced module is not usable");
                }
            }
            Ok(None) => {
                self.wanted.insert(announcement);
                self.ask_for(said.module);
            }
            Err(error) => tracing::error!(module = label, %error, "a module cannot be read"),
        }
    }

    /// What a user gave: checked, durable, announced, active; in this order.
    fn load(&mut self, bytes: Vec<u8>) -> Result<ModuleInfo, NodeError> {
        let module = self.compile(&bytes, Limits::default())?;
        let name = module_name(&module)?;
        let given = ModuleHash::from_bytes(module.hash());
        let label = format!("{}@{}", name.name, name.version);
        if let Some(known) = self.known_hash(&name) {
            if known == given && self.resources.registry.has(&given) {
                return self.resources.registry.show(&label);
            }
            if known != given {
                let (name, version) = (name.name, name.version.to_string());
                return Err(NodeError::ModuleConflict {
                    name,
                    version,
                    known,
                    given,
                });
            }
        }
        let announcement = self.sign(&name, &module, now())?;
        let stored = announcement.as_bytes().to_vec();
        let mut job = Job::general(General::Module(given, bytes));
        job.general
            .push(General::Announcement(announcement.id(), stored));
        self.resources.writer.commit(job).map_err(storage_failed)?;
        self.insert(&name, module, false)?;
        if let Some(network) = &self.network
            && !network.announce(announcement.clone())
        {
            tracing::warn!(
                module = label,
                "it is not announced yet; the next start does it"
            );
        }
        self.own.push(announcement);
        self.resources.registry.show(&label)
    }

    /// The hash of the module that has this name and version here, also if its bytes are still to
    /// come.
    fn known_hash(&self, name: &ModuleName) -> Option<ModuleHash> {
        let loaded = self.resources.registry.exact(name);
        let loaded = loaded.map(|entry| ModuleHash::from_bytes(entry.module.hash()));
        loaded.or_else(|| self.wanted.module(name))
    }

    fn compile(&self, bytes: &[u8], limits: Limits) -> Result<Module, NodeError> {
        let loaded = self.resources.runtime.load(bytes, limits);
        loaded.map_err(super::not_loaded)
    }

    fn insert(
        &self,
        name: &ModuleName,
        module: Module,
        is_built_in: bool,
    ) -> Result<(), NodeError> {
        let version =
            Version::parse(name.version.as_str()).map_err(|error| NodeError::ModuleInvalid {
                reason: error.to_string(),
            })?;
        self.resources.registry.insert(
            &name.name,
            version,
            Entry {
                module,
                is_built_in,
            },
        );
        self.resources.changes.changed(&name.name);
        Ok(())
    }

    fn sign(
        &self,
        name: &ModuleName,
        module: &Module,
        hlc: Hlc,
    ) -> Result<SignedAnnouncement, NodeError> {
        let invalid = |reason: String| NodeError::ModuleInvalid { reason };
        let announcement = Announcement {
            name: name.clone(),
            module: ModuleHash::from_bytes(module.hash()),
            size_bytes: u32::try_from(module.size_bytes())
                .map_err(|_| invalid("the component is too large".to_owned()))?,
            limits: limits::announced(module.limits()),
            publisher: self.resources.identity.id(),
            hlc,
        };
        SignedAnnouncement::sign(announcement, &self.resources.identity)
            .map_err(|error| invalid(error.to_string()))
    }
}

/// The name and version that a module gives itself, as the protocol writes them.
fn module_name(module: &Module) -> Result<ModuleName, NodeError> {
    let invalid = |reason: String| NodeError::ModuleInvalid { reason };
    let said = module.description();
    Ok(ModuleName {
        name: said
            .name
            .parse()
            .map_err(|error| invalid(format!("name: {error}")))?,
        version: said
            .version
            .parse()
            .map_err(|error| invalid(format!("version: {error}")))?,
    })
}

/// Of several announcements for a name and version, the one that every node prefers stays.
fn keep_first(
    active: &mut BTreeMap<ModuleName, Arc<SignedAnnouncement>>,
    announcement: Arc<SignedAnnouncement>,
) {
    let name = announcement.announcement().name.clone();
    match active.get(&name) {
        Some(known) if rank(known) <= rank(&announcement) => {}
        _ => drop(active.insert(name, announcement)),
    }
}

fn rank(announcement: &SignedAnnouncement) -> impl Ord + use<> {
    let said = announcement.announcement();
    (said.hlc, said.publisher, announcement.id())
}

fn now() -> Hlc {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Hlc::at_millisecond(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn storage_failed(error: crate::storage::StorageError) -> NodeError {
    NodeError::StorageFailed {
        reason: error.to_string(),
    }
}
