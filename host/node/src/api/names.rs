//! Names and tokens from the path and the query of a request's URL.

use std::error::Error;
use std::time::Duration;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use semver::Version;
use serde::de::DeserializeOwned;

use super::code::Code;
use super::error::ErrorReply;
use crate::ids::{ObjectId, TopicName, TypeName};
use crate::messages::{Ask, DEADLINE_DEFAULT, DEADLINE_MAX, Strategy, WantedError};
use crate::{Direction, LoadLimits, Switching, VersionToken};

/// `{topic}` of the path.
pub(crate) struct InTopic(pub(crate) TopicName);

/// `{topic}` and `{id}` of the path.
pub(crate) struct InObject {
    pub(crate) topic: TopicName,
    pub(crate) id: ObjectId,
}

/// A text of the path, percent-decoded.
pub(crate) struct InPath(pub(crate) String);

async fn path<T: DeserializeOwned + Send, S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
) -> Result<T, ErrorReply> {
    match Path::<T>::from_request_parts(parts, state).await {
        Ok(Path(path)) => Ok(path),
        Err(_) => Err(ErrorReply::bad_request(
            "the path is not UTF-8 once its percent-encoding is undone",
            "encode names as UTF-8, then percent-encode them",
        )),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InTopic {
    type Rejection = ErrorReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ErrorReply> {
        Ok(Self(path::<String, S>(parts, state).await?.parse()?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InObject {
    type Rejection = ErrorReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ErrorReply> {
        let (topic, id) = path::<(String, String), S>(parts, state).await?;
        Ok(Self {
            topic: topic.parse()?,
            id: id.parse()?,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = ErrorReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ErrorReply> {
        Ok(Self(path::<String, S>(parts, state).await?))
    }
}

/// `{name}` of the path, as a module is named: `name`, `name@version`, or the beginning of a hash.
pub(crate) struct InModule(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for InModule {
    type Rejection = ErrorReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ErrorReply> {
        let name = path::<String, S>(parts, state).await?;
        let is_module = match name.split_once('@') {
            Some((name, version)) => {
                name.parse::<TypeName>().is_ok() && Version::parse(version).is_ok()
            }
            None => name.parse::<TypeName>().is_ok() || is_beginning(&name),
        };
        match is_module {
            true => Ok(Self(name)),
            false => Err(ErrorReply::new(
                Code::BadName,
                format!("{name:?} cannot be a module's name"),
                "name it as in `text`, `text@1.0.0`, or by 8 to 64 hexadecimal digits of its hash",
            )),
        }
    }
}

/// `{id}` of the path, as a fact is named: the beginning of its id.
pub(crate) struct InFact(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for InFact {
    type Rejection = ErrorReply;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ErrorReply> {
        let id = path::<String, S>(parts, state).await?;
        match is_beginning(&id) {
            true => Ok(Self(id)),
            false => Err(ErrorReply::new(
                Code::BadName,
                format!("{id:?} cannot be a fact's id, nor the beginning of one"),
                "give 8 to 64 hexadecimal digits; `GET /v1/facts` has the ids",
            )),
        }
    }
}

/// Whether this can be a hash, or enough of one to name something.
fn is_beginning(digits: &str) -> bool {
    (8..=64).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The query of the URL. A parameter that the route does not know is refused, so that a misspelt
/// `type` is not taken for a missing one.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ErrorReply;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ErrorReply> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(error) => Err(ErrorReply::bad_request(
                format!("a parameter after the ? is wrong: {}", innermost(&error)),
                "see /openapi.json for the parameters of each path",
            )),
        }
    }
}

/// What went wrong, without what the layers around it say of themselves.
fn innermost(mut error: &dyn Error) -> &dyn Error {
    while let Some(source) = error.source() {
        error = source;
    }
    error
}

/// For a path that takes none.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

/// Which object of an id, and how recent.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReadQuery {
    /// The object's type; needed only if several objects share the id.
    #[serde(rename = "type")]
    type_name: Option<String>,
    /// A `version` from an earlier answer: waits until the node has caught up with it.
    after: Option<String>,
}

impl ReadQuery {
    pub(crate) fn type_name(&self) -> Result<Option<TypeName>, ErrorReply> {
        type_name(self.type_name.as_deref())
    }

    pub(crate) fn after(&self) -> Result<Option<VersionToken>, ErrorReply> {
        Ok(self.after.as_deref().map(str::parse).transpose()?)
    }
}

/// Which object of an id.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct UpdateQuery {
    /// The object's type; needed to create it, or if several objects share the id.
    #[serde(rename = "type")]
    type_name: Option<String>,
}

impl UpdateQuery {
    pub(crate) fn type_name(&self) -> Result<Option<TypeName>, ErrorReply> {
        type_name(self.type_name.as_deref())
    }
}

/// Which way a message travels, and whether and until when those who hear it are to acknowledge it.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PublishQuery {
    /// Answers once `all` that listen have it, or so many (a number from 1), or (`count`) with how
    /// many there are. Without it: as soon as the message is handed to the network.
    acks: Option<String>,
    /// How long to wait for that, in milliseconds: 1 to 30,000. Default 5,000.
    #[param(minimum = 1, maximum = 30_000)]
    deadline_ms: Option<u64>,
    /// Sends it to many nodes at once instead of along a tree: in a handful of steps, and with as
    /// many copies as each node passes on. Default false.
    #[serde(default)]
    #[param(default = false)]
    rapid: bool,
}

impl PublishQuery {
    pub(crate) fn strategy(&self) -> Strategy {
        match self.rapid {
            true => Strategy::Rapid,
            false => Strategy::Tree,
        }
    }

    pub(crate) fn ask(&self) -> Result<Option<Ask>, ErrorReply> {
        let wrong = |message: String| {
            ErrorReply::bad_request(
                message,
                "as in `?acks=all&deadline_ms=2000`; nothing was said",
            )
        };
        let deadline = self.deadline_ms.map(Duration::from_millis);
        let Some(acks) = &self.acks else {
            return match deadline {
                None => Ok(None),
                Some(_) => Err(wrong("`deadline_ms` without `acks`".to_owned())),
            };
        };
        let wanted = acks.parse();
        let wanted = wanted.map_err(|error: WantedError| wrong(format!("`acks`: {error}")))?;
        let deadline = deadline.unwrap_or(DEADLINE_DEFAULT);
        if deadline.is_zero() || deadline > DEADLINE_MAX {
            return Err(wrong("`deadline_ms` must be 1 to 30000".to_owned()));
        }
        Ok(Some(Ask { wanted, deadline }))
    }
}

/// The limits that a module is registered with.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct LoadQuery {
    /// Fuel of one call, before what its items and bytes add. Default 200,000,000.
    fuel_per_call: Option<u64>,
    /// Memory of one instance, in bytes. Default 268,435,456.
    memory_bytes: Option<u64>,
    /// Output of one call, in bytes. Default 67,108,864.
    output_bytes: Option<u64>,
}

impl LoadQuery {
    pub(crate) fn limits(&self) -> LoadLimits {
        LoadLimits {
            fuel_per_call: self.fuel_per_call,
            memory_bytes: self.memory_bytes,
            output_bytes: self.output_bytes,
        }
    }
}

/// Which version a type is to run on.
#[derive(Debug, serde::Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SwitchQuery {
    /// The version. Without it: up to the highest that is loaded on the node, or down to the one
    /// that ran before.
    version: Option<String>,
    /// Also if there may be ops that the version does not read; their objects wait then.
    force: Option<bool>,
}

impl SwitchQuery {
    pub(crate) fn switching(
        self,
        name: &str,
        direction: Direction,
    ) -> Result<Switching, ErrorReply> {
        Ok(Switching {
            name: name.parse()?,
            version: self.version,
            direction,
            force: self.force.unwrap_or(false),
        })
    }
}

fn type_name(text: Option<&str>) -> Result<Option<TypeName>, ErrorReply> {
    Ok(text.map(str::parse).transpose()?)
}
