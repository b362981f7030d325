//! The text of an element, small ones without memory of their own.

/// The longest text that is kept in place: with its length, as large as a pointer with a length and
/// a tag.
const SHORT_BYTES_MAX: usize = 22;

/// A text.
#[derive(Clone, Debug)]
pub enum Element {
    /// Its length in bytes, and the bytes.
    Short(u8, [u8; SHORT_BYTES_MAX]),
    /// A longer one.
    Long(Box<str>),
}

impl From<&str> for Element {
    #[inline]
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT_BYTES_MAX];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Self::Short(text.len() as u8, bytes)
            }
            None => Self::Long(text.into()),
        }
    }
}

impl Element {
    /// Says whether it is this text.
    #[inline]
    pub fn is(&self, text: &str) -> bool {
        self.as_bytes() == text.as_bytes()
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        // Made from a text, so never the empty one by default.
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    #[inline]
    fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Self::Long(text) => text.as_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_come_back() {
        for length in [
            0,
            1,
            SHORT_BYTES_MAX - 1,
            SHORT_BYTES_MAX,
            SHORT_BYTES_MAX + 1,
            1_000,
        ] {
            let text = "x".repeat(length);
            let element = Element::from(text.as_str());
            assert_eq!(element.as_str(), text);
            assert!(element.is(&text));
            assert!(!element.is("y"));
        }
        assert_eq!(
            Element::from("ß".repeat(11).as_str()).as_str(),
            "ß".repeat(11)
        );
    }

    #[test]
    fn a_short_element_is_no_larger_than_a_string() {
        assert_eq!(size_of::<Element>(), size_of::<(usize, usize, usize)>());
    }
}
