//! The kinds of errors that a client can tell apart.

use axum::http::StatusCode;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:ident $text:literal,)+) => {
        /// A kind of error: what a program tells it by, and its status. Codes do not change
        /// between releases.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every kind.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            pub(crate) fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            pub(crate) fn status(self) -> StatusCode {
                match self {
                    $(Self::$name => StatusCode::$status,)+
                }
            }
        }
    };
}

codes! {
    /// A topic, id or type that cannot be one.
    BadName = BAD_REQUEST "bad-name",
    /// Anything else about the request that cannot be right.
    BadRequest = BAD_REQUEST "bad-request",
    /// A body that is not JSON or CBOR, or refused as such.
    MalformedBody = BAD_REQUEST "malformed-body",
    /// Addressed to a name that the node does not go by.
    ForeignHost = FORBIDDEN "foreign-host",
    /// From a web page of another origin.
    ForeignOrigin = FORBIDDEN "foreign-origin",
    /// The access rules do not let this node do it.
    Forbidden = FORBIDDEN "forbidden",
    /// A fact keeps the node out of its cluster: what it writes would reach nobody.
    Revoked = FORBIDDEN "revoked",
    /// No route has this path.
    NoSuchPath = NOT_FOUND "no-such-path",
    /// No object has this name.
    UnknownObject = NOT_FOUND "unknown-object",
    /// No module implements this type.
    UnknownType = NOT_FOUND "unknown-type",
    /// No module has this name.
    UnknownModule = NOT_FOUND "unknown-module",
    /// No fact has this id.
    UnknownFact = NOT_FOUND "unknown-fact",
    /// The path does not take this method.
    NoSuchMethod = METHOD_NOT_ALLOWED "no-such-method",
    /// The client accepts no format that the answer can have.
    NotAcceptable = NOT_ACCEPTABLE "not-acceptable",
    /// The body did not come in time.
    SlowBody = REQUEST_TIMEOUT "slow-body",
    /// Several facts have an id that begins like this.
    AmbiguousFact = CONFLICT "ambiguous-fact",
    /// Several objects of different types have the id.
    AmbiguousType = CONFLICT "ambiguous-type",
    /// The object needs a newer version of its type than the node has.
    NewerTypeNeeded = CONFLICT "newer-type-needed",
    /// The node may not issue the fact, its kind is not declared, or there are too many.
    FactRefused = CONFLICT "fact-refused",
    /// The type stays on the version that it runs on.
    SwitchRefused = CONFLICT "switch-refused",
    /// Another component has this name and version, or this one is registered with other limits.
    ModuleConflict = CONFLICT "module-conflict",
    /// The node is no neighbour, and nodes with partial views speak to neighbours only.
    NotNeighbour = CONFLICT "not-neighbour",
    /// Only a node with a full view knows that.
    NeedsFullView = CONFLICT "needs-full-view",
    /// More than a limit allows.
    TooLarge = PAYLOAD_TOO_LARGE "too-large",
    /// Neither JSON nor CBOR nor what else the path takes; or compressed.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported-media-type",
    /// Refused by the type, in its own words.
    Refused = UNPROCESSABLE_ENTITY "refused",
    /// The type's code failed on this request.
    ModuleFault = UNPROCESSABLE_ENTITY "module-fault",
    /// Not an acceptable component.
    ModuleInvalid = UNPROCESSABLE_ENTITY "module-invalid",
    /// The type's code fails on what the object holds.
    ObjectFaulted = INTERNAL_SERVER_ERROR "object-faulted",
    /// The type gave something that cannot be passed on.
    MalformedAnswer = INTERNAL_SERVER_ERROR "malformed-answer",
    /// A fault of the node itself.
    Internal = INTERNAL_SERVER_ERROR "internal",
    /// A module that is to run is not here yet, or not acceptable here.
    WaitsForModule = SERVICE_UNAVAILABLE "waits-for-module",
    /// The process that compiles components was ended, by the system or by somebody.
    NotCompiled = SERVICE_UNAVAILABLE "not-compiled",
    /// There is no session with that node at present.
    Unreachable = SERVICE_UNAVAILABLE "unreachable",
    /// A limit on what is under way is reached.
    Busy = SERVICE_UNAVAILABLE "busy",
    /// The node is about to end.
    ShuttingDown = SERVICE_UNAVAILABLE "shutting-down",
    /// The node does not take writes, or is about to end.
    NotReady = SERVICE_UNAVAILABLE "not-ready",
    /// The version asked for did not arrive in time.
    NotYet = GATEWAY_TIMEOUT "not-yet",
    /// The request was not finished in time.
    Timeout = GATEWAY_TIMEOUT "timeout",
    /// The disk does not take writes.
    StorageFailed = INSUFFICIENT_STORAGE "storage-failed",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_people_has_every_code_beside_its_status() {
        let page = include_str!("../../../../docs/http-api.md");
        for code in Code::ALL {
            let status = code.status().as_u16();
            let row = page
                .lines()
                .find(|line| line.starts_with(&format!("| {status} |")));
            let row = row.unwrap_or_else(|| panic!("no row for {status}"));
            assert!(
                row.contains(&format!("`{}`", code.text())),
                "{} in {row}",
                code.text()
            );
        }
    }
}
