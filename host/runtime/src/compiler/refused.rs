//! Which components could not be compiled, so that nobody makes us try again and again.

use std::collections::{BTreeMap, VecDeque};

use crate::error::LoadError;
use crate::module::ModuleHash;

/// How many are remembered; of more, the oldest are forgotten.
const REMEMBERED_MAX: usize = 1024;

/// The answers of failed attempts, by hash of the component.
#[derive(Default)]
pub(crate) struct Refused {
    answers: BTreeMap<ModuleHash, LoadError>,
    /// In the order in which they came.
    order: VecDeque<ModuleHash>,
}

impl Refused {
    /// Returns what came of compiling this component, if that failed and is remembered.
    pub(crate) fn get(&self, hash: &ModuleHash) -> Option<LoadError> {
        self.answers.get(hash).cloned()
    }

    /// Remembers what is the component's own fault: another attempt would end alike.
    pub(crate) fn remember(&mut self, hash: ModuleHash, error: &LoadError) {
        if !matches!(error, LoadError::Invalid(_) | LoadError::TooHard { .. }) {
            return;
        }
        if self.answers.insert(hash, error.clone()).is_none() {
            self.order.push_back(hash);
        }
        if self.order.len() > REMEMBERED_MAX
            && let Some(oldest) = self.order.pop_front()
        {
            self.answers.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> ModuleHash {
        *blake3::hash(&number.to_le_bytes()).as_bytes()
    }

    #[test]
    fn the_newest_failures_of_components_are_remembered() {
        let mut refused = Refused::default();
        let invalid = LoadError::Invalid("no".to_owned());
        for number in 0..REMEMBERED_MAX + 3 {
            refused.remember(hash(number), &invalid);
            refused.remember(hash(number), &invalid);
        }
        assert_eq!(refused.answers.len(), REMEMBERED_MAX);
        assert_eq!(refused.order.len(), REMEMBERED_MAX);
        assert_eq!(refused.get(&hash(2)), None);
        assert_eq!(refused.get(&hash(3)), Some(invalid));
    }

    #[test]
    fn failures_of_the_machine_are_not() {
        let mut refused = Refused::default();
        refused.remember(hash(1), &LoadError::Compiler("no memory".to_owned()));
        refused.remember(hash(1), &LoadError::Stopped("signal 9".to_owned()));
        assert_eq!(refused.get(&hash(1)), None);
    }
}
