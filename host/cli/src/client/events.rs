//! Server-sent events, as the node writes them (WHATWG HTML, section 9.2.6, without what a node
//! never sends: retry times, old line ends).

use std::io::{BufRead, BufReader, Read};

use super::ClientError;

/// Bytes of one line: more than the largest change that a node tells.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// What a watch hears, until the node ends it.
pub(crate) struct Events {
    lines: BufReader<Box<dyn Read>>,
    url: String,
    last_id: Option<String>,
}

impl Events {
    pub(super) fn new(stream: impl Read + 'static, url: &str) -> Self {
        Self {
            lines: BufReader::new(Box::new(stream)),
            url: url.to_owned(),
            last_id: None,
        }
    }

    /// The id of the last event: from where another watch goes on.
    pub(crate) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Waits for the next event. An error once the connection ends.
    pub(crate) fn next(&mut self) -> Result<Event, ClientError> {
        let mut event = Event {
            name: "message".to_owned(),
            data: String::new(),
        };
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                _ if line.is_empty() && event.data.is_empty() => {
                    event.name = "message".to_owned();
                }
                _ if line.is_empty() => return Ok(event),
                Some(("event", name)) => event.name = after_space(name).to_owned(),
                Some(("id", id)) => self.last_id = Some(after_space(id).to_owned()),
                Some(("data", data)) => {
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(after_space(data));
                }
                // Comments are the node's heartbeats.
                _ => {}
            }
        }
    }

    fn line(&mut self) -> Result<String, ClientError> {
        let mut line = Vec::new();
        let read = (&mut self.lines)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line);
        let broken = |reason: String| ClientError::Broken {
            url: self.url.clone(),
            reason,
        };
        let ended = |reason: String| ClientError::Ended {
            url: self.url.clone(),
            reason,
        };
        match read {
            Ok(0) => Err(ended("nothing follows".to_owned())),
            Ok(_) if line.pop() != Some(b'\n') => Err(broken("it broke off".to_owned())),
            Ok(_) => String::from_utf8(line).map_err(|error| broken(error.to_string())),
            Err(error) => Err(ended(error.to_string())),
        }
    }
}

fn after_space(value: &str) -> &str {
    value.strip_prefix(' ').unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(stream: &'static str) -> Events {
        Events::new(stream.as_bytes(), "http://node")
    }

    #[test]
    fn events_are_read_and_comments_passed_over() {
        let mut events = events(
            ": watching\nid: 7\n\nevent: change\nid: 8\ndata: {\"a\":1}\n\n\
             :\n\ndata:x\ndata: y\n\n",
        );
        let event = events.next().unwrap();
        assert_eq!(
            (event.name.as_str(), event.data.as_str()),
            ("change", "{\"a\":1}")
        );
        assert_eq!(events.last_id(), Some("8"));
        let event = events.next().unwrap();
        assert_eq!(
            (event.name.as_str(), event.data.as_str()),
            ("message", "x\ny")
        );
        assert!(events.next().is_err());
    }

    #[test]
    fn an_event_that_breaks_off_is_not_taken_for_a_whole_one() {
        assert!(events("event: change\ndata: {\"a\":").next().is_err());
        assert!(events("event: change\ndata: {}\n").next().is_err());
    }
}
