//! The listening side: connections, their limits and their end.
//!
//! HTTP/1.1 only. What browsers would gain from HTTP/2 does not matter on a local port, and its
//! streams would need limits of their own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use super::config::{ApiConfig, HEADERS_MAX};
use super::idle::{Answer, Idle, Seat};
use super::{Api, routes};
use crate::Node;

/// Why the API could not be served. Nothing was started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The operator asked for an address that other machines reach, without saying that this is
    /// meant.
    #[error(
        "the API would listen on {address}, where other machines reach it, and it asks nobody who \
         they are; listen on a loopback address, or allow it explicitly"
    )]
    NotLoopback {
        /// The address from the configuration.
        address: SocketAddr,
    },
    /// The system refused the address.
    #[error("the API cannot listen on {address}: {reason}")]
    Listen {
        /// The address from the configuration.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

/// A running API server.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl ApiServer {
    /// Takes the address and accepts nobody yet: to find out whether it can be had before the node
    /// starts. It listens, since only one program can; who connects meanwhile waits. Within the
    /// running tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ApiError`].
    pub fn bind(config: ApiConfig) -> Result<BoundApi, ApiError> {
        let address = config.listen;
        if !address.ip().is_loopback() && !config.any_address {
            return Err(ApiError::NotLoopback { address });
        }
        let bound = || {
            let socket = match address {
                SocketAddr::V4(_) => TcpSocket::new_v4()?,
                SocketAddr::V6(_) => TcpSocket::new_v6()?,
            };
            // Else the connections of an earlier run would hold the address for a minute. On
            // Windows it would mean that others may take it.
            socket.set_reuseaddr(cfg!(not(windows)))?;
            socket.bind(address)?;
            // Two programs can bind one address; only one can listen.
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let bound: std::io::Result<_> = bound();
        let (listener, address) = bound.map_err(|error| listen_error(address, &error))?;
        Ok(BoundApi {
            config,
            listener,
            address,
        })
    }

    /// Starts to serve the API of `node`, within the running tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ApiError`], before anything listens.
    pub async fn start(node: Node, config: ApiConfig) -> Result<Self, ApiError> {
        Ok(Self::bind(config)?.start(node))
    }

    /// Where it listens, with the real port if 0 was configured.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops: takes no more connections, ends watches, lets requests under way finish for a
    /// bounded time.
    pub async fn shutdown(self) {
        let _ = self.stop.send(true);
        // It ends by itself; an error would mean that it panicked, and then it has ended too.
        let _ = self.serving.await;
    }
}

fn listen_error(address: SocketAddr, error: &std::io::Error) -> ApiError {
    ApiError::Listen {
        address,
        reason: error.to_string(),
    }
}

/// An address for the API that is taken; nobody is accepted there yet.
#[derive(Debug)]
pub struct BoundApi {
    config: ApiConfig,
    listener: TcpListener,
    address: SocketAddr,
}

/// Connections that the system holds until they are accepted.
const BACKLOG: u32 = 1_024;

impl BoundApi {
    /// Where it will be served, with the real port if 0 was configured.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Starts to serve the API of `node`, within the running tokio runtime.
    pub fn start(self, node: Node) -> ApiServer {
        let Self {
            config,
            listener,
            address,
        } = self;
        let (stop, stopped) = watch::channel(false);
        let api = Arc::new(Api::new(node, config, address, stopped));
        let connections = Connections::new(&api);
        let serving = tokio::spawn(connections.serve(listener, routes::router(api)));
        tracing::info!(%address, "the API is served");
        if !address.ip().is_loopback() {
            tracing::warn!(
                %address,
                "other machines reach the API, and it asks nobody who they are: whoever reaches it \
                 may do everything"
            );
        }
        ApiServer {
            address,
            stop,
            serving,
        }
    }
}

/// Accepts connections and serves each in a task of its own.
struct Connections {
    http: http1::Builder,
    open: Arc<Semaphore>,
    idle: Arc<Idle>,
    give_way_after: Duration,
    write_wait: Duration,
    shutdown_wait: Duration,
    stopped: watch::Receiver<bool>,
    gauge: Gauge,
    /// When it was last told that connections cannot be accepted.
    told: Option<Instant>,
}

/// Counts as a connection while it lives.
struct Open {
    gauge: Gauge,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}

impl Connections {
    fn new(api: &Api) -> Self {
        let config = &api.config;
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(config.head_wait)
            .max_headers(HEADERS_MAX)
            .max_buf_size(config.head_bytes_max);
        Self {
            http,
            open: Arc::new(Semaphore::new(config.connections_max)),
            idle: Arc::default(),
            give_way_after: config.give_way_after,
            write_wait: config.write_wait,
            shutdown_wait: config.shutdown_wait,
            stopped: api.stopped.clone(),
            gauge: api.metrics.connections.clone(),
            told: None,
        }
    }

    async fn serve(mut self, listener: TcpListener, router: Router) {
        let graceful = GracefulShutdown::new();
        let mut stopped = self.stopped.clone();
        loop {
            // Only the sender's end or its message ends the wait; both mean to stop.
            let accepted = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => break,
                accepted = self.accept(&listener) => accepted,
            };
            if let Some((stream, open)) = accepted {
                let seat = Seat::take(&self.idle);
                let service = hyper::service::service_fn({
                    let (router, seat) = (router.clone(), Arc::clone(&seat));
                    move |request: hyper::Request<Incoming>| {
                        answer(router.clone(), request, Arc::clone(&seat))
                    }
                });
                let connection = self.http.serve_connection(TokioIo::new(stream), service);
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    tokio::select! {
                        ended = connection => if let Err(error) = ended {
                            tracing::debug!(%error, "an API connection ended early");
                        },
                        () = seat.told_to_end() => {
                            tracing::debug!("an API connection without a request gave way");
                        }
                    }
                    drop(open);
                });
            }
        }
        drop(listener);
        if tokio::time::timeout(self.shutdown_wait, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("API requests were cut off by the shutdown");
        }
    }

    async fn accept(
        &mut self,
        listener: &TcpListener,
    ) -> Option<(Pin<Box<TimeoutStream<TcpStream>>>, Open)> {
        match listener.accept().await {
            Ok((stream, _)) => {
                let permit = self.room().await;
                // Answers are written whole: nothing is gained by waiting for more.
                let _ = stream.set_nodelay(true);
                let mut stream = TimeoutStream::new(stream);
                stream.set_write_timeout(Some(self.write_wait));
                self.gauge.inc();
                let open = Open {
                    gauge: self.gauge.clone(),
                    _permit: permit,
                };
                Some((Box::pin(stream), open))
            }
            Err(error) => {
                if self.told.is_none_or(|told| told.elapsed() > TOLD_AGAIN) {
                    self.told = Some(Instant::now());
                    tracing::warn!(%error, "cannot accept connections to the API");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                None
            }
        }
    }

    /// Waits until one more connection may be open; those that wait for a request give way.
    async fn room(&self) -> OwnedSemaphorePermit {
        let least = self.give_way_after.max(Duration::from_millis(1));
        loop {
            if let Ok(permit) = Arc::clone(&self.open).try_acquire_owned() {
                return permit;
            }
            let wait = self.idle.end_longest(least);
            let one = Arc::clone(&self.open).acquire_owned();
            // It is never closed: there is a permit, or it took too long.
            if let Ok(Ok(permit)) = tokio::time::timeout(wait, one).await {
                return permit;
            }
        }
    }
}

/// After a failed `accept` (no file descriptors left, mostly): time for others to be closed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How often it is told that connections cannot be accepted: whoever opens many must not fill the
/// disk with that.
const TOLD_AGAIN: Duration = Duration::from_secs(60);

async fn answer(
    router: Router,
    request: hyper::Request<Incoming>,
    seat: Arc<Seat>,
) -> Result<hyper::Response<Answer>, Infallible> {
    let under_way = seat.begin();
    let request: Request = request.map(axum::body::Body::new);
    let response = router.oneshot(request).await?;
    Ok(response.map(|body| Answer::new(body, under_way)))
}
