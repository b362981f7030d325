//! What the librarian's thread does, one thing after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use replicant_protocol::clock::Hlc;
use replicant_protocol::content::{Announcement, ModuleName, SignedAnnouncement, Statement};
use replicant_protocol::ids::{ModuleHash, TypeName};
use replicant_runtime::{Limits, Module};
use semver::Version;

use super::archive::Archive;
use super::backlog::Backlog;
use super::fetched::Fetched;
use super::librarian::{ModuleNetwork, Request, Resources};
use super::limits;
use super::versions::{Entry, Versions};
use super::wanted::Wanted;
use crate::network::ModuleEvent;
use crate::storage::{General, Job, StorageError};
use crate::vocabulary::{LoadLimits, ModuleInfo, NodeError};
use crate::wall_clock::wall_ms;

/// What the thread works on.
pub(super) struct Desk {
    pub(super) resources: Resources,
    archive: Archive,
    network: Option<Box<dyn ModuleNetwork>>,
    wanted: Wanted,
    fetched: Arc<Fetched>,
    backlog: Arc<Backlog>,
    /// What this node has to say once there is a network.
    own: Vec<Statement>,
}

impl Desk {
    pub(super) fn new(resources: Resources, fetched: Arc<Fetched>, backlog: Arc<Backlog>) -> Self {
        let archive = Archive::new(Arc::clone(&resources.storage));
        Self {
            resources,
            archive,
            network: None,
            wanted: Wanted::default(),
            fetched,
            backlog,
            own: Vec::new(),
        }
    }

    pub(super) fn work(mut self, requests: &Receiver<Request>) {
        while let Some(request) = self.next(requests) {
            match request {
                Request::Load(bytes, limits, reply) => {
                    // Whoever asked may have gone; the module is loaded all the same.
                    let _ = reply.send(self.load(bytes, &limits));
                }
                Request::Switch(switching, reply) => {
                    let _ = reply.send(self.switch(&switching));
                }
                Request::Event(event) => self.on_event(event),
                Request::Online(network) => self.on_online(network),
            }
            if let Some(missed) = self.fetched.next_missed() {
                self.ask_for(missed);
            }
        }
    }

    /// The next request. Before it waits, what did not fit into the queue is worked off.
    fn next(&mut self, requests: &Receiver<Request>) -> Option<Request> {
        match requests.try_recv() {
            Ok(request) => return Some(request),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
        for event in self.backlog.take() {
            self.on_event(event);
        }
        // From here on the backlog is empty until the queue is full again.
        requests.recv().ok()
    }

    pub(super) fn take_in_built_ins(&mut self) -> Result<(), NodeError> {
        let mut stored = self.resources.storage.modules().map_err(storage_failed)?;
        stored.sort_unstable();
        let mut job = Job::default();
        for built_in in replicant_crdts::all() {
            let module = self.compile(built_in.bytes, Limits::default())?;
            let name = module_name(&module)?;
            let announcement = self.sign(&name, &module, Hlc::ZERO)?;
            self.own.push(announcement.clone().into());
            self.record(&Arc::new(announcement));
            let hash = ModuleHash::from_bytes(module.hash());
            if stored.binary_search(&hash).is_err() {
                job.general
                    .push(General::Module(hash, built_in.bytes.to_vec()));
            }
            self.insert(&name, module, true)?;
        }
        // A later release has other ones, and types may still run on these.
        if !job.general.is_empty()
            && let Err(error) = self.resources.writer.commit(job)
        {
            tell_unstored(&error, "the types of this release are not stored");
        }
        Ok(())
    }

    /// Takes up what is stored: switches, and what announcements say is active, as far as the
    /// bytes are here.
    pub(super) fn take_in_stored(&mut self) -> Result<(), NodeError> {
        let stored = self.resources.storage.announcements();
        let mut active: BTreeMap<ModuleName, Arc<SignedAnnouncement>> = BTreeMap::new();
        for (_, bytes) in stored.map_err(storage_failed)? {
            match Statement::from_bytes(&bytes) {
                Ok(Statement::Announcement(announcement)) => {
                    self.record(&announcement);
                    keep_first(&mut active, announcement);
                }
                Ok(Statement::Switch(switch)) => {
                    let name = switch.switch().name.name.clone();
                    self.change(&name, |versions| versions.switch(switch));
                }
                Err(error) => tracing::warn!(%error, "a stored announcement is passed over"),
            }
        }
        for announcement in active.into_values() {
            self.activate(announcement);
        }
        Ok(())
    }

    fn on_online(&mut self, network: Box<dyn ModuleNetwork>) {
        for statement in &self.own {
            if !network.announce(statement.clone()) {
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
            ModuleEvent::Learned(statement) => self.on_learned(statement),
            ModuleEvent::Forgotten(statement) => {
                let job = Job::general(General::ForgetAnnouncement(statement.id()));
                if let Err(error) = self.resources.writer.commit(job) {
                    tracing::debug!(%error, "a statement that is not kept stays on disk");
                }
                let name = match &statement {
                    Statement::Announcement(of) => &of.announcement().name.name,
                    Statement::Switch(of) => &of.switch().name.name,
                };
                self.change(name, |versions| versions.forget(&statement));
            }
            ModuleEvent::Activated { announcement, .. } => self.activate(announcement),
            ModuleEvent::Conflict { active, other } => {
                let name = &active.announcement().name;
                tracing::error!(
                    module = %name,
                    active = %active.announcement().module,
                    by = %active.announcement().publisher,
                    other = %other.announcement().module,
                    other_by = %other.announcement().publisher,
                    "two modules, or limits, are announced under one name and version: every \
                     node runs the one that was announced first; give the other a version of its \
                     own and load it again",
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

    fn on_learned(&mut self, statement: Statement) {
        let bytes = statement.as_bytes().to_vec();
        let job = Job::general(General::Announcement(statement.id(), bytes));
        if let Err(error) = self.resources.writer.commit(job) {
            tell_unstored(&error, "an announcement is not stored; peers have it");
        }
        match statement {
            Statement::Announcement(announcement) => self.record(&announcement),
            Statement::Switch(switch) => self.take_switch(switch),
        }
    }

    /// Notes that a module is announced.
    fn record(&self, announcement: &Arc<SignedAnnouncement>) {
        let name = &announcement.announcement().name;
        match Version::parse(name.version.as_str()) {
            Ok(version) => self.change(&name.name, |versions| {
                versions.announce(version, announcement.clone());
            }),
            Err(error) => {
                tracing::warn!(module = %name, %error, "a module is announced under no version");
            }
        }
    }

    /// Changes what is known of a type, and has its objects made anew if they run on something
    /// else now.
    pub(super) fn change(&self, name: &TypeName, change: impl FnOnce(&mut Versions)) {
        if self.resources.registry.change(name, change) {
            self.resources.changes.changed(name);
        }
    }

    /// Tells everybody; what is stored is told again at the next start.
    pub(super) fn announce(&mut self, statement: Statement) {
        let network = self.network.as_ref();
        if network.is_some_and(|network| network.announce(statement.clone())) {
            return;
        }
        tracing::warn!("an announcement did not get out; the next start repeats it");
        self.own.push(statement);
    }

    fn on_fetched(&mut self, module: ModuleHash, bytes: Vec<u8>) {
        let announced: Vec<_> = self.wanted.of(&module).cloned().collect();
        if announced.is_empty() {
            return;
        }
        let job = Job::general(General::Module(module, bytes));
        if let Err(error) = self.resources.writer.commit(job) {
            tell_unstored(&error, "a fetched module is not stored; fetching it again");
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
        self.record(&announcement);
        if self.resources.registry.is_current(&said.name) {
            return;
        }
        let label = format!("{}@{}", said.name.name, said.name.version);
        match self.archive.find(&said.module) {
            Ok(Some(bytes)) => {
                self.note_compiling(&said.name, true);
                let taken = self.compile(&bytes, limits).and_then(|module| {
                    if module_name(&module)? == said.name {
                        return self.insert(&said.name, module, false);
                    }
                    let reason = format!("it is announced as {label} and says otherwise");
                    Err(NodeError::ModuleInvalid { reason })
                });
                if let Err(error) = taken {
                    tracing::error!(module = label, %error, "an announced module is not usable");
                    self.refuse(&said.name, error.to_string());
                }
                self.note_compiling(&said.name, false);
            }
            Ok(None) => {
                self.wanted.insert(announcement);
                self.ask_for(said.module);
            }
            Err(error) => tracing::error!(module = label, %error, "a module cannot be read"),
        }
    }

    /// What a user gave: checked, durable, announced, active; in this order.
    fn load(&mut self, bytes: Vec<u8>, given: &LoadLimits) -> Result<ModuleInfo, NodeError> {
        given.check()?;
        let hash = ModuleHash::of(&bytes);
        let registered = self.resources.registry.announcement_of(&hash);
        let registered = registered.map(|of| limits::of_announcement(&of.announcement().limits));
        let limits = limits::given(given, registered.unwrap_or_default());
        let module = self.compile(&bytes, limits)?;
        let name = module_name(&module)?;
        let known = self.resources.registry.announcement(&name);
        if let Some(known) = &known {
            check_same(known, &module)?;
            if self.resources.registry.is_current(&name) {
                return self.resources.registry.show(&name.to_string());
            }
        }
        let mut job = Job::general(General::Module(hash, bytes));
        let announcement = match known {
            Some(_) => None,
            None => Some(self.sign(&name, &module, now())?),
        };
        if let Some(announcement) = &announcement {
            let stored = announcement.as_bytes().to_vec();
            let announced = General::Announcement(announcement.id(), stored);
            job.general.push(announced);
        }
        self.resources.writer.commit(job).map_err(storage_failed)?;
        if let Some(announcement) = announcement {
            self.record(&Arc::new(announcement.clone()));
            self.announce(announcement.into());
        }
        self.insert(&name, module, false)?;
        self.resources.registry.show(&name.to_string())
    }

    fn compile(&self, bytes: &[u8], limits: Limits) -> Result<Module, NodeError> {
        let loaded = self.resources.runtime.load(bytes, limits);
        loaded.map_err(|error| super::not_loaded(bytes, error))
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
        self.change(&name.name, |versions| {
            versions.insert(&version, module, is_built_in);
        });
        Ok(())
    }

    /// Notes why an announced module cannot be loaded here.
    fn refuse(&self, name: &ModuleName, problem: String) {
        self.note(name, |entry| entry.problem = Some(problem));
    }

    /// Notes that an announced module is being compiled, or not any more.
    fn note_compiling(&self, name: &ModuleName, is_compiling: bool) {
        self.note(name, |entry| entry.is_compiling = is_compiling);
    }

    fn note(&self, name: &ModuleName, note: impl FnOnce(&mut Entry)) {
        let Ok(version) = Version::parse(name.version.as_str()) else {
            return;
        };
        self.change(&name.name, |versions| {
            versions.entry_mut(&version).map(note);
        });
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
        Some(known) if known.rank() <= announcement.rank() => {}
        _ => drop(active.insert(name, announcement)),
    }
}

/// Whether a module is what is announced under its name: the same bytes and limits.
fn check_same(known: &SignedAnnouncement, module: &Module) -> Result<(), NodeError> {
    let said = known.announcement();
    let (name, publisher) = (said.name.to_string(), said.publisher);
    let given = ModuleHash::from_bytes(module.hash());
    if said.module != given {
        return Err(NodeError::ModuleConflict {
            module: name,
            known: said.module,
            publisher,
            given,
        });
    }
    if said.limits != limits::announced(module.limits()) {
        return Err(NodeError::LimitsConflict {
            module: name,
            publisher,
            known: limits::listed(&said.limits),
            given: limits::listed(&limits::announced(module.limits())),
        });
    }
    Ok(())
}

/// Tells that something is not stored. While the node ends, that is no news: it comes again.
fn tell_unstored(error: &StorageError, what: &str) {
    match error {
        StorageError::Closed => tracing::debug!(%error, "{what}"),
        _ => tracing::warn!(%error, "{what}"),
    }
}

pub(super) fn now() -> Hlc {
    Hlc::at_millisecond(wall_ms())
}

pub(super) fn storage_failed(error: StorageError) -> NodeError {
    NodeError::StorageFailed {
        reason: error.to_string(),
    }
}
