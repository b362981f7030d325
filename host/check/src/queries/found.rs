//! Texts and numbers that occur in data: a query for one of them finds something.

use minicbor::data::Token;
use minicbor::decode::Decoder;

use crate::chance::Chance;

/// How many of each kind are kept.
const KEPT_MAX: usize = 64;
/// Bytes of a text that is kept.
const TEXT_BYTES_MAX: usize = 64;
/// How many tokens of a piece of data are looked at.
const TOKENS_MAX: usize = 256;

/// What occurs in data.
#[derive(Default)]
pub(crate) struct Found {
    texts: Vec<String>,
    numbers: Vec<i64>,
}

impl Found {
    /// Looks at data in CBOR, as far as it is that.
    pub(crate) fn add(&mut self, data: &[u8]) {
        let mut decoder = Decoder::new(data);
        for token in decoder.tokens().take(TOKENS_MAX).map_while(Result::ok) {
            match token {
                Token::String(text) => self.add_text(text),
                Token::U8(number) => self.add_number(number.into()),
                Token::U16(number) => self.add_number(number.into()),
                Token::U32(number) => self.add_number(number.into()),
                Token::U64(number) => self.add_number(number.try_into().unwrap_or(i64::MAX)),
                Token::I8(number) => self.add_number(number.into()),
                Token::I16(number) => self.add_number(number.into()),
                Token::I32(number) => self.add_number(number.into()),
                Token::I64(number) => self.add_number(number),
                _ => {}
            }
        }
    }

    fn add_text(&mut self, text: &str) {
        let is_new = || self.texts.iter().all(|known| known != text);
        if self.texts.len() < KEPT_MAX && text.len() <= TEXT_BYTES_MAX && is_new() {
            self.texts.push(text.to_owned());
        }
    }

    fn add_number(&mut self, number: i64) {
        if self.numbers.len() < KEPT_MAX && !self.numbers.contains(&number) {
            self.numbers.push(number);
        }
    }

    /// One of the texts.
    pub(crate) fn text(&self, chance: &mut Chance) -> Option<&str> {
        chance.pick(&self.texts).map(String::as_str)
    }

    /// One of the numbers.
    pub(crate) fn number(&self, chance: &mut Chance) -> Option<i64> {
        chance.pick(&self.numbers).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_damaged_data_is_read_as_far_as_it_goes() {
        let mut found = Found::default();
        found.add(b"\x83\x61a\x38\x63\xff\xff");
        assert_eq!(
            (&found.texts[..], &found.numbers[..]),
            (&["a".to_owned()][..], &[-100][..])
        );
        for number in 0..1_000_u16 {
            let mut text = vec![0x64];
            text.extend(format!("{number:04}").bytes());
            found.add(&text);
            let [high, low] = number.to_be_bytes();
            found.add(&[0x19, high, low]);
        }
        assert_eq!(
            (found.texts.len(), found.numbers.len()),
            (KEPT_MAX, KEPT_MAX)
        );
        let mut long = Found::default();
        long.add(&[&[0x78, 100][..], &[b'x'; 100]].concat());
        assert_eq!(long.texts.len(), 0);
    }
}
