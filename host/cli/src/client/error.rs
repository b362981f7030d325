//! Why a request had no result.

use serde::Deserialize;
use serde_json::Value;

/// Why a request had no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The person gave an address that cannot be used. Nothing was sent.
    #[error("`{address}` is not the address of a node's API: {reason}")]
    Address { address: String, reason: String },
    /// The node did not answer. Whether it got the request is not known.
    #[error("no answer from the node at {url}: {reason}")]
    Unreachable { url: String, reason: String },
    /// The node's answer broke off or cannot be understood.
    #[error("the answer of the node at {url} cannot be used: {reason}")]
    Broken { url: String, reason: String },
    /// What the node was telling ended before whoever listened wanted it to.
    #[error("the node at {url} is gone, or ended the watch: {reason}")]
    Ended { url: String, reason: String },
    /// The node refused, and says why. Nothing was changed unless the status says otherwise.
    #[error("{message}")]
    Refused {
        status: u16,
        /// The API's name for this kind of error; empty if it was no API that answered.
        code: String,
        message: String,
        hint: String,
        /// For an update of which every command was refused: what became of each.
        outcomes: Vec<Value>,
    },
}

#[derive(Deserialize)]
struct Body {
    error: Failure,
    #[serde(default)]
    outcomes: Vec<Value>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    code: String,
    message: String,
    #[serde(default)]
    hint: String,
}

impl ClientError {
    pub(super) fn refused(status: u16, body: &str) -> Self {
        match serde_json::from_str::<Body>(body) {
            Ok(Body { error, outcomes }) => Self::Refused {
                status,
                code: error.code,
                message: error.message,
                hint: error.hint,
                outcomes,
            },
            Err(_) => Self::Refused {
                status,
                code: String::new(),
                message: format!("the node answered with status {status} and no reason"),
                hint: "is this the address of a node's API?".to_owned(),
                outcomes: Vec::new(),
            },
        }
    }

    /// Whether the node answered that the request is not finished yet.
    pub(crate) fn is_timeout(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "timeout")
    }

    /// The same, for who loads a component: that goes on, and is no update.
    pub(crate) fn of_loading(mut self) -> Self {
        if let Self::Refused { message, hint, .. } = &mut self {
            "it goes on at the node, which may still be compiling it, or others that came before"
                .clone_into(message);
            "`replicant module list` has it as soon as it is loaded; to be told how it ends, load \
             it again, which changes nothing"
                .clone_into(hint);
        }
        self
    }

    /// What to do next.
    pub(crate) fn hint(&self) -> Option<&str> {
        match self {
            Self::Address { .. } => Some("give --api or REPLICANT_API as http://HOST:PORT"),
            Self::Unreachable { .. } => {
                Some("start one with `replicant serve`, or choose one with --api or REPLICANT_API")
            }
            Self::Broken { .. } => Some("try again; the node's log may say more"),
            Self::Ended { .. } => {
                Some("`replicant status` shows whether it runs; then begin to watch again")
            }
            Self::Refused {
                code,
                hint,
                outcomes,
                ..
            } => match code.as_str() {
                "refused" if outcomes.is_empty() => {
                    Some("`replicant module show TYPE` prints what the type answers")
                }
                code => of_commands(code).or_else(|| as_said(hint)),
            },
        }
    }
}

/// What to do next in terms of commands, where the API speaks of paths and parameters.
fn of_commands(code: &str) -> Option<&'static str> {
    Some(match code {
        "unknown-object" => "`replicant update` creates it with --type NAME",
        "ambiguous-type" => "say which one with --type NAME",
        "unknown-type" => "see `replicant module list`, or load it with `replicant module load`",
        "unknown-module" => {
            "see `replicant module list` for what is loaded; of a hash, give 8 digits"
        }
        "unknown-fact" => "see `replicant fact list`",
        "fact-refused" => "see --fact-kind and --authority of `replicant serve`, and docs/facts.md",
        "forbidden" => "see --topic-rule of `replicant serve`",
        "revoked" => {
            "what it holds can still be read here; to take part again make a new node with \
             `replicant init` and join the cluster with it"
        }
        "switch-refused" => {
            "nothing was changed; `replicant module list` has the versions, and `replicant module \
             show NAME@VERSION` what each reads"
        }
        "newer-type-needed" => {
            "its ops are kept; see `replicant module list`, and switch the type to a version that \
             reads them with `replicant module upgrade`"
        }
        "unreachable" => "see `replicant members` for the members and the sessions",
        "not-neighbour" => {
            "say it in a topic that the node listens to, or ask that node itself with --api; \
             `replicant members` has the neighbours"
        }
        "needs-full-view" => {
            "wait for a number (--acks 3), or for as many as come until the deadline (--acks count)"
        }
        _ => return None,
    })
}

/// The API's own hint, unless it is about requests: who typed a command has sent none.
fn as_said(hint: &str) -> Option<&str> {
    const OF_REQUESTS: [&str; 8] = [
        "GET ",
        "POST ",
        "PUT ",
        "/v1",
        "?",
        "Content-Type",
        "percent-encoded",
        "request",
    ];
    let is_of_requests = OF_REQUESTS.iter().any(|word| hint.contains(word));
    (!hint.is_empty() && !is_of_requests).then_some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_own_words_are_kept() {
        let body =
            r#"{"error":{"code":"x","message":"no","hint":"do"},"outcomes":[{"refused":"no"}]}"#;
        let error = ClientError::refused(422, body);
        assert_eq!(error.to_string(), "no");
        assert_eq!(error.hint(), Some("do"));
        assert!(matches!(error, ClientError::Refused { outcomes, .. } if outcomes.len() == 1));
    }

    #[test]
    fn hints_are_about_the_command_line_and_not_about_urls() {
        let hint = |code: &str| {
            let body =
                format!(r#"{{"error":{{"code":"{code}","message":"m","hint":"use `?type=`"}}}}"#);
            ClientError::refused(404, &body).hint().map(str::to_owned)
        };
        assert!(hint("unknown-object").unwrap().contains("--type"));
        assert_eq!(hint("bad-name"), None);
        assert_eq!(hint("anything-else"), None);
        assert_eq!(as_said("raise the version"), Some("raise the version"));
    }

    #[test]
    fn an_answer_of_something_else_is_not_taken_for_a_nodes() {
        let error = ClientError::refused(502, "<html>");
        assert!(error.to_string().contains("502"));
    }
}
