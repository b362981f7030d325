//! The demo's acts, one file each. An act leaves all nodes running and connected.

pub(crate) mod cluster_forms;
pub(crate) mod crash;
pub(crate) mod five_types;
pub(crate) mod look_again;
pub(crate) mod paper;
pub(crate) mod partition;
pub(crate) mod user_type;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::client::Client;

/// The topic of everything small; the paper has one of its own.
pub(crate) const TOPIC: &str = "demo";

/// The value of an object.
pub(crate) fn value(client: &Client, id: &str) -> Result<Value> {
    value_in(client, TOPIC, id)
}

/// The value of an object in a topic.
pub(crate) fn value_in(client: &Client, topic: &str, id: &str) -> Result<Value> {
    let mut object = client.object(topic, id)?;
    object
        .get_mut("value")
        .map(Value::take)
        .context("the answer has no value")
}

/// Carries out one command, which has to change something.
pub(crate) fn update(client: &Client, id: &str, type_name: &str, command: Value) -> Result<()> {
    let updated = client.update(TOPIC, id, Some(type_name), &[command])?;
    match updated["outcomes"][0]["applied"].is_null() {
        true => bail!("a command on {id} had no effect: {}", updated["outcomes"]),
        false => Ok(()),
    }
}
