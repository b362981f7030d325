/* CBOR (RFC 8949), as much of it as small types need; and texts for refusals. */

#include "replicant.h"

#include <stdlib.h>
#include <string.h>

enum { UINT = 0, TEXT = 3, ARRAY = 4, MAP = 5 };

static bool fail(rep_reader *in) {
  in->is_bad = true;
  return false;
}

/* Reads the first byte of an item of this kind and the number that follows it. */
static bool read_head(rep_reader *in, unsigned kind, uint64_t *argument) {
  if (in->is_bad || in->left == 0 || in->at[0] >> 5 != kind) return fail(in);
  unsigned low = in->at[0] & 31;
  if (low > 27) return fail(in);
  size_t more = low < 24 ? 0 : (size_t)1 << (low - 24);
  if (in->left - 1 < more) return fail(in);
  uint64_t number = low < 24 ? low : 0;
  for (size_t i = 1; i <= more; i++) number = number << 8 | in->at[i];
  in->at += 1 + more;
  in->left -= 1 + more;
  *argument = number;
  return true;
}

/* A count of items that the rest can hold: each takes a byte. */
static bool read_count(rep_reader *in, unsigned kind, size_t *count) {
  uint64_t number;
  if (!read_head(in, kind, &number)) return false;
  if (number > in->left) return fail(in);
  *count = (size_t)number;
  return true;
}

bool rep_read_uint(rep_reader *in, uint64_t *number) { return read_head(in, UINT, number); }

bool rep_read_bool(rep_reader *in, bool *value) {
  if (in->is_bad || in->left == 0 || (in->at[0] != 0xf4 && in->at[0] != 0xf5)) return fail(in);
  *value = in->at[0] == 0xf5;
  in->at++;
  in->left--;
  return true;
}

bool rep_read_text(rep_reader *in, const char **text, size_t *length) {
  if (!read_count(in, TEXT, length)) return false;
  *text = (const char *)in->at;
  in->at += *length;
  in->left -= *length;
  return true;
}

bool rep_read_array(rep_reader *in, size_t *items) { return read_count(in, ARRAY, items); }

bool rep_read_map(rep_reader *in, size_t *pairs) { return read_count(in, MAP, pairs); }

bool rep_read_word(rep_reader *in, const char *word) {
  rep_reader before = *in;
  const char *text;
  size_t length;
  if (rep_read_text(in, &text, &length) && length == strlen(word) &&
      memcmp(text, word, length) == 0) {
    return true;
  }
  *in = before;
  return false;
}

bool rep_read_end(rep_reader *in) {
  in->is_bad |= in->left > 0;
  return !in->is_bad;
}

bool rep_read_nonsense(rep_reader *in) { return fail(in); }

void rep_write_bytes(rep_buffer *out, const void *bytes, size_t length) {
  if (length > out->room - out->length) {
    size_t room = out->room * 2 > out->length + length ? out->room * 2 : out->length + length;
    out->bytes = realloc(out->bytes, room);
    if (out->bytes == NULL) abort();
    out->room = room;
  }
  memcpy(out->bytes + out->length, bytes, length);
  out->length += length;
}

static void write_byte(rep_buffer *out, uint8_t byte) { rep_write_bytes(out, &byte, 1); }

/* As short as it can be, so that equal numbers are equal bytes. */
static void write_head(rep_buffer *out, unsigned kind, uint64_t argument) {
  uint8_t first = (uint8_t)(kind << 5);
  if (argument < 24) {
    write_byte(out, first | (uint8_t)argument);
    return;
  }
  unsigned index = argument >> 8 == 0 ? 0 : argument >> 16 == 0 ? 1 : argument >> 32 == 0 ? 2 : 3;
  write_byte(out, first | (uint8_t)(24 + index));
  for (int shift = 8 * ((1 << index) - 1); shift >= 0; shift -= 8) {
    write_byte(out, (uint8_t)(argument >> shift));
  }
}

void rep_write_uint(rep_buffer *out, uint64_t number) { write_head(out, UINT, number); }

void rep_write_bool(rep_buffer *out, bool value) { write_byte(out, value ? 0xf5 : 0xf4); }

void rep_write_null(rep_buffer *out) { write_byte(out, 0xf6); }

void rep_write_text(rep_buffer *out, const char *text) {
  write_head(out, TEXT, strlen(text));
  rep_say(out, text);
}

void rep_write_array(rep_buffer *out, size_t items) { write_head(out, ARRAY, items); }

void rep_write_map(rep_buffer *out, size_t pairs) { write_head(out, MAP, pairs); }

void rep_say(rep_buffer *out, const char *text) { rep_write_bytes(out, text, strlen(text)); }

void rep_say_uint(rep_buffer *out, uint64_t number) {
  char digits[20];
  size_t begin = sizeof digits;
  do {
    digits[--begin] = (char)('0' + number % 10);
    number /= 10;
  } while (number > 0);
  rep_write_bytes(out, digits + begin, sizeof digits - begin);
}
