//! Publications that a node hands on for their author, though it does not listen to them: the
//! author has no session with some of the audience, and this node may have one.
//!
//! Whoever asks for that is the author itself, over a session, so nobody can have another's words
//! handed about, and what is handed on goes to those that hear it and no further.

use super::publication::Unverified;
use super::{Forbidden, PublicationError, SignedPublication, State};
use crate::ids::{Hash, NodeId};

/// What becomes of a publication that is handed in at a node that does not hear it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandingOn {
    /// Hand it to its audience.
    On(SignedPublication),
    /// It was handed on a moment ago.
    Again,
    /// It is not its author who handed it in, or the author is no member as far as this node knows.
    /// Nothing wrong: whoever hands something in may know of other subscriptions and members.
    NotForThisNode,
    /// Its author may not publish there, or is revoked.
    Forbidden(Forbidden),
}

impl State {
    /// Takes a publication that `from` handed in here and that this node does not hear
    /// ([`Verdict::NotHeard`](super::Verdict::NotHeard)). What is not handed on anyway costs no
    /// signature.
    ///
    /// # Errors
    /// [`PublicationError`]: the sender's fault.
    pub fn on_handing_on(
        &mut self,
        from: NodeId,
        bytes: &[u8],
    ) -> Result<HandingOn, PublicationError> {
        let unverified = Unverified::from_bytes(bytes)?;
        let (topic, author) = (&unverified.publication.topic, unverified.publication.author);
        if author != from || !self.authors.contains(&author) {
            return Ok(HandingOn::NotForThisNode);
        }
        if self.revoked.contains(&author) || !self.config.rules.may_publish(author, topic) {
            let topic = topic.clone();
            return Ok(HandingOn::Forbidden(Forbidden { author, topic }));
        }
        let id = Hash::of(bytes);
        if self.recent.contains(&id) {
            return Ok(HandingOn::Again);
        }
        let signed = unverified.verify(bytes)?;
        self.recent.insert(id);
        Ok(HandingOn::On(signed))
    }
}
