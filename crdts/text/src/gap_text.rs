//! Text with a gap where it was last edited, so that typing and deleting there moves nothing.
//!
//! Moving a few bytes costs a call out of the sandbox when compiled to WebAssembly, which is as
//! much as all the rest of typing a character.

/// Some text. Positions are in characters.
#[derive(Clone, Debug, Default)]
pub(crate) struct GapText {
    /// What stands before the gap.
    head: String,
    /// What stands behind it.
    tail: String,
    head_chars: usize,
    chars: usize,
}

impl GapText {
    /// Returns how many characters there are.
    #[inline]
    pub(crate) fn chars(&self) -> usize {
        self.chars
    }

    /// Returns how many bytes there are.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// Appends all text to `out`.
    pub(crate) fn append_to(&self, out: &mut String) {
        out.push_str(&self.head);
        out.push_str(&self.tail);
    }

    /// Appends up to `count` characters from the `start`-th on to `out`.
    pub(crate) fn append_slice_to(&self, start: usize, count: usize, out: &mut String) {
        let end = start.saturating_add(count);
        if start < self.head_chars {
            let from = byte_at(&self.head, self.head_chars, start);
            let to = byte_at(&self.head, self.head_chars, end);
            out.push_str(self.head.get(from..to).unwrap_or_default());
        }
        if end > self.head_chars {
            let chars = self.chars - self.head_chars;
            let from = byte_at(&self.tail, chars, start.saturating_sub(self.head_chars));
            let to = byte_at(&self.tail, chars, end - self.head_chars);
            out.push_str(self.tail.get(from..to).unwrap_or_default());
        }
    }

    /// Inserts text of `chars` characters before the `index`-th one.
    #[inline]
    pub(crate) fn insert(&mut self, index: usize, text: &str, chars: usize) {
        if index != self.head_chars {
            self.move_gap(index);
        }
        self.head.push_str(text);
        self.head_chars += chars;
        self.chars += chars;
    }

    /// Inserts a character of ASCII before the `index`-th one.
    #[inline]
    pub(crate) fn insert_ascii(&mut self, index: usize, typed: u8) {
        if index != self.head_chars {
            self.move_gap(index);
        }
        if typed.is_ascii() {
            self.head.push(char::from(typed));
            self.head_chars += 1;
            self.chars += 1;
        }
    }

    /// Drops `count` characters from the `start`-th on.
    #[inline]
    pub(crate) fn remove(&mut self, start: usize, count: usize) {
        let end = start + count;
        if start == self.head_chars {
            let bytes = byte_at(&self.tail, self.chars - start, count);
            self.tail.drain(..bytes);
        } else {
            if end != self.head_chars {
                self.move_gap(end);
            }
            let bytes = byte_at(&self.head, end, start);
            self.head.truncate(bytes);
            self.head_chars = start;
        }
        self.chars -= count;
    }

    /// Moves all from the `index`-th character on to a text of its own.
    pub(crate) fn split_off(&mut self, index: usize) -> Self {
        self.move_gap(index);
        let rest = Self {
            head: String::new(),
            tail: std::mem::take(&mut self.tail),
            head_chars: 0,
            chars: self.chars - index,
        };
        self.chars = index;
        rest
    }

    fn move_gap(&mut self, index: usize) {
        if index < self.head_chars {
            let at = byte_at(&self.head, self.head_chars, index);
            if let Some(moved) = self.head.get(at..) {
                self.tail.insert_str(0, moved);
            }
            self.head.truncate(at);
        } else {
            let chars = self.chars - self.head_chars;
            let at = byte_at(&self.tail, chars, index - self.head_chars);
            self.head.push_str(self.tail.get(..at).unwrap_or_default());
            self.tail.drain(..at);
        }
        self.head_chars = index;
    }
}

/// Returns where the `index`-th character of `text` begins, or the length if there are fewer.
#[inline]
fn byte_at(text: &str, chars: usize, index: usize) -> usize {
    if index >= chars {
        text.len()
    } else if text.len() == chars {
        index
    } else {
        byte_of_char(text, index)
    }
}

/// Returns where the `index`-th character of `text` begins, or the length if there are fewer.
fn byte_of_char(text: &str, index: usize) -> usize {
    let bytes = text.as_bytes();
    let mut rest = index;
    let mut at = 0;
    for block in bytes.chunks(32) {
        let starts = block.iter().filter(|byte| is_char_start(**byte)).count();
        if rest < starts {
            break;
        }
        rest -= starts;
        at += block.len();
    }
    while let Some(&byte) = bytes.get(at) {
        if is_char_start(byte) {
            if rest == 0 {
                break;
            }
            rest -= 1;
        }
        at += 1;
    }
    at
}

/// Returns the part of `text` from character `start` on, `count` characters long.
pub(crate) fn char_slice(text: &str, start: usize, count: usize) -> &str {
    let from = byte_of_char(text, start);
    let rest = text.get(from..).unwrap_or_default();
    rest.get(..byte_of_char(rest, count)).unwrap_or_default()
}

/// Says whether a byte of UTF-8 begins a character.
#[inline]
fn is_char_start(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

#[cfg(test)]
mod tests {
    use replicant_sdk::Random;

    use super::*;

    #[test]
    fn characters_are_found_in_text_of_mixed_widths() {
        let text = "aé漢😀".repeat(40);
        let starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        for (index, start) in starts.iter().enumerate() {
            assert_eq!(byte_of_char(&text, index), *start);
        }
        assert_eq!(byte_of_char(&text, starts.len()), text.len());
        assert_eq!(byte_of_char(&text, usize::MAX), text.len());
    }

    #[test]
    fn it_behaves_like_a_list_of_characters() {
        let mut random = Random::new(3);
        let mut text = GapText::default();
        let mut model: Vec<char> = Vec::new();
        for _ in 0..5_000 {
            let at = random.index(model.len() + 1);
            let count = random.index((model.len() - at).min(7) + 1);
            match random.below(5) {
                0 | 1 => {
                    let new = ["x", "yz", "漢", "é😀a"][random.index(4)];
                    text.insert(at, new, new.chars().count());
                    model.splice(at..at, new.chars());
                }
                2 | 3 if model.len() < 300 || count > 0 => {
                    text.remove(at, count);
                    model.drain(at..at + count);
                }
                _ => {
                    let rest = text.split_off(at);
                    let mut content = String::new();
                    rest.append_to(&mut content);
                    assert_eq!(content, model[at..].iter().collect::<String>());
                    let end = text.chars();
                    text.insert(end, &content, rest.chars());
                }
            }
            let mut content = String::new();
            text.append_slice_to(at, count, &mut content);
            let end = (at + count).min(model.len());
            let expected = model.get(at..end).unwrap_or_default();
            assert_eq!(content, expected.iter().collect::<String>());
            content.clear();
            text.append_to(&mut content);
            assert_eq!(content, model.iter().collect::<String>());
            assert_eq!(text.bytes(), content.len());
            assert_eq!(text.chars(), model.len());
        }
    }
}
