//! A name server on the loopback interface that says what a test tells it to.
//!
//! It is as small as a stub resolver allows: one question in a datagram, answers without
//! authority. Stopped when it is dropped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const A: u16 = 1;
const SRV: u16 = 33;

/// A service record: priority, weight, port and target.
pub type Service<'a> = (u16, u16, u16, &'a str);

#[derive(Debug, Default)]
struct Zone {
    /// For each name the contents of its records, by type.
    names: BTreeMap<String, BTreeMap<u16, Vec<Vec<u8>>>>,
    is_silent: bool,
    questions: usize,
}

/// A running name server.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl NameServer {
    /// Starts one that knows no name, on a free port.
    pub fn start() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let limit = Duration::from_millis(20);
        socket.set_read_timeout(Some(limit)).unwrap();
        let address = socket.local_addr().unwrap();
        let (zone, stop) = (Arc::new(Mutex::new(Zone::default())), Arc::default());
        let (answered, stopped) = (Arc::clone(&zone), Arc::clone(&stop));
        let thread = std::thread::spawn(move || serve(&socket, &answered, &stopped));
        let thread = Some(thread);
        Self {
            address,
            zone,
            stop,
            thread,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets the addresses of a name; without any the name exists all the same.
    pub fn set_addresses(&self, name: &str, addresses: &[Ipv4Addr]) {
        let contents = addresses.iter().map(|ip| ip.octets().to_vec());
        self.set(name, A, contents.collect());
    }

    /// Sets the service records of a name.
    pub fn set_services(&self, name: &str, services: &[Service<'_>]) {
        let content = |(priority, weight, port, target): &Service<'_>| {
            let numbers = [priority, weight, port];
            let mut bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_be_bytes()).collect();
            for label in target.split('.') {
                bytes.push(u8::try_from(label.len()).unwrap());
                bytes.extend(label.as_bytes());
            }
            bytes.push(0);
            bytes
        };
        self.set(name, SRV, services.iter().map(content).collect());
    }

    /// Whether it hears and does not answer.
    pub fn set_silent(&self, is_silent: bool) {
        self.zone.lock().unwrap().is_silent = is_silent;
    }

    /// How much it was asked so far.
    pub fn questions(&self) -> usize {
        self.zone.lock().unwrap().questions
    }

    fn set(&self, name: &str, kind: u16, contents: Vec<Vec<u8>>) {
        let mut zone = self.zone.lock().unwrap();
        let records = zone.names.entry(name.to_owned()).or_default();
        records.insert(kind, contents);
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of its own was shown already.
            let _ = thread.join();
        }
    }
}

fn serve(socket: &UdpSocket, zone: &Mutex<Zone>, stop: &AtomicBool) {
    let mut datagram = [0; 1_500];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, from)) = socket.recv_from(&mut datagram) else {
            continue;
        };
        let mut zone = zone.lock().unwrap();
        zone.questions += 1;
        if !zone.is_silent {
            let answer = answer(&zone, &datagram[..length]);
            socket.send_to(&answer, from).unwrap();
        }
    }
}

fn answer(zone: &Zone, query: &[u8]) -> Vec<u8> {
    let (mut name, mut at) = (String::new(), 12);
    while query[at] != 0 {
        let end = at + 1 + usize::from(query[at]);
        let label = std::str::from_utf8(&query[at + 1..end]).unwrap();
        let dot = if name.is_empty() { "" } else { "." };
        name = format!("{name}{dot}{}", label.to_lowercase());
        at = end;
    }
    let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
    let records = zone.names.get(&name);
    let contents = records.and_then(|records| records.get(&kind));
    let contents = contents.map(Vec::as_slice).unwrap_or_default();
    let mut answer = query[..2].to_vec();
    // An answer, recursion available; 3: there is no such name.
    answer.extend([0x81, if records.is_some() { 0x80 } else { 0x83 }, 0, 1]);
    answer.extend(u16::try_from(contents.len()).unwrap().to_be_bytes());
    answer.extend([0; 4]);
    answer.extend(&query[12..at + 5]);
    for content in contents {
        // The name in question, Internet, one second.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 1]);
        answer.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        answer.extend(content);
    }
    answer
}
