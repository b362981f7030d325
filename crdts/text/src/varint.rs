//! Numbers of variable length (LEB128), and a reader over bytes from outside.

/// Appends a number, seven bits a byte, the lowest first.
#[inline]
pub(crate) fn push(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads `bytes` as one number of up to four bytes in its shortest form, with nothing behind it.
#[inline(always)]
pub(crate) fn whole_short(bytes: &[u8]) -> Option<u64> {
    let bits = |byte: u8, place: u32| u64::from(byte & 0x7f) << (7 * place);
    let (number, last) = match *bytes {
        [a] => (bits(a, 0), a),
        [a, b] if a >= 0x80 => (bits(a, 0) | bits(b, 1), b),
        [a, b, c] if a & b >= 0x80 => (bits(a, 0) | bits(b, 1) | bits(c, 2), c),
        [a, b, c, d] if a & b & c >= 0x80 => (bits(a, 0) | bits(b, 1) | bits(c, 2) | bits(d, 3), d),
        _ => return None,
    };
    let is_shortest = last != 0 || bytes.len() == 1;
    (last < 0x80 && is_shortest).then_some(number)
}

/// Appends a signed number; small ones of either sign take few bytes.
pub(crate) fn push_signed(out: &mut Vec<u8>, number: i64) {
    push(out, ((number << 1) ^ (number >> 63)) as u64);
}

/// Reads bytes from the front; every read fails softly at the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns what is left.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads one byte.
    #[inline]
    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// Reads some bytes.
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    /// Reads eight bytes, the lowest first.
    pub(crate) fn fixed(&mut self) -> Option<u64> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u64::from_le_bytes(*taken))
    }

    /// Reads a number; only its shortest form is accepted.
    pub(crate) fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return (byte != 0 || shift == 0).then_some(number);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    /// Reads a signed number.
    pub(crate) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1) as i64 ^ -((number & 1) as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [
            0,
            1,
            127,
            128,
            300,
            16_384,
            1 << 21,
            1 << 28,
            1 << 62,
            u64::MAX - 1,
            u64::MAX,
        ] {
            let mut bytes = Vec::new();
            push(&mut bytes, number);
            push_signed(&mut bytes, number as i64);
            push_signed(&mut bytes, (number as i64).wrapping_neg());
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.number(), Some(number));
            let (alone, _) = bytes.split_at(bytes.len() - reader.rest().len());
            let expected = (number < 1 << 28).then_some(number);
            assert_eq!(whole_short(alone), expected);
            assert_eq!(reader.signed(), Some(number as i64));
            assert_eq!(reader.signed(), Some((number as i64).wrapping_neg()));
            assert!(reader.rest().is_empty());
        }
    }

    #[test]
    fn other_forms_of_a_number_are_refused() {
        assert_eq!(Reader::new(&[0x80, 0x00]).number(), None);
        assert_eq!(Reader::new(&[0x80]).number(), None);
        let others: [&[u8]; 7] = [
            &[0x80, 0x00],
            &[0x80],
            &[0x80, 0x80, 0x00],
            &[],
            &[1, 1],
            &[0x81, 1, 1],
            &[0x81, 0x81, 0x81, 0x81],
        ];
        for bytes in others {
            assert_eq!(whole_short(bytes), None, "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0xff; 12]).number(), None);
        let mut too_large = [0x80; 10];
        too_large[9] = 0x02;
        assert_eq!(Reader::new(&too_large).number(), None);
    }
}
