//! Publications that travel to everybody, where a node knows only some of the others: each node
//! hears what it subscribes to, and passes everything on that holds.
//!
//! Nobody can say here whether an author is a member. So anybody's publications are passed on, and
//! what keys that nobody knows can do is bounded by time: the numbers of at most
//! [`NEWCOMERS_AT_ONCE`] authors not heard before are remembered at once, and of
//! [`NEWCOMERS_PER_SECOND`] after. What is said by further ones is heard and passed on, and not
//! noted: only the tree's memory of payloads tells then that it came before. So somebody with very
//! many keys needs minutes to push out the numbers of an author who is silent, and whoever speaks
//! in between is not pushed out.

use std::time::Duration;

use super::numbers::Heard;
use super::publication::Unverified;
use super::{Forbidden, PublicationError, SignedPublication, State, check_path};
use crate::ids::{Hash, TopicName};
use crate::seen::Seen;

/// Of how many authors that were not heard before numbers begin to be remembered in a second.
pub const NEWCOMERS_PER_SECOND: u32 = 32;

/// And at once, after a time without any: a large cluster in which everybody begins to speak.
pub const NEWCOMERS_AT_ONCE: u32 = 4_096;

/// So many of the last publications are surely known again when they come another way. No more than
/// any tree remembers ([`circles::Config`](crate::circles::Config)), or they could go round.
const RECENT_MAX: usize = 2_048;

/// The last publications.
pub(super) fn recent() -> Seen {
    Seen::new(RECENT_MAX)
}

/// What becomes of a publication that travels to everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passing {
    /// It is news: pass it on.
    On {
        /// What it says.
        signed: SignedPublication,
        /// Whether somebody listens to it here.
        is_heard: bool,
        /// Whether its number is noted. If not, only the tree tells that it came before.
        is_noted: bool,
    },
    /// It came before, a moment ago, another way: pass it on this way too. It was heard.
    AnotherWay,
    /// It came before. Not passed on.
    Again,
    /// Its author may not publish there, or is revoked. Not passed on.
    Forbidden(Forbidden),
}

impl State {
    /// Whether numbers of one more author that was not heard before are remembered.
    fn takes_newcomer(&mut self, now: Duration) -> bool {
        self.newcomers
            .take(now, NEWCOMERS_PER_SECOND, NEWCOMERS_AT_ONCE)
    }

    /// Takes a publication that travels among the subscribers of `path`, or to everybody. What is
    /// refused anyway costs no signature.
    ///
    /// # Errors
    /// [`PublicationError`]: the sender's fault.
    pub fn on_passing(
        &mut self,
        now: Duration,
        path: Option<&TopicName>,
        bytes: &[u8],
    ) -> Result<Passing, PublicationError> {
        let id = Hash::of(bytes);
        let unverified = Unverified::from_bytes(bytes)?;
        let said = &unverified.publication;
        check_path(path, &said.topic)?;
        let (author, start, number) = (said.author, said.start, said.number);
        if self.revoked.contains(&author) || !self.config.rules.may_publish(author, &said.topic) {
            let topic = said.topic.clone();
            return Ok(Passing::Forbidden(Forbidden { author, topic }));
        }
        let is_own = author == self.own;
        if is_own || self.numbers.look(author, start, number) != Heard::First {
            // The same bytes were verified before.
            return Ok(match self.recent.contains(&id) && !is_own {
                true => Passing::AnotherWay,
                false => Passing::Again,
            });
        }
        let signed = unverified.verify(bytes)?;
        if !self.recent.insert(id) {
            // Of an author whose numbers are not noted.
            return Ok(Passing::AnotherWay);
        }
        let is_noted = self.numbers.knows(&author) || self.takes_newcomer(now);
        if is_noted {
            self.numbers.hear(author, start, number);
        }
        let is_heard = self.hears(&signed.publication().topic);
        Ok(Passing::On {
            signed,
            is_heard,
            is_noted,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Publication};
    use super::*;
    use crate::identity::NodeIdentity;
    use crate::ids::NodeId;

    const NOW: Duration = Duration::from_secs(100);

    fn identity(number: u32) -> NodeIdentity {
        let mut secret = [7; 32];
        secret[..4].copy_from_slice(&number.to_le_bytes());
        NodeIdentity::from_secret(&secret)
    }

    fn said(by: u32, topic: &str, number: u64) -> Vec<u8> {
        let identity = identity(by);
        let publication = Publication {
            topic: topic.parse().unwrap(),
            author: identity.id(),
            start: 1,
            number,
            acknowledge: None,
            payload: vec![1],
        };
        let signed = SignedPublication::sign(publication, &identity).unwrap();
        signed.as_bytes().to_vec()
    }

    fn state(authors_max: usize) -> State {
        let config = Config {
            authors_max,
            ..Config::default()
        };
        State::new(config, NodeId::from_bytes([9; 32]), 1)
    }

    /// (heard, noted) of what is passed on.
    fn pass(state: &mut State, now: Duration, bytes: &[u8]) -> Option<(bool, bool)> {
        match state.on_passing(now, None, bytes).unwrap() {
            Passing::On {
                is_heard, is_noted, ..
            } => Some((is_heard, is_noted)),
            Passing::AnotherWay | Passing::Again | Passing::Forbidden(_) => None,
        }
    }

    #[test]
    fn it_is_passed_on_once_and_heard_by_who_subscribes_at_or_above() {
        let mut state = state(100);
        state.handle_subscribe(&"shop".parse().unwrap()).unwrap();
        let (below, beside) = (said(1, "shop/eu", 1), said(1, "news", 2));
        assert_eq!(pass(&mut state, NOW, &below), Some((true, true)));
        assert_eq!(pass(&mut state, NOW, &beside), Some((false, true)));
        assert_eq!(pass(&mut state, NOW, &below), None);
        assert_eq!(pass(&mut state, NOW, &beside), None);
    }

    #[test]
    fn what_comes_another_way_a_moment_later_is_passed_on_and_not_heard_again() {
        let mut state = state(100);
        let (path, said) = ("shop".parse().unwrap(), said(1, "shop/eu", 1));
        state.handle_subscribe(&path).unwrap();
        let first = state.on_passing(NOW, Some(&path), &said).unwrap();
        assert!(matches!(first, Passing::On { is_heard: true, .. }));
        assert_eq!(state.on_passing(NOW, None, &said), Ok(Passing::AnotherWay));
        let mut state = self::state(100);
        for number in 1..=3 * RECENT_MAX as u64 {
            pass(&mut state, NOW, &self::said(1, "shop", number));
        }
        let long_ago = self::said(1, "shop", 1);
        assert_eq!(state.on_passing(NOW, None, &long_ago), Ok(Passing::Again));
        let beside = "news".parse().unwrap();
        assert!(state.on_passing(NOW, Some(&beside), &said).is_err());
    }

    #[test]
    fn what_a_revoked_node_says_is_not_passed_on_and_what_is_not_signed_is_a_fault() {
        let mut state = state(100);
        state.handle_revoked(identity(1).id(), true);
        assert_eq!(pass(&mut state, NOW, &said(1, "shop", 1)), None);
        let mut forged = said(2, "shop", 1);
        *forged.last_mut().unwrap() ^= 1;
        assert!(state.on_passing(NOW, None, &forged).is_err());
        assert_eq!(
            pass(&mut state, NOW, &said(2, "shop", 1)),
            Some((false, true))
        );
    }

    #[test]
    fn very_many_keys_push_out_the_silent_at_a_bounded_rate_and_nobody_who_speaks() {
        let max = NEWCOMERS_AT_ONCE as usize + 64;
        let mut state = state(max);
        let (silent, speaking) = (said(0, "shop", 1), |number| said(1, "shop", number));
        assert_eq!(pass(&mut state, NOW, &silent), Some((false, true)));
        assert_eq!(pass(&mut state, NOW, &speaking(1)), Some((false, true)));
        for key in 2..NEWCOMERS_AT_ONCE {
            let told = pass(&mut state, NOW, &said(key, "shop", 1));
            assert_eq!(told, Some((false, true)), "{key}");
        }
        for key in 0..100 {
            let told = pass(&mut state, NOW, &said(10_000 + key, "shop", 1));
            assert_eq!(told, Some((false, false)), "heard, and not noted");
        }
        assert_eq!(pass(&mut state, NOW, &silent), None);
        assert_eq!(pass(&mut state, NOW, &speaking(2)), Some((false, true)));
        let mut now = NOW;
        for key in 0..96 {
            now += Duration::from_secs(1) / NEWCOMERS_PER_SECOND + Duration::from_millis(1);
            let told = pass(&mut state, now, &said(20_000 + key, "shop", 1));
            assert_eq!(told, Some((false, true)), "{key}");
        }
        assert_eq!(pass(&mut state, now, &speaking(2)), None);
        assert!(pass(&mut state, now, &silent).is_some(), "forgotten by now");
    }
}
