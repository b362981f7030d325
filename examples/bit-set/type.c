/* A set of small numbers that only grows, as one bit each: the holes that were stamped into a card,
   the parts of a file that have arrived. (A "grow-only set".) */

#include "sdk/replicant.h"

#define BITS 1024

typedef struct {
  uint8_t bytes[BITS / 8];
} bit_set;

static bool has(const bit_set *set, uint64_t bit) { return set->bytes[bit / 8] >> bit % 8 & 1; }

/* Reads `{word: number}`. */
static bool read_request(rep_reader *in, const char *word, uint64_t *bit) {
  size_t pairs;
  return rep_read_map(in, &pairs) && pairs == 1 && rep_read_word(in, word) &&
         rep_read_uint(in, bit) && rep_read_end(in);
}

static rep_outcome prepare(const void *state, const rep_context *context, rep_reader *command,
                           rep_buffer *out) {
  (void)context;
  uint64_t bit;
  if (!read_request(command, "set", &bit) || bit >= BITS) {
    rep_say(out, "expected {\"set\": 7}, with a number from 0 to 1023");
    return REP_REFUSED;
  }
  if (has(state, bit)) return REP_NOTHING;
  rep_write_uint(out, bit);
  return REP_OP;
}

/* Setting bits commutes: whatever order they come in, the same ones are set in the end. */
static bool effect(void *state, const rep_context *context, rep_reader *op, rep_buffer *event) {
  (void)context;
  bit_set *set = state;
  uint64_t bit;
  if (!rep_read_uint(op, &bit) || !rep_read_end(op)) return false;
  if (bit >= BITS) return rep_read_nonsense(op);
  if (has(set, bit)) return false;
  set->bytes[bit / 8] |= (uint8_t)(1 << bit % 8);
  rep_write_uint(event, bit);
  return true;
}

static void value(const void *state, rep_buffer *out) {
  size_t count = 0;
  for (uint64_t bit = 0; bit < BITS; bit++) count += has(state, bit);
  rep_write_array(out, count);
  for (uint64_t bit = 0; bit < BITS; bit++) {
    if (has(state, bit)) rep_write_uint(out, bit);
  }
}

static bool query(const void *state, rep_reader *question, rep_buffer *out) {
  uint64_t bit;
  if (!read_request(question, "has", &bit)) {
    rep_say(out, "expected {\"has\": 7}");
    return false;
  }
  rep_write_bool(out, bit < BITS && has(state, bit));
  return true;
}

/* The bits as they are: equal sets are equal bytes. */
static void save(const void *state, rep_buffer *out) { rep_write_bytes(out, state, BITS / 8); }

static bool load(void *state, rep_reader *saved) {
  bit_set *set = state;
  if (saved->left != sizeof set->bytes) return false;
  for (size_t i = 0; i < sizeof set->bytes; i++) set->bytes[i] = saved->at[i];
  return true;
}

static void sample(const void *state, rep_random *random, rep_buffer *out) {
  (void)state;
  rep_write_map(out, 1);
  rep_write_text(out, "set");
  rep_write_uint(out, rep_below(random, rep_below(random, 2) == 0 ? 16 : BITS));
}

const rep_type rep_the_type = {
    .name = "bit-set",
    .version = "0.1.0",
    .summary = "A set of numbers from 0 to 1023 that only grows: what is set anywhere is set.",
    .command_schema = "{\"type\": \"object\", \"properties\": {\"set\": {\"type\": \"integer\", "
                      "\"minimum\": 0, \"maximum\": 1023}}, \"required\": [\"set\"]}",
    .query_schema = "{\"oneOf\": [{\"const\": \"value\"}, {\"type\": \"object\", "
                    "\"properties\": {\"has\": {\"type\": \"integer\"}}}]}",
    .value_schema = "{\"type\": \"array\", \"items\": {\"type\": \"integer\"}}",
    .event_schema = "{\"type\": \"integer\"}",
    .state_bytes = sizeof(bit_set),
    .prepare = prepare,
    .effect = effect,
    .value = value,
    .query = query,
    .save = save,
    .load = load,
    .sample = sample,
};
