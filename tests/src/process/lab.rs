//! Machines on a network of their own: a namespace for each node, with a cable to one switch.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Several namespaces on one switch, gone when this is dropped.
#[derive(Debug)]
pub struct Lab {
    name: String,
    machines_count: usize,
}

/// Runs `ip` with these words.
fn ip(words: &str) -> Result<(), String> {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.map_err(|error| format!("ip cannot be run: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "ip {words}: {}",
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

impl Lab {
    /// Builds a network of so many machines.
    ///
    /// # Errors
    /// Why it cannot be had here: it takes the program `ip` and the right to make namespaces.
    pub fn new(machines_count: usize) -> Result<Self, String> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let lab = Self {
            name: format!("rpl{}-{number}", std::process::id()),
            machines_count,
        };
        lab.build()?;
        Ok(lab)
    }

    fn build(&self) -> Result<(), String> {
        let hub = self.hub();
        ip(&format!("netns add {hub}"))?;
        ip(&format!("-n {hub} link add switch type bridge"))?;
        ip(&format!("-n {hub} link set switch up"))?;
        for machine in 0..self.machines_count {
            let (own, address) = (self.namespace(machine), self.address(machine));
            ip(&format!("netns add {own}"))?;
            ip(&format!(
                "link add eth0 netns {own} type veth peer name port{machine} netns {hub}"
            ))?;
            ip(&format!("-n {hub} link set port{machine} master switch"))?;
            ip(&format!("-n {hub} link set port{machine} up"))?;
            ip(&format!("-n {own} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {own} link set eth0 up"))?;
            ip(&format!("-n {own} link set lo up"))?;
        }
        Ok(())
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.name)
    }

    /// The namespace of a machine.
    pub fn namespace(&self, machine: usize) -> String {
        format!("{}-{machine}", self.name)
    }

    /// The address of a machine on the network.
    pub fn address(&self, machine: usize) -> String {
        format!("10.77.0.{}", machine + 1)
    }

    /// Pulls a machine's cable, or plugs it in again.
    pub fn set_cable(&self, machine: usize, is_plugged: bool) {
        let state = if is_plugged { "up" } else { "down" };
        let hub = self.hub();
        ip(&format!("-n {hub} link set port{machine} {state}")).unwrap();
    }

    /// Whether what one machine sends to another arrives; the other direction is left alone.
    pub fn set_one_way(&self, from: usize, to: usize, is_open: bool) {
        let (own, address) = (self.namespace(from), self.address(to));
        let action = if is_open { "del" } else { "add" };
        ip(&format!("-n {own} route {action} blackhole {address}/32")).unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for machine in 0..self.machines_count {
            let _ = ip(&format!("netns del {}", self.namespace(machine)));
        }
        let _ = ip(&format!("netns del {}", self.hub()));
    }
}
