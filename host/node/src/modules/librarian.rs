//! The thread that takes modules in: from the release, from users, from the network.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use replicant_protocol::content::{self, Statement};
use replicant_protocol::identity::NodeIdentity;
use replicant_protocol::ids::{ModuleHash, TypeName};
use replicant_runtime::Runtime;
use tokio::sync::oneshot;

use super::backlog::Backlog;
use super::desk::Desk;
use super::fetched::Fetched;
use super::registry::Registry;
use crate::network::ModuleEvent;
use crate::storage::{Storage, Writer};
use crate::vital::Vital;
use crate::vocabulary::{LoadLimits, ModuleInfo, NodeError, Switching};

/// Requests that may wait: two for every announcement that the network layer keeps. What the
/// network tells beyond that waits in the [`Backlog`].
const REQUESTS_MAX: usize = 8_192;

/// What the librarian asks of the network. No method waits.
pub trait ModuleNetwork: Send + 'static {
    /// Tells everybody of a module or a switch. False if that has to be tried again.
    fn announce(&self, statement: Statement) -> bool;

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
    /// How many statements the network layer has room for.
    pub content: content::Config,
}

type Reply = oneshot::Sender<Result<ModuleInfo, NodeError>>;

pub(super) enum Request {
    Load(Vec<u8>, LoadLimits, Reply),
    Switch(Switching, Reply),
    Event(ModuleEvent),
    Online(Box<dyn ModuleNetwork>),
}

/// The way to the librarian's thread. The thread ends with it, after what it is at.
#[derive(Debug)]
pub struct Librarian {
    requests: Option<SyncSender<Request>>,
    fetched: Arc<Fetched>,
    backlog: Arc<Backlog>,
    thread: Option<JoinHandle<()>>,
    vital: Vital,
    runtime: Runtime,
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
        let backlog = Arc::new(Backlog::default());
        let runtime = resources.runtime.clone();
        let mut desk = Desk::new(resources, fetched.clone(), backlog.clone());
        desk.take_in_built_ins()?;
        desk.take_in_stored()?;
        let (sender, receiver) = sync_channel(REQUESTS_MAX);
        let vital = Vital::new("modules");
        let guard = vital.guard();
        let thread = std::thread::Builder::new()
            .name("modules".to_owned())
            .spawn(move || {
                let _guard = guard;
                desk.work(&receiver);
            })
            .map_err(|error| NodeError::StorageFailed {
                reason: error.to_string(),
            })?;
        Ok(Self {
            requests: Some(sender),
            fetched,
            backlog,
            thread: Some(thread),
            vital,
            runtime,
        })
    }

    /// Gives up what is being compiled, which may take minutes. The node ends.
    pub(crate) fn stop_compiling(&self) {
        self.runtime.stop_compiling();
    }

    /// Whether the thread still lives.
    pub(crate) fn vital(&self) -> &Vital {
        &self.vital
    }

    /// Gives the librarian a network: it announces what this node has, and wants what it lacks.
    pub fn go_online(&self, network: Box<dyn ModuleNetwork>) {
        if let Some(requests) = &self.requests {
            // It is the first request. There is nobody to take it only at a shutdown.
            let _ = requests.send(Request::Online(network));
        }
    }

    /// Takes what the network tells. Does not wait, and loses nothing that does not come again: a
    /// module that does not fit into 64 MiB is fetched again later.
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
        let is_taken = self.backlog.take_or_queue(event, |event| self.queue(event));
        if let Some((module, bytes)) = fetched
            && !is_taken
        {
            self.fetched.miss(module, bytes);
        }
    }

    /// Gives an event back if there is no room.
    fn queue(&self, event: ModuleEvent) -> Result<(), ModuleEvent> {
        let Some(requests) = &self.requests else {
            return Ok(());
        };
        match requests.try_send(Request::Event(event)) {
            Err(TrySendError::Full(Request::Event(event))) => Err(event),
            _ => Ok(()),
        }
    }

    /// Loads a component that a user gave, and announces it with its limits.
    ///
    /// # Errors
    /// [`NodeError::ModuleInvalid`], [`NodeError::ModuleConflict`],
    /// [`NodeError::LimitsConflict`], [`NodeError::CompilerStopped`], [`NodeError::StorageFailed`];
    /// [`NodeError::Busy`] when too much waits. Nothing changed.
    pub async fn load(&self, bytes: Vec<u8>, limits: LoadLimits) -> Result<ModuleInfo, NodeError> {
        self.ask(|reply| Request::Load(bytes, limits, reply)).await
    }

    /// Has a type run on another version, on every node.
    ///
    /// # Errors
    /// [`NodeError::UnknownModule`], [`NodeError::WaitsForModule`],
    /// [`NodeError::SwitchRefused`], [`NodeError::StorageFailed`]; [`NodeError::Busy`] when too
    /// much waits. Nothing changed.
    pub async fn switch(&self, switching: Switching) -> Result<ModuleInfo, NodeError> {
        self.ask(|reply| Request::Switch(switching, reply)).await
    }

    async fn ask(&self, request: impl FnOnce(Reply) -> Request) -> Result<ModuleInfo, NodeError> {
        let (reply, answer) = oneshot::channel();
        let requests = self.requests.as_ref().ok_or(NodeError::ShuttingDown)?;
        requests
            .try_send(request(reply))
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
