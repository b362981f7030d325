/* Between the interface of a component (op_type.h, made from the WIT files) and `rep_type`.

   Arguments of a call are ours to free; what is returned is freed by the caller of the interface. */

#include "replicant.h"

#include "op_type.h"

#include <stdlib.h>
#include <string.h>

/* What is added to the version of a type. `replicant dev` defines another text, so that each build has
   a version of its own. */
#ifndef REP_BUILD
#define REP_BUILD ""
#endif

typedef exports_replicant_crdt_op_based_object_t object;
typedef replicant_crdt_types_packed_t packed;

/* An object is the memory of its state. */
struct exports_replicant_crdt_op_based_object_t {
  max_align_t state;
};

static void *allocate(size_t count, size_t size) {
  void *memory = calloc(count == 0 ? 1 : count, size);
  if (memory == NULL) abort();
  return memory;
}

static object *new_object(void) {
  size_t size = rep_the_type.state_bytes;
  return allocate(1, size < sizeof(object) ? sizeof(object) : size);
}

static rep_reader reader_of(const uint8_t *bytes, size_t length) {
  return (rep_reader){.at = bytes, .left = length};
}

static rep_reader item_of(const packed *list, size_t index) {
  uint32_t begin = index == 0 ? 0 : list->ends.ptr[index - 1];
  return reader_of(list->bytes.ptr + begin, list->ends.ptr[index] - begin);
}

/* Takes the bytes out of a buffer, as a list of the interface. */
static op_type_list_u8_t list_of(rep_buffer *from) {
  op_type_list_u8_t list = {.ptr = from->bytes, .len = from->length};
  if (from->length == 0) {
    free(from->bytes);
    list.ptr = NULL;
  }
  *from = (rep_buffer){0};
  return list;
}

static op_type_string_t string_of(rep_buffer *from) {
  op_type_list_u8_t list = list_of(from);
  return (op_type_string_t){.ptr = list.ptr, .len = list.len};
}

/* Many byte strings in one, as the interface wants them. */
typedef struct {
  rep_buffer bytes, ends;
} packer;

static void end_item(packer *into) {
  uint32_t end = (uint32_t)into->bytes.length;
  rep_write_bytes(&into->ends, &end, sizeof end);
}

static packed packed_of(packer *from) {
  size_t items = from->ends.length / sizeof(uint32_t);
  packed list = {.bytes = list_of(&from->bytes)};
  list.ends.ptr = (uint32_t *)list_of(&from->ends).ptr;
  list.ends.len = items;
  return list;
}

/* Applies an op; its event goes to `events`, if they are wanted. */
static void apply_op(object *self, const rep_context *context, rep_reader op, packer *events,
                     bool wanted) {
  size_t before = events->bytes.length;
  bool changed = rep_the_type.effect(self, context, &op, &events->bytes);
  if (op.is_bad) replicant_crdt_log_unread(1);
  if (!changed || !wanted || events->bytes.length == before) {
    events->bytes.length = before;
    return;
  }
  end_item(events);
}

/* Of a type that says nothing of how its ops are encoded. */
static const uint32_t first_schema[] = {1, 0};

/* Which encodings of ops the type reads, and a 0. */
static const uint32_t *read_schemas(void) {
  return rep_the_type.reads != NULL ? rep_the_type.reads : first_schema;
}

static bool reads_schema(uint32_t schema) {
  const uint32_t *known = read_schemas();
  while (*known != 0 && *known != schema) known++;
  return *known != 0;
}

void exports_replicant_crdt_op_based_describe(replicant_crdt_types_description_t *said) {
  const rep_type *type = &rep_the_type;
  const char *any = "{}";
  op_type_string_dup(&said->name, type->name);
  rep_buffer version = {0};
  rep_say(&version, type->version);
  rep_say(&version, REP_BUILD);
  said->version = string_of(&version);
  op_type_string_dup(&said->summary, type->summary);
  op_type_string_dup(&said->command_schema, type->command_schema ? type->command_schema : any);
  op_type_string_dup(&said->query_schema,
                     type->query_schema ? type->query_schema : "{\"const\": \"value\"}");
  op_type_string_dup(&said->value_schema, type->value_schema ? type->value_schema : any);
  op_type_string_dup(&said->event_schema, type->event_schema ? type->event_schema : any);
  said->writes = type->writes ? type->writes : 1;
  size_t count = 0;
  while (read_schemas()[count] != 0) count++;
  said->reads.ptr = allocate(count, sizeof(uint32_t));
  memcpy(said->reads.ptr, read_schemas(), count * sizeof(uint32_t));
  said->reads.len = count;
}

exports_replicant_crdt_op_based_own_object_t
exports_replicant_crdt_op_based_constructor_object(void) {
  return exports_replicant_crdt_op_based_object_new(new_object());
}

void exports_replicant_crdt_op_based_object_destructor(object *self) {
  if (rep_the_type.drop != NULL) rep_the_type.drop(self);
  free(self);
}

bool rep_is_version(const char *version, const char *series) {
  size_t length = strlen(series);
  return strlen(version) > length && memcmp(version, series, length) == 0 && version[length] == '.';
}

/* Whether a version is of the same series as ours: the same major number, or 0 and the same minor. */
static bool is_compatible(const char *version) {
  const char *own = rep_the_type.version;
  int dots = own[0] == '0' && own[1] == '.' ? 2 : 1;
  for (size_t i = 0; own[i] != 0 && own[i] == version[i]; i++) {
    if (own[i] == '.' && --dots == 0) return true;
  }
  return false;
}

/* Reads what a version saved into a new state; else `why_not` says why it does not. */
static bool load_state(object *self, rep_reader *in, const char *from, rep_buffer *why_not) {
  const rep_type *type = &rep_the_type;
  if (type->load_from == NULL && !is_compatible(from)) {
    rep_say(why_not, "version ");
    rep_say(why_not, type->version);
    rep_say(why_not, " reads no state of version ");
    rep_say(why_not, from);
    return false;
  }
  if (type->load_from ? type->load_from(self, in, from) : type->load(self, in)) return true;
  rep_say(why_not, "these bytes are no saved state of version ");
  rep_say(why_not, from);
  return false;
}

bool exports_replicant_crdt_op_based_static_object_load(
    op_type_list_u8_t *saved, op_type_string_t *from_version,
    exports_replicant_crdt_op_based_own_object_t *loaded, op_type_string_t *why_not) {
  rep_reader in = reader_of(saved->ptr, saved->len);
  char *from = allocate(from_version->len + 1, 1);
  memcpy(from, from_version->ptr, from_version->len);
  rep_buffer complaint = {0};
  object *self = new_object();
  bool is_loaded = load_state(self, &in, from, &complaint);
  free(from);
  op_type_list_u8_free(saved);
  op_type_string_free(from_version);
  if (is_loaded) {
    *loaded = exports_replicant_crdt_op_based_object_new(self);
  } else {
    exports_replicant_crdt_op_based_object_destructor(self);
    *why_not = string_of(&complaint);
  }
  return is_loaded;
}

/* What a batch of commands has led to so far. */
typedef struct {
  packer ops, events;
  rep_buffer commands, refusals;
  bool wanted;
} batch;

static void carry_out(object *self, rep_context *context, rep_reader command, uint32_t index,
                      batch *done) {
  rep_buffer *ops = &done->ops.bytes;
  rep_buffer out = {0};
  switch (rep_the_type.prepare(self, context, &command, &out)) {
  case REP_OP: {
    size_t begin = ops->length;
    rep_write_bytes(ops, out.bytes, out.length);
    end_item(&done->ops);
    rep_write_bytes(&done->commands, &index, sizeof index);
    /* Applied from its bytes, so that what is applied here is what is applied elsewhere. */
    rep_reader op = reader_of(ops->bytes + begin, ops->length - begin);
    apply_op(self, context, op, &done->events, done->wanted);
    context->counter++;
    break;
  }
  case REP_REFUSED: {
    replicant_crdt_types_refusal_t refusal = {.command = index, .message = string_of(&out)};
    rep_write_bytes(&done->refusals, &refusal, sizeof refusal);
    break;
  }
  case REP_NOTHING:
    break;
  }
  free(out.bytes);
}

void exports_replicant_crdt_op_based_method_object_update(object *self,
                                                          replicant_crdt_types_context_t *context,
                                                          packed *commands, bool events,
                                                          replicant_crdt_types_updated_t *result) {
  rep_context at = {context->replica, context->counter, context->timestamp, context->schema};
  batch done = {.wanted = events};
  for (size_t i = 0; i < commands->ends.len; i++) {
    carry_out(self, &at, item_of(commands, i), (uint32_t)i, &done);
  }
  replicant_crdt_types_packed_free(commands);
  result->commands.len = done.commands.length / sizeof(uint32_t);
  result->refusals.len = done.refusals.length / sizeof(replicant_crdt_types_refusal_t);
  result->ops = packed_of(&done.ops);
  result->events = packed_of(&done.events);
  result->commands.ptr = (uint32_t *)list_of(&done.commands).ptr;
  result->refusals.ptr = (replicant_crdt_types_refusal_t *)list_of(&done.refusals).ptr;
}

void exports_replicant_crdt_op_based_method_object_apply(object *self,
                                                         replicant_crdt_types_run_t *run,
                                                         bool events, packed *told) {
  packer changes = {0};
  bool is_read = reads_schema(run->schema);
  if (!is_read) replicant_crdt_log_unread((uint32_t)run->ops.ends.len);
  for (size_t i = 0; is_read && i < run->ops.ends.len; i++) {
    rep_context context = {run->replica, run->counters.ptr[i], run->timestamp, run->schema};
    apply_op(self, &context, item_of(&run->ops, i), &changes, events);
  }
  replicant_crdt_types_run_free(run);
  *told = packed_of(&changes);
}

bool exports_replicant_crdt_op_based_method_object_query(object *self, op_type_list_u8_t *query,
                                                         op_type_list_u8_t *answer,
                                                         op_type_string_t *why_not) {
  rep_buffer out = {0};
  bool has_answer = true;
  rep_reader in = query == NULL ? (rep_reader){0} : reader_of(query->ptr, query->len);
  if (query == NULL || (rep_read_word(&in, "value") && rep_read_end(&in))) {
    rep_the_type.value(self, &out);
  } else if (rep_the_type.query != NULL) {
    in = reader_of(query->ptr, query->len);
    has_answer = rep_the_type.query(self, &in, &out);
  } else {
    rep_say(&out, "the only query is \"value\"");
    has_answer = false;
  }
  if (query != NULL) op_type_list_u8_free(query);
  if (has_answer) {
    *answer = list_of(&out);
  } else {
    *why_not = string_of(&out);
  }
  return has_answer;
}

void exports_replicant_crdt_op_based_method_object_save(object *self, op_type_list_u8_t *saved) {
  rep_buffer out = {0};
  rep_the_type.save(self, &out);
  *saved = list_of(&out);
}

bool exports_replicant_crdt_op_based_method_object_compact(
    object *self, exports_replicant_crdt_op_based_list_dot_t *stable, uint64_t floor,
    uint64_t number) {
  bool is_more_left = false;
  if (rep_the_type.compact != NULL) {
    rep_context *dots = allocate(stable->len, sizeof(rep_context));
    for (size_t i = 0; i < stable->len; i++) {
      dots[i] = (rep_context){stable->ptr[i].replica, stable->ptr[i].counter, 0, 0};
    }
    rep_stable all = {.dots = dots, .count = stable->len};
    is_more_left = rep_the_type.compact(self, &all, floor, number);
    free(dots);
  }
  exports_replicant_crdt_op_based_list_dot_free(stable);
  return is_more_left;
}

void exports_replicant_crdt_op_based_method_object_sample(object *self, uint64_t seed,
                                                          op_type_list_u8_t *command) {
  rep_random random = {.state = seed};
  rep_buffer out = {0};
  rep_the_type.sample(self, &random, &out);
  *command = list_of(&out);
}

bool rep_is_later(const rep_context *a, const rep_context *b) {
  if (a->timestamp != b->timestamp) return a->timestamp > b->timestamp;
  if (a->replica != b->replica) return a->replica > b->replica;
  return a->counter > b->counter;
}

bool rep_is_stable(const rep_stable *stable, uint64_t replica, uint64_t counter) {
  for (size_t i = 0; i < stable->count; i++) {
    if (stable->dots[i].replica == replica) return counter <= stable->dots[i].counter;
  }
  return false;
}

/* SplitMix64 (Steele, Lea and Flood, 2014). */
uint64_t rep_below(rep_random *random, uint64_t bound) {
  random->state += 0x9e3779b97f4a7c15u;
  uint64_t mixed = random->state;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
  mixed ^= mixed >> 31;
  return bound == 0 ? 0 : mixed % bound;
}
