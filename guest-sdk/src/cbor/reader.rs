//! The bytes of items, without regard to what is wanted.

use super::{major, simple};
use crate::Malformed;

pub(super) type Result<T> = std::result::Result<T, Malformed>;

/// Bytes of which something is taken from the front.
pub(super) struct Reader<'de> {
    rest: &'de [u8],
}

/// The length of a string, an array or a map.
#[derive(Clone, Copy)]
pub(super) enum Length {
    /// It is written at the front.
    Known(u64),
    /// Parts come until a break.
    UntilBreak,
}

impl<'de> Reader<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Returns the first byte of the next item without taking it.
    #[inline]
    pub(super) fn first(&self) -> Result<u8> {
        self.rest.first().copied().map_or_else(cut_off, Ok)
    }

    /// Returns the kind of the next item without taking it. Tags are passed over: a tag only adds
    /// to the meaning of what follows.
    #[inline]
    pub(super) fn kind(&mut self) -> Result<u8> {
        loop {
            match self.first()? >> 5 {
                major::TAG => drop(self.argument()?),
                kind => return Ok(kind),
            }
        }
    }

    #[inline]
    pub(super) fn take(&mut self, count: u64) -> Result<&'de [u8]> {
        let count = usize::try_from(count).or_else(|_| cut_off())?;
        let (taken, rest) = self.rest.split_at_checked(count).map_or_else(cut_off, Ok)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk().map_or_else(cut_off, Ok)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Takes the first bytes of an item and returns its argument.
    #[inline]
    pub(super) fn argument(&mut self) -> Result<u64> {
        let [first] = self.chunk()?;
        match first & 0x1f {
            small @ 0..24 => Ok(u64::from(small)),
            width => self.wide_argument(width),
        }
    }

    fn wide_argument(&mut self, width: u8) -> Result<u64> {
        Ok(match width {
            24 => u64::from(u8::from_be_bytes(self.chunk()?)),
            25 => u64::from(u16::from_be_bytes(self.chunk()?)),
            26 => u64::from(u32::from_be_bytes(self.chunk()?)),
            27 => u64::from_be_bytes(self.chunk()?),
            _ => return fail(NO_CBOR),
        })
    }

    /// Takes the first bytes of a string, an array or a map.
    #[inline]
    pub(super) fn length(&mut self) -> Result<Length> {
        if self.first()? & 0x1f == 31 {
            self.take(1)?;
            return Ok(Length::UntilBreak);
        }
        self.argument().map(Length::Known)
    }

    /// Joins the pieces of a string of unknown length, which are strings of the same kind.
    #[cold]
    pub(super) fn joined(&mut self, kind: u8) -> Result<Vec<u8>> {
        let mut whole = Vec::new();
        while !self.take_break()? {
            if self.first()? >> 5 != kind {
                return fail(NO_CBOR);
            }
            let length = self.argument()?;
            whole.extend_from_slice(self.take(length)?);
        }
        Ok(whole)
    }

    #[inline]
    pub(super) fn take_break(&mut self) -> Result<bool> {
        let is_break = self.first()? == simple::BREAK;
        if is_break {
            self.take(1)?;
        }
        Ok(is_break)
    }

    #[inline]
    pub(super) fn take_null(&mut self) -> Result<bool> {
        let is_null = matches!(self.first()?, simple::NULL | simple::UNDEFINED);
        if is_null {
            self.take(1)?;
        }
        Ok(is_null)
    }

    /// Takes a floating-point number, if one comes next.
    pub(super) fn float(&mut self) -> Result<Option<f64>> {
        let first = self.first()?;
        if !matches!(first, simple::HALF | simple::SINGLE | simple::DOUBLE) {
            return Ok(None);
        }
        self.take(1)?;
        Ok(Some(match first {
            simple::HALF => half(u16::from_be_bytes(self.chunk()?)),
            simple::SINGLE => f64::from(f32::from_be_bytes(self.chunk()?)),
            _ => f64::from_be_bytes(self.chunk()?),
        }))
    }

    /// Describes the next item, for whoever wanted something else.
    pub(super) fn description(&self) -> Result<&'static str> {
        Ok(match self.first()? {
            simple::NULL | simple::UNDEFINED => "null",
            simple::FALSE | simple::TRUE => "true or false",
            simple::HALF | simple::SINGLE | simple::DOUBLE => "a number with a fraction",
            first => match first >> 5 {
                major::UNSIGNED => "an integer",
                major::NEGATIVE => "a negative integer",
                major::BYTES => "a byte string",
                major::TEXT => "a text",
                major::ARRAY => "a list",
                major::MAP => "a map",
                _ => return fail(NO_CBOR),
            },
        })
    }
}

const NO_CBOR: &str = "it is not CBOR";

#[cold]
#[inline(never)]
pub(super) fn fail<T>(reason: &str) -> Result<T> {
    Err(Malformed::new(reason))
}

#[cold]
fn cut_off<T>() -> Result<T> {
    fail("the bytes end in the middle of a value")
}

/// Widens a number of 16 bits: 1 for the sign, 5 for the exponent, 10 for the fraction.
fn half(bits: u16) -> f64 {
    let fraction = f64::from(bits & 0x3ff);
    let size = match (bits >> 10) & 0x1f {
        0 => fraction * 2f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        exponent => (1.0 + fraction / 1024.0) * 2f64.powi(i32::from(exponent) - 15),
    };
    if bits >> 15 == 0 { size } else { -size }
}
