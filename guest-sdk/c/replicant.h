/* Replicant's SDK for C: a type is one `rep_type`, made of a few functions.

   Each object's state is `state_bytes` bytes of memory, zero at first. Everything around it (the
   interface of components, batches, refusals) is done by replicant.c. */

#ifndef REPLICANT_H
#define REPLICANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Under what name and at what time an op is made; the same wherever it is applied. Replica and
   counter are the op's dot, which no other op has. `schema` says how the op is encoded: it is one of
   those that the type `reads`, and what it `writes` for an op that is made here. */
typedef struct {
  uint64_t replica, counter, timestamp;
  uint32_t schema;
} rep_context;

/* Whether the op with context `a` comes after that with context `b`, in an order in which each op
   comes after all that its author had seen. */
bool rep_is_later(const rep_context *a, const rep_context *b);

/* Bytes that are read from the front. Each rep_read_… says whether it found what it reads; after
   the first that did not, `is_bad` is set and none does. */
typedef struct {
  const uint8_t *at;
  size_t left;
  bool is_bad;
} rep_reader;

/* CBOR. A text is not copied, and stays as long as the call. */
bool rep_read_uint(rep_reader *in, uint64_t *number);
bool rep_read_bool(rep_reader *in, bool *value);
bool rep_read_text(rep_reader *in, const char **text, size_t *length);
bool rep_read_array(rep_reader *in, size_t *items);
bool rep_read_map(rep_reader *in, size_t *pairs);
/* Reads exactly this text. If something else is there, it stays, and more can be tried. */
bool rep_read_word(rep_reader *in, const char *word);
/* Whether everything was read, and nothing but what was looked for. */
bool rep_read_end(rep_reader *in);
/* Says that what was read makes no sense: sets `is_bad`, and returns false. */
bool rep_read_nonsense(rep_reader *in);

/* Bytes that grow at the end. */
typedef struct {
  uint8_t *bytes;
  size_t length, room;
} rep_buffer;

void rep_write_bytes(rep_buffer *out, const void *bytes, size_t length);
/* CBOR. */
void rep_write_uint(rep_buffer *out, uint64_t number);
void rep_write_bool(rep_buffer *out, bool value);
void rep_write_null(rep_buffer *out);
void rep_write_text(rep_buffer *out, const char *text);
void rep_write_array(rep_buffer *out, size_t items);
void rep_write_map(rep_buffer *out, size_t pairs);
/* Plain text, for refusals. */
void rep_say(rep_buffer *out, const char *text);
void rep_say_uint(rep_buffer *out, uint64_t number);

/* Chance that follows from a seed. */
typedef struct {
  uint64_t state;
} rep_random;

uint64_t rep_below(rep_random *random, uint64_t bound);

/* What every future author has seen: the highest counter of each replica. */
typedef struct {
  const rep_context *dots;
  size_t count;
} rep_stable;

bool rep_is_stable(const rep_stable *stable, uint64_t replica, uint64_t counter);

/* Whether a version is of this series, such as "1", or "0.2": 0.2.7 is of the latter. */
bool rep_is_version(const char *version, const char *series);

/* What became of a command. */
typedef enum {
  REP_OP,      /* `out` is the op */
  REP_NOTHING, /* there is nothing to change */
  REP_REFUSED, /* `out` says why, as text */
} rep_outcome;

typedef struct {
  const char *name, *version, *summary;
  /* JSON Schemas, as text; NULL: anything. */
  const char *command_schema, *query_schema, *value_schema, *event_schema;
  size_t state_bytes;
  /* How ops are encoded: what is written, and which encodings `effect` reads, with a 0 at the end of
     the list; 0 and NULL: 1, and 1 alone. A version whose ops are others than those of the versions
     before it writes a higher number and still reads theirs: ops never go away. */
  uint32_t writes;
  const uint32_t *reads;

  /* Makes the op that carries out a command. Looks at the state and changes nothing. */
  rep_outcome (*prepare)(const void *state, const rep_context *context, rep_reader *command,
                         rep_buffer *out);
  /* Applies an op, made here or elsewhere. Says whether something changed; then `event` tells what,
     in CBOR. An op that makes no sense has no effect; the node tells of it if `is_bad` is set then. */
  bool (*effect)(void *state, const rep_context *context, rep_reader *op, rep_buffer *event);
  /* Writes what people read, in CBOR. */
  void (*value)(const void *state, rep_buffer *out);
  /* Answers a query other than "value", or says in `out` why not. May be NULL. */
  bool (*query)(const void *state, rep_reader *query, rep_buffer *out);
  /* Writes the state: equal states give equal bytes. */
  void (*save)(const void *state, rep_buffer *out);
  /* Reads what `save` wrote into a state that is zero. */
  bool (*load)(void *state, rep_reader *saved);
  /* Reads what `from_version` of the type saved into a state that is zero. For types whose states have
     another layout than in older versions: it is called for each version then, this one too, and
     says no to what it does not read. NULL: `load` gets what compatible versions saved (of the same
     major version; below 1.0 of the same minor one). */
  bool (*load_from)(void *state, rep_reader *saved, const char *from_version);
  /* Forgets what no future op can need; says whether more can be forgotten later. May be NULL. */
  bool (*compact)(void *state, const rep_stable *stable, uint64_t floor, uint64_t number);
  /* Gives back what the state holds besides its own bytes. May be NULL. */
  void (*drop)(void *state);
  /* Makes up a command that would be accepted now, in CBOR, for the checker. */
  void (*sample)(const void *state, rep_random *random, rep_buffer *out);
} rep_type;

/* The type that the project defines. */
extern const rep_type rep_the_type;

#endif
