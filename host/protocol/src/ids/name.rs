//! Names that people choose: topics, objects and types.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use minicbor::decode::Decoder;
use minicbor::encode::{Encoder, Write};
use minicbor::{Decode, Encode};

use super::IdError;

/// How long a topic's name may be, in bytes.
pub const TOPIC_BYTES_MAX: usize = 256;
/// How many segments a topic's name may have.
pub const TOPIC_SEGMENTS_MAX: usize = 16;
/// How long one segment of a topic's name may be, in bytes.
pub const TOPIC_SEGMENT_BYTES_MAX: usize = 64;
/// How long an object's id may be, in bytes.
pub const OBJECT_ID_BYTES_MAX: usize = 256;
/// How long a type's name may be, in bytes.
pub const TYPE_NAME_BYTES_MAX: usize = 64;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({:?})", stringify!($name), &*self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::check(text)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<&str> for $name {
            type Error = IdError;

            fn try_from(text: &str) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl<C> Encode<C> for $name {
            fn encode<W: Write>(
                &self,
                e: &mut Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.str(&self.0)?.ok()
            }
        }

        impl<'b, C> Decode<'b, C> for $name {
            fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                Ok(d.str()?.parse()?)
            }
        }
    };
}

name! {
    /// The name of a topic: a path such as `shop/eu/carts`.
    ///
    /// 1 to 16 segments, separated by `/`, each of 1 to 64 characters out of `A-Z a-z 0-9 . _ -`
    /// and neither `.` nor `..`; at most 256 bytes in all.
    TopicName
}

name! {
    /// The id of an object within its topic and type: 1 to 256 bytes of UTF-8 without control
    /// characters.
    ObjectId
}

name! {
    /// The name of a type: 1 to 64 lower-case letters, digits and `-`, starting with a letter.
    TypeName
}

name! {
    /// The kind of a fact: 1 to 64 lower-case letters, digits and `-`, starting with a letter.
    FactKind
}

/// Checks that `text` is neither empty nor longer than `max` bytes.
fn check_length(
    what: &'static str,
    text: &str,
    max: usize,
    accepted: &'static str,
) -> Result<(), IdError> {
    if text.is_empty() {
        return Err(IdError::Empty { what, accepted });
    }
    if text.len() > max {
        return Err(IdError::TooLong {
            what,
            length: text.len(),
            max,
        });
    }
    Ok(())
}

/// Checks that every character of `text` is `allowed`.
fn check_characters(
    what: &'static str,
    text: &str,
    accepted: &'static str,
    allowed: impl Fn(char) -> bool,
) -> Result<(), IdError> {
    match text.char_indices().find(|(_, c)| !allowed(*c)) {
        None => Ok(()),
        Some((position, character)) => Err(IdError::Character {
            what,
            character,
            position,
            accepted,
        }),
    }
}

impl TopicName {
    const WHAT: &str = "a topic's name";
    const ACCEPTED: &str = "segments of 1 to 64 letters, digits, '.', '_' and '-' (but not '.' \
                            or '..'), separated by '/', are accepted";

    fn check(text: &str) -> Result<(), IdError> {
        check_length(Self::WHAT, text, TOPIC_BYTES_MAX, Self::ACCEPTED)?;
        check_characters(Self::WHAT, text, Self::ACCEPTED, |c| {
            c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/')
        })?;
        let count = text.split('/').count();
        if count > TOPIC_SEGMENTS_MAX {
            let max = TOPIC_SEGMENTS_MAX;
            return Err(IdError::TooManySegments {
                what: Self::WHAT,
                count,
                max,
            });
        }
        let invalid = text.split('/').find(|segment| {
            matches!(*segment, "" | "." | "..") || segment.len() > TOPIC_SEGMENT_BYTES_MAX
        });
        match invalid {
            None => Ok(()),
            Some(segment) => Err(IdError::Segment {
                what: Self::WHAT,
                segment: segment.chars().take(80).collect(),
                accepted: Self::ACCEPTED,
            }),
        }
    }

    /// The segments, from the root down.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The path itself, and then all paths above it, up to the first segment.
    pub fn and_above(&self) -> impl Iterator<Item = &str> {
        let above = self.0.rmatch_indices('/');
        std::iter::once(&*self.0).chain(above.map(|(end, _)| &self.0[..end]))
    }
}

impl std::borrow::Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl ObjectId {
    const WHAT: &str = "an object's id";
    const ACCEPTED: &str = "1 to 256 bytes of UTF-8 without control characters are accepted";

    fn check(text: &str) -> Result<(), IdError> {
        check_length(Self::WHAT, text, OBJECT_ID_BYTES_MAX, Self::ACCEPTED)?;
        check_characters(Self::WHAT, text, Self::ACCEPTED, |c| !c.is_control())
    }
}

impl TypeName {
    fn check(text: &str) -> Result<(), IdError> {
        check_word("a type's name", text)
    }
}

impl FactKind {
    fn check(text: &str) -> Result<(), IdError> {
        check_word("a fact's kind", text)
    }
}

/// Checks a name of lower-case letters, digits and `-`.
fn check_word(what: &'static str, text: &str) -> Result<(), IdError> {
    const ACCEPTED: &str = "1 to 64 lower-case letters, digits and '-', starting with a letter, \
                            are accepted";
    check_length(what, text, TYPE_NAME_BYTES_MAX, ACCEPTED)?;
    check_characters(what, text, ACCEPTED, |c| {
        c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
    })?;
    check_characters(what, &text[..1], ACCEPTED, |c| c.is_ascii_lowercase())
}

/// What an object is called within its topic. Objects of different types are different objects,
/// also if they share an id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(array)]
pub struct ObjectKey {
    /// The type that gives the object its meaning.
    #[n(0)]
    pub type_name: TypeName,
    /// The name that the object's creator chose.
    #[n(1)]
    pub id: ObjectId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topic_names_are_accepted_up_to_every_limit() {
        for text in ["a", "shop/eu/carts", "A.b_c-9/...", "x.y"] {
            assert_eq!(text.parse::<TopicName>().unwrap().to_string(), text);
        }
        let segment = "s".repeat(TOPIC_SEGMENT_BYTES_MAX);
        assert!(segment.parse::<TopicName>().is_ok());
        assert!(
            vec!["s"; TOPIC_SEGMENTS_MAX]
                .join("/")
                .parse::<TopicName>()
                .is_ok()
        );
        let longest = format!("{segment}/{segment}/{segment}/{}", &segment[3..]);
        assert_eq!(longest.len(), TOPIC_BYTES_MAX);
        assert!(longest.parse::<TopicName>().is_ok());
    }

    #[test]
    fn topic_names_beyond_a_limit_are_refused_with_the_reason() {
        let parse = |text: &str| text.parse::<TopicName>().unwrap_err();
        assert!(matches!(parse(""), IdError::Empty { .. }));
        assert!(matches!(
            parse("a b"),
            IdError::Character {
                character: ' ',
                position: 1,
                ..
            }
        ));
        assert!(matches!(parse("a/é"), IdError::Character { .. }));
        for text in ["/a", "a/", "a//b", ".", "a/..", "../a"] {
            assert!(matches!(parse(text), IdError::Segment { .. }), "{text}");
        }
        assert!(matches!(parse(&"s".repeat(65)), IdError::Segment { .. }));
        assert!(matches!(
            parse(&vec!["s"; 17].join("/")),
            IdError::TooManySegments {
                count: 17,
                max: 16,
                ..
            }
        ));
        assert!(matches!(
            parse(&vec!["s".repeat(64); 4].join("/")),
            IdError::TooLong { length: 259, .. }
        ));
    }

    #[test]
    fn object_ids_take_any_text_but_control_characters() {
        assert!("a/b c é 🦀".parse::<ObjectId>().is_ok());
        assert!("x".repeat(OBJECT_ID_BYTES_MAX).parse::<ObjectId>().is_ok());
        assert!(
            "x".repeat(OBJECT_ID_BYTES_MAX + 1)
                .parse::<ObjectId>()
                .is_err()
        );
        assert!("".parse::<ObjectId>().is_err());
        for text in ["a\nb", "a\0", "\u{85}", "\u{7f}"] {
            assert!(matches!(
                text.parse::<ObjectId>(),
                Err(IdError::Character { .. })
            ));
        }
    }

    #[test]
    fn type_names_start_with_a_lower_case_letter() {
        assert!("g-counter".parse::<TypeName>().is_ok());
        assert!("a".repeat(TYPE_NAME_BYTES_MAX).parse::<TypeName>().is_ok());
        for text in ["", "9a", "-a", "A", "a_b", "a.b"] {
            assert!(text.parse::<TypeName>().is_err(), "{text}");
        }
        assert!(
            "a".repeat(TYPE_NAME_BYTES_MAX + 1)
                .parse::<TypeName>()
                .is_err()
        );
    }

    #[test]
    fn decoding_validates() {
        let bytes = minicbor::to_vec("a//b").unwrap();
        assert!(minicbor::decode::<TopicName>(&bytes).is_err());
        let key = ObjectKey {
            type_name: "text".parse().unwrap(),
            id: "x".parse().unwrap(),
        };
        let bytes = minicbor::to_vec(&key).unwrap();
        assert_eq!(minicbor::decode::<ObjectKey>(&bytes).unwrap(), key);
    }
}
