//! Who may subscribe to which topics, and publish where.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::ids::{IdError, NodeId, TopicName};

/// How many rules there may be.
pub const RULES_MAX: usize = 256;

/// A pattern of topics: a path in which `*` stands for any one segment, and a last `**` for any
/// number of segments, none included. `**` alone is every topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    segments: Vec<Option<String>>,
    is_open: bool,
}

/// Why a text is not a pattern. The caller's misuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no pattern of topics: {reason}; `shop/*/carts` and `shop/**` are")]
pub struct PatternError {
    text: String,
    reason: IdError,
}

impl Pattern {
    /// Whether a topic fits.
    pub fn fits(&self, topic: &TopicName) -> bool {
        let mut segments = topic.segments();
        for expected in &self.segments {
            match (expected, segments.next()) {
                (_, None) => return false,
                (Some(expected), Some(segment)) if expected != segment => return false,
                _ => {}
            }
        }
        self.is_open || segments.next().is_none()
    }

    /// Whether every topic that fits another pattern fits this one too.
    pub fn covers(&self, other: &Self) -> bool {
        // A topic has a segment at least: `**` is `*/**`.
        let theirs: &[Option<String>] = match other.segments.as_slice() {
            [] => &[None],
            segments => segments,
        };
        let mut ours = self.segments.iter().zip(theirs);
        let is_deep_enough = match (self.is_open, other.is_open) {
            (true, _) => theirs.len() >= self.segments.len(),
            (false, true) => false,
            (false, false) => theirs.len() == self.segments.len(),
        };
        is_deep_enough && ours.all(|(of, their)| of.is_none() || of == their)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        if text == "**" {
            let (segments, is_open) = (Vec::new(), true);
            return Ok(Self { segments, is_open });
        }
        let (path, is_open) = match text.strip_suffix("/**") {
            Some(path) => (path, true),
            None => (text, false),
        };
        // With `x` for each `*` it has to be a topic's name.
        let name: Vec<&str> = path
            .split('/')
            .map(|s| if s == "*" { "x" } else { s })
            .collect();
        let checked: Result<TopicName, IdError> = name.join("/").parse();
        checked.map_err(|reason| PatternError {
            text: text.chars().take(300).collect(),
            reason,
        })?;
        let segment = |segment: &str| (segment != "*").then(|| segment.to_owned());
        let segments = path.split('/').map(segment).collect();
        Ok(Self { segments, is_open })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.segments.iter();
        let named = segments.map(|segment| segment.as_deref().unwrap_or("*"));
        let all: Vec<&str> = named.chain(self.is_open.then_some("**")).collect();
        f.write_str(&all.join("/"))
    }
}

/// Whom a rule lets do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Every member.
    Everyone,
    /// These nodes and nobody else; nobody at all if there is none.
    Only(BTreeSet<NodeId>),
}

impl Who {
    fn includes(&self, node: NodeId) -> bool {
        match self {
            Self::Everyone => true,
            Self::Only(nodes) => nodes.contains(&node),
        }
    }
}

/// Who may do what in the topics that fit a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which topics.
    pub topics: Pattern,
    /// Who may publish there.
    pub publish: Who,
    /// Who may subscribe to such a path. A subscription to a path above hears everything below, so
    /// whoever guards `a/b` guards `a` as well.
    pub subscribe: Who,
}

/// Why a text is not a rule. The caller's misuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// Not a pattern.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// Something behind the pattern that says neither who may publish nor who may subscribe.
    #[error(
        "{text:?} is no part of a rule; `publish=any`, `publish=none`, `publish=ID,ID` are, and \
         the same with `subscribe`"
    )]
    Part {
        /// What stands there.
        text: String,
    },
    /// What stands behind `publish=` or `subscribe=` names nobody.
    #[error(
        "{text:?} behind {part}= is no node's id; write any, none, or ids of nodes (64 digits \
         each) with commas between them, as in 'news/** {part}=any' or 'news/** \
         {part}=ID,ID'"
    )]
    Who {
        /// Which part.
        part: &'static str,
        /// What stands there.
        text: String,
    },
    /// One of the two parts stands there twice, and only one could count.
    #[error("{part}= is given twice; write all that may do it behind one, with commas between")]
    PartTwice {
        /// Which part.
        part: &'static str,
    },
    /// A node is named twice in one part.
    #[error("node {node} is named twice in {part}=; name each node once")]
    NodeTwice {
        /// The node.
        node: NodeId,
        /// Which part.
        part: &'static str,
    },
}

impl FromStr for Rule {
    type Err = RuleError;

    /// `PATTERN [publish=WHO] [subscribe=WHO]`, where `WHO` is `any`, `none` or ids of nodes with
    /// commas between them. What is left out is `any`.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let mut words = text.split_whitespace();
        let topics = words.next().unwrap_or_default().parse()?;
        let (mut publish, mut subscribe) = (None, None);
        for word in words {
            let wrong = || RuleError::Part { text: cut(word) };
            let (what, who) = word.split_once('=').ok_or_else(wrong)?;
            let (part, given) = match what {
                "publish" => ("publish", &mut publish),
                "subscribe" => ("subscribe", &mut subscribe),
                _ => return Err(wrong()),
            };
            let who = Who::parse(who).map_err(|error| match error {
                WhoError::NoNode(id) => RuleError::Who { part, text: id },
                WhoError::Twice(node) => RuleError::NodeTwice { node, part },
            })?;
            if given.replace(who).is_some() {
                return Err(RuleError::PartTwice { part });
            }
        }
        Ok(Self {
            topics,
            publish: publish.unwrap_or(Who::Everyone),
            subscribe: subscribe.unwrap_or(Who::Everyone),
        })
    }
}

/// What is repeated of a text that is wrong.
fn cut(text: &str) -> String {
    text.chars().take(300).collect()
}

/// Why a text does not say who.
enum WhoError {
    NoNode(String),
    Twice(NodeId),
}

impl Who {
    fn parse(text: &str) -> Result<Self, WhoError> {
        let mut nodes = BTreeSet::new();
        match text {
            "any" => return Ok(Self::Everyone),
            "none" => return Ok(Self::Only(nodes)),
            _ => {}
        }
        for id in text.split(',') {
            let node = id.parse();
            let node = node.map_err(|_: IdError| WhoError::NoNode(cut(id)))?;
            if !nodes.insert(node) {
                return Err(WhoError::Twice(node));
            }
        }
        Ok(Self::Only(nodes))
    }
}

/// Rules in their order; the first whose pattern fits decides, and without one everybody may.
///
/// They have to be the same on every node: each checks what it passes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Takes at most [`RULES_MAX`] rules; `None` if there are more.
    pub fn new(rules: Vec<Rule>) -> Option<Self> {
        (rules.len() <= RULES_MAX).then_some(Self(rules))
    }

    /// Whether a node may publish in a topic.
    pub fn may_publish(&self, node: NodeId, topic: &TopicName) -> bool {
        self.rule(topic)
            .is_none_or(|rule| rule.publish.includes(node))
    }

    /// Whether a node may subscribe to a path.
    pub fn may_subscribe(&self, node: NodeId, topic: &TopicName) -> bool {
        self.rule(topic)
            .is_none_or(|rule| rule.subscribe.includes(node))
    }

    fn rule(&self, topic: &TopicName) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.topics.fits(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(pattern: &str, topic: &str) -> bool {
        let pattern: Pattern = pattern.parse().unwrap();
        pattern.fits(&topic.parse().unwrap())
    }

    #[test]
    fn a_star_is_one_segment_and_two_are_the_rest() {
        assert!(fits("shop/eu", "shop/eu") && !fits("shop/eu", "shop/eu/carts"));
        assert!(fits("shop/*/carts", "shop/eu/carts") && !fits("shop/*", "shop/eu/carts"));
        assert!(fits("shop/**", "shop") && fits("shop/**", "shop/eu/carts"));
        assert!(!fits("shop/**", "shops"));
        assert!(fits("**", "anything/at/all"));
    }

    #[test]
    fn a_pattern_is_told_as_it_is_written() {
        for text in ["**", "a", "a/*/c", "a/**", "*/b/**"] {
            assert_eq!(text.parse::<Pattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_path_is_no_pattern() {
        for text in [
            "", "/", "a//b", "a/**/b", "a**", "***", "a b", "../x", "/**",
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_rule_says_where_and_who() {
        let one = NodeId::from_bytes([1; 32]);
        let rule: Rule = format!("news/** publish={one}").parse().unwrap();
        assert_eq!(rule.publish, Who::Only(BTreeSet::from([one])));
        assert_eq!(rule.subscribe, Who::Everyone);
        let rule: Rule = "a subscribe=none publish=any".parse().unwrap();
        assert_eq!(rule.subscribe, Who::Only(BTreeSet::new()));
        for wrong in [
            "",
            "a b",
            "a read=any",
            "a publish=",
            "a publish=somebody",
            "a//b",
        ] {
            assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_names_nobody_is_told_with_a_rule_that_is_right() {
        let error = "a publish=any subscribe=x".parse::<Rule>().unwrap_err();
        let told = error.to_string();
        for part in ["\"x\" behind subscribe=", "'news/** subscribe=any'"] {
            assert!(told.contains(part), "{told}");
        }
    }

    /// The last of two parts counted and the other was passed over.
    #[test]
    fn what_stands_twice_in_a_rule_is_refused() {
        let one = NodeId::from_bytes([1; 32]);
        let twice = format!("a publish={one},{one}").parse::<Rule>();
        let part = "publish";
        assert_eq!(twice, Err(RuleError::NodeTwice { node: one, part }));
        let twice = "a subscribe=any subscribe=none".parse::<Rule>();
        let part = "subscribe";
        assert_eq!(twice, Err(RuleError::PartTwice { part }));
    }

    #[test]
    fn a_pattern_covers_another_if_all_that_fits_that_fits_it_too() {
        let patterns = [
            "**", "*/**", "*", "a", "b", "a/**", "*/*", "a/b", "a/*", "*/b", "a/b/**", "*/b/**",
            "a/*/**", "*/*/**", "a/b/c",
        ];
        let segments = ["a", "b", "c"];
        let two = || {
            segments
                .iter()
                .flat_map(|x| segments.map(|y| format!("{x}/{y}")))
        };
        let three = two().flat_map(|pair| segments.map(|z| format!("{pair}/{z}")));
        let one = segments.iter().map(ToString::to_string);
        let topics: Vec<String> = one.chain(two()).chain(three).collect();
        let covers = |one: &str, other: &str| {
            let pattern = |text: &str| text.parse::<Pattern>().unwrap();
            pattern(one).covers(&pattern(other))
        };
        for one in patterns {
            for other in patterns {
                let mut fitting = topics.iter().filter(|topic| fits(other, topic));
                let all = fitting.all(|topic| fits(one, topic));
                assert_eq!(covers(one, other), all, "{one} and {other}");
            }
        }
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let (one, two) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let rule = |topics: &str, publish, subscribe| Rule {
            topics: topics.parse().unwrap(),
            publish,
            subscribe,
        };
        let only_one = Who::Only(BTreeSet::from([one]));
        let rules = Rules::new(vec![
            rule("news/open/**", Who::Everyone, Who::Everyone),
            rule("news/**", only_one.clone(), Who::Everyone),
            rule("secret", only_one.clone(), only_one),
        ]);
        let rules = rules.unwrap();
        let may = |node, topic: &str| rules.may_publish(node, &topic.parse().unwrap());
        assert!(may(one, "news/today") && !may(two, "news/today"));
        assert!(may(two, "news/open/letters") && may(two, "elsewhere"));
        let secret = "secret".parse().unwrap();
        assert!(rules.may_subscribe(one, &secret) && !rules.may_subscribe(two, &secret));
    }
}
