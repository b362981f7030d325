/* A high score: the best number that anyone has reported, on whatever node, online or not. Change
   it into a type of your own: the comments say what each part must do. */

#include "sdk/replicant.h"

/* The best score that is accepted. */
#define SCORE_MAX 1000

/* The state of one object, on one replica. It is zero at first. */
typedef struct {
  uint64_t best;
} high_score;

/* Runs once, where the command is given. It looks at the state and changes nothing. It makes the op
   that is sent to all replicas, or says that there is nothing to do, or refuses: the sender reads
   why. A command is whatever was sent, so look at all of it. */
static rep_outcome prepare(const void *state, const rep_context *context, rep_reader *command,
                           rep_buffer *out) {
  (void)context;
  const high_score *score = state;
  uint64_t reported;
  if (!rep_read_uint(command, &reported) || !rep_read_end(command)) {
    rep_say(out, "expected a whole number, such as 340");
    return REP_REFUSED;
  }
  if (reported > SCORE_MAX) {
    rep_say_uint(out, reported);
    rep_say(out, " is too good: at most 1000");
    return REP_REFUSED;
  }
  if (reported <= score->best) return REP_NOTHING;
  rep_write_uint(out, reported);
  return REP_OP;
}

/* Runs on every replica, once for each op, and never before the ops that its author had seen.
   Concurrent ops come in different orders on different replicas, so they must commute: the larger
   of two numbers is the same in either order. (The last one that came is not: try it, build, and
   run `replicant check`.)

   It cannot refuse, and an op that makes no sense has no effect; the node tells how many there were.
   What it writes to `event` is told to whoever watches the object. */
static bool effect(void *state, const rep_context *context, rep_reader *op, rep_buffer *event) {
  (void)context;
  high_score *score = state;
  uint64_t reported;
  if (!rep_read_uint(op, &reported) || !rep_read_end(op)) return false;
  if (reported <= score->best) return false;
  score->best = reported;
  rep_write_uint(event, reported);
  return true;
}

/* What people read. */
static void value(const void *state, rep_buffer *out) {
  const high_score *score = state;
  rep_write_uint(out, score->best);
}

/* The state, to be kept and loaded later. Equal states must give equal bytes on every replica. */
static void save(const void *state, rep_buffer *out) { value(state, out); }

static bool load(void *state, rep_reader *saved) {
  high_score *score = state;
  return rep_read_uint(saved, &score->best) && rep_read_end(saved);
}

/* Makes up a command that would be accepted now, so that `replicant check` can make random
   histories. */
static void sample(const void *state, rep_random *random, rep_buffer *out) {
  (void)state;
  rep_write_uint(out, rep_below(random, SCORE_MAX + 1));
}

/* Nothing here ever becomes superfluous. A type that keeps what will be, such as the marks of
   removed elements, also has `compact`.

   A later version whose ops are others says so below (`.writes = 2`, and `.reads` leads to the list
   1, 2, 0), and `effect` looks at `context->schema`; one whose saved state is another has
   `load_from`. */

const rep_type rep_the_type = {
    .name = "my-type",
    .version = "0.1.0",
    .summary = "The best number that anyone has reported.",
    .command_schema = "{\"type\": \"integer\", \"minimum\": 0}",
    .value_schema = "{\"type\": \"integer\", \"minimum\": 0}",
    .event_schema = "{\"type\": \"integer\", \"minimum\": 0}",
    .state_bytes = sizeof(high_score),
    .prepare = prepare,
    .effect = effect,
    .value = value,
    .save = save,
    .load = load,
    .sample = sample,
};
