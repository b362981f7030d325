//! What a client is told when a request fails: always a status, a code for programs, a message
//! and a hint for people.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::code::Code;
use super::views::{ErrorView, Failure, OutcomeView};
use crate::NodeError;
use crate::data::DataError;
use crate::ids::IdError;
use replicant_protocol::topics::TopicsError;

/// What to do with a node that a fact keeps out.
pub(super) const WHEN_REVOKED: &str = "send requests to another node; what this one holds can \
     still be read here, and to take part again make a new node with `replicant init` and join the \
     cluster with it";

/// A failed request. Becomes a response in JSON; the [rendering](super::format::render_errors)
/// around the routes turns it into CBOR for clients that asked for that.
#[derive(Debug, Clone)]
pub(crate) struct ErrorReply {
    status: StatusCode,
    view: ErrorView,
}

impl ErrorReply {
    pub(crate) fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        let error = Failure {
            code: code.text().to_owned(),
            message: message.into(),
            hint: hint.into(),
        };
        let view = ErrorView {
            error,
            outcomes: None,
        };
        Self {
            status: code.status(),
            view,
        }
    }

    /// Gives the outcomes of an update back; an error if every command was refused or failed. Its
    /// message and code are those of the first.
    pub(crate) fn unless_nothing_was_done(
        outcomes: Vec<OutcomeView>,
    ) -> Result<Vec<OutcomeView>, Self> {
        use OutcomeView::{Failed, Refused};
        let is_undone = |it: &OutcomeView| matches!(it, Refused(_) | Failed(_));
        let (code, message, next) = match outcomes.first() {
            Some(Refused(said)) => (Code::Refused, said.clone(), "correct the command"),
            Some(Failed(said)) => (Code::ModuleFault, said.clone(), "correct the module"),
            _ => return Ok(outcomes),
        };
        if !outcomes.iter().all(is_undone) {
            return Ok(outcomes);
        }
        let hint = match outcomes.len() {
            1 => format!("nothing was changed; {next}"),
            count => format!("none of {count} commands was carried out; {next}"),
        };
        let mut reply = Self::new(code, message, hint);
        reply.view.outcomes = Some(outcomes);
        Err(reply)
    }

    pub(crate) fn bad_request(message: impl Into<String>, hint: &str) -> Self {
        Self::new(Code::BadRequest, message, hint)
    }

    pub(crate) fn busy(message: &str) -> Self {
        Self::new(Code::Busy, message, "try again in a moment")
    }

    pub(crate) fn too_large(what: &str, max: usize) -> Self {
        Self::new(
            Code::TooLarge,
            format!("the {what} is larger than {max} bytes"),
            match what {
                "component" => "build it smaller: optimised for size, without debug information",
                _ => "send less at a time",
            },
        )
    }

    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn view(&self) -> &ErrorView {
        &self.view
    }
}

impl IntoResponse for ErrorReply {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self.view)).into_response();
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<DataError> for ErrorReply {
    fn from(error: DataError) -> Self {
        let hint = match error {
            DataError::Json(_) => "send one JSON document with `Content-Type: application/json`",
            DataError::Cbor(_) => "send one CBOR item with `Content-Type: application/cbor`",
            DataError::TooDeep => "send flatter data",
            DataError::DuplicateKey(_) => "leave one of the two out",
        };
        Self::new(Code::MalformedBody, error.to_string(), hint)
    }
}

impl From<IdError> for ErrorReply {
    fn from(error: IdError) -> Self {
        Self::new(
            Code::BadName,
            error.to_string(),
            "names in the path are percent-encoded: `shop/eu` is `shop%2Feu`",
        )
    }
}

impl From<NodeError> for ErrorReply {
    fn from(error: NodeError) -> Self {
        let (code, hint) = classify(&error);
        if code == Code::Internal {
            // It may name files of this machine; whoever runs the node finds it in its log.
            tracing::error!(%error, "a request failed");
            return Self::new(code, "the node failed on this request", hint);
        }
        Self::new(code, error.to_string(), hint)
    }
}

/// Code and hint of each of the node's errors.
fn classify(error: &NodeError) -> (Code, &'static str) {
    match error {
        NodeError::UnknownObject { .. } => (
            Code::UnknownObject,
            "the first update with `?type=` creates it",
        ),
        NodeError::AmbiguousObject { .. } => (Code::AmbiguousType, "say which one with `?type=`"),
        NodeError::TypeMissing { .. } => (
            Code::UnknownObject,
            "name a type with `?type=` to create it",
        ),
        NodeError::UnknownType { .. } => (
            Code::UnknownType,
            "see `GET /v1/modules` for the types, or load the module",
        ),
        NodeError::UnknownModule { .. } => (
            Code::UnknownModule,
            "see `GET /v1/modules` for what is loaded",
        ),
        NodeError::NewerTypeNeeded { .. } => (
            Code::NewerTypeNeeded,
            "its ops are kept; see `GET /v1/modules` and switch the type to a version that reads \
             them",
        ),
        NodeError::QueryRefused { .. } => (
            Code::Refused,
            "see the type's query schema in `GET /v1/modules`",
        ),
        NodeError::GuestFault { .. } => (
            Code::ModuleFault,
            "nothing was changed; other objects go on",
        ),
        NodeError::ObjectFaulted { .. } => (
            Code::ObjectFaulted,
            "its ops are kept; a corrected module can bring it back",
        ),
        NodeError::TooLarge { .. } => (Code::TooLarge, "send less at a time"),
        NodeError::NoCommand => (Code::BadRequest, "send a command, or `{\"commands\": […]}`"),
        NodeError::BadToken { .. } => (
            Code::BadRequest,
            "`after` takes the `version` of an earlier answer",
        ),
        NodeError::BadWatchToken => (
            Code::BadRequest,
            "`from` takes the `token` of an earlier event",
        ),
        NodeError::BadCursor => (
            Code::BadRequest,
            "`after` takes the `next` of an earlier page",
        ),
        other => classify_module(other),
    }
}

/// Errors in loading a module.
fn classify_module(error: &NodeError) -> (Code, &'static str) {
    match error {
        NodeError::ModuleInvalid { .. } => (Code::ModuleInvalid, "nothing was loaded"),
        NodeError::CompilerStopped { .. } => (Code::NotCompiled, "nothing was loaded"),
        NodeError::LimitTooSmall { .. } => (
            Code::BadRequest,
            "nothing was loaded; raise the limit, or leave it out for the default",
        ),
        NodeError::LimitTooLarge { .. } => (
            Code::BadRequest,
            "nothing was loaded; lower the limit, or leave it out for the default",
        ),
        NodeError::ModuleConflict { .. } | NodeError::LimitsConflict { .. } => (
            Code::ModuleConflict,
            "raise the version in the type's description",
        ),
        other => classify_fact(other),
    }
}

/// Errors that are about facts.
fn classify_fact(error: &NodeError) -> (Code, &'static str) {
    match error {
        NodeError::UnknownFact { .. } => (
            Code::UnknownFact,
            "see `GET /v1/facts`; 8 digits of an id or more name it",
        ),
        NodeError::AmbiguousFact { .. } => (Code::AmbiguousFact, "give more digits of the id"),
        NodeError::FactInvalid { .. } => (
            Code::BadRequest,
            "nothing was published; docs/facts.md says what each kind demands",
        ),
        NodeError::FactRefused { .. } => (
            Code::FactRefused,
            "nothing was published; kinds and issuers are declared when nodes are started",
        ),
        other => classify_state(other),
    }
}

/// Errors that come from the state of the node rather than from the request.
fn classify_state(error: &NodeError) -> (Code, &'static str) {
    match error {
        NodeError::SwitchRefused { .. } => (
            Code::SwitchRefused,
            "nothing was changed; see `GET /v1/modules` for the versions and what they read",
        ),
        NodeError::WaitsForModule { .. } => {
            (Code::WaitsForModule, "its ops are kept; other types go on")
        }
        NodeError::Topics(TopicsError::TooManySubscriptions) => (Code::Busy, "nothing was changed"),
        NodeError::Topics(TopicsError::Publication(_)) => (Code::TooLarge, "say less at a time"),
        NodeError::Topics(_) => (
            Code::Forbidden,
            "the rules stand in the configuration of the nodes",
        ),
        NodeError::NodeUnreachable { .. } => (
            Code::Unreachable,
            "see `GET /v1/members` for the members and the sessions",
        ),
        NodeError::NotNeighbour { .. } => (
            Code::NotNeighbour,
            "say it in a topic that the node listens to, or ask that node's own API; `GET \
             /v1/members` has the neighbours",
        ),
        NodeError::NeedsFullView { .. } => (
            Code::NeedsFullView,
            "wait for a number (`acks=3`), or for as many as come until the deadline \
             (`acks=count`)",
        ),
        NodeError::Asked(_) => (Code::Busy, "nothing was said; try again in a moment"),
        NodeError::Busy { .. } => (Code::Busy, "try again in a moment"),
        NodeError::ShuttingDown => (Code::ShuttingDown, "ask another node"),
        NodeError::Revoked(_) => (Code::Revoked, WHEN_REVOKED),
        NodeError::NotYet => (
            Code::NotYet,
            "the node may be cut off or far behind; ask again, or the node that gave the version",
        ),
        NodeError::StorageFailed { .. } => (
            Code::StorageFailed,
            "make room or repair the disk; reads go on as far as they can",
        ),
        _ => (Code::Internal, "the node's log says more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::AskError;

    fn told(error: NodeError) -> (u16, String, String) {
        let reply = ErrorReply::from(error);
        let error = &reply.view().error;
        (
            reply.status().as_u16(),
            error.code.clone(),
            error.message.clone(),
        )
    }

    #[test]
    fn a_disk_that_fails_is_told_with_its_reason() {
        let reason = "No space left on device (os error 28)".to_owned();
        let (status, code, message) = told(NodeError::StorageFailed { reason });
        assert_eq!((status, code.as_str()), (507, "storage-failed"));
        assert!(message.contains("No space left on device"), "{message}");
    }

    #[test]
    fn a_compiler_that_was_ended_is_told_with_the_component_and_the_signal() {
        let (status, code, message) = told(NodeError::CompilerStopped {
            component: "1b2c3d4e".to_owned(),
            reason: "compiling it was stopped: signal 9".to_owned(),
        });
        assert_eq!((status, code.as_str()), (503, "not-compiled"));
        assert!(message.contains("1b2c3d4e") && message.contains("signal 9"));
        assert!(message.contains("load it again"), "{message}");
    }

    #[test]
    fn what_a_type_says_is_passed_on_as_it_is() {
        let message = "the stock is empty; order first".to_owned();
        let said = told(NodeError::QueryRefused {
            message: message.clone(),
        });
        assert_eq!(said, (422, "refused".to_owned(), message));
    }

    #[test]
    fn passing_troubles_ask_to_come_back() {
        for error in [
            NodeError::Busy { queue: "the shard" },
            NodeError::Asked(AskError::Asked { max: 256 }),
            NodeError::ShuttingDown,
        ] {
            let response = ErrorReply::from(error).into_response();
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        }
    }

    #[test]
    fn errors_that_name_files_of_this_machine_are_not_passed_on() {
        let path = std::path::PathBuf::from("/home/somebody/secret.key");
        for error in [
            NodeError::Folder {
                path: path.clone(),
                reason: "ed25519:abc".to_owned(),
            },
            NodeError::NotInitialised {
                folder: path.clone(),
            },
            NodeError::FolderInUse { folder: path },
        ] {
            let (status, code, message) = told(error);
            assert_eq!((status, code.as_str()), (500, "internal"));
            assert!(
                !message.contains("secret") && !message.contains("ed25519"),
                "{message}"
            );
        }
    }

    #[test]
    fn a_faulty_module_is_told_from_a_faulted_object() {
        let fault = "poll@1.0.0: query ran out of fuel (limit 1000)".to_owned();
        let (status, code, message) = told(NodeError::GuestFault {
            fault: fault.clone(),
        });
        assert_eq!(
            (status, code.as_str(), message),
            (422, "module-fault", fault.clone())
        );
        let (topic, id) = ("t".parse().unwrap(), "x".parse().unwrap());
        let (status, code, message) = told(NodeError::ObjectFaulted { topic, id, fault });
        assert_eq!((status, code.as_str()), (500, "object-faulted"));
        assert!(message.contains("ran out of fuel"), "{message}");
    }
}
