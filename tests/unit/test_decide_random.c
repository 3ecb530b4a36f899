/*
 * decide under random commands of random actors.  Whatever they are,
 *   what is accepted folds, and folds to the same again from its bytes;
 *   what is refused makes no event and says why;
 *   no limit is ever exceeded, a session always has an owner;
 *   a session that was read from a snapshot decides the same, once its history was extended.
 * Sessions end and go on in the next one.  SEED=n repeats a run, LONG=1 makes it long.
 */
#include "decide_random.h"

/* ---- what must hold ------------------------------------------------------------------------ */

static void must(struct run *r, bool holds, const char *what)
{
	if (holds || r->failed)
		return;
	r->failed = true;
	printf("# %s\n# seq %" PRId64 ", %s by %s: %s\n", what, r->w.s.seq,
	       command_row(r->c.kind)->type ? command_row(r->c.kind)->type : "server", r->c.user_id,
	       r->w.got);
}

static bool within(size_t n, int64_t limit)
{
	return n <= (size_t)limit;
}

static void check_state(struct run *r)
{
	const struct session *s = &r->w.s;
	const struct limits *l = &r->w.limits;
	const struct map_entry *entry = NULL;
	size_t at = 0;

	must(r, within(s->bytes, l->state_bytes), "over state_bytes");
	must(r, within(s->sections.len, l->sections), "over sections");
	must(r, within(s->comments.len, l->comments), "over comments");
	must(r, within(s->members.len, s->settings.max_participants), "over max_participants");
	must(r, within(s->fences.len, l->sections + (int64_t)s->sections.len + SECTIONS),
	     "too many fences");
	must(r, s->owners > 0, "without an owner");
	while ((entry = map_next(&s->sections, &at))) {
		const struct section *sec = entry->value;

		must(r, within(sec->bytes, l->section_bytes), "over section_bytes");
	}
	for (at = 0; (entry = map_next(&s->locks, &at));) {
		const struct lock *lock = entry->value;

		must(r,
		     session_role(s, lock->user_id) >= ROLE_EDITOR || !lock->user_id ||
		             strcmp(lock->user_id, "admin") == 0,
		     "a lock of who may not edit");
	}
	must(r, !s->ended_ms || s->locks.len == 0, "locked after the end");
}

static void note_chars(struct run *r)
{
	for (size_t i = 0; i < SECTIONS; i++) {
		const struct section *sec = session_section(&r->w.s, sections[i]);

		r->chars[r->w.s.seq][i] = sec ? sec->content_chars : 0;
	}
}

static void print_decision(const struct decision *d, int rc, struct buf *out)
{
	unsigned char hash[SHA256_LEN] = {0};

	buf_printf(out, "%d %d %d", rc, (int)d->duplicate, (int)d->unchanged);
	for (size_t i = 0; i < d->len; i++)
		event_write_view(&d->events[i], hash, NULL, out);
}

static void fold_log(const struct world *w, struct session *s)
{
	struct err e = {0};

	session_init(s, w->s.refs_max, w->s.history_max);
	for (size_t i = 0; i < w->log_len; i++) {
		struct event_doc doc;

		if (event_read(w->log[i].p, w->log[i].len, &doc, &e) ||
		    session_apply(s, &doc.ev, &e))
			abort();
		event_doc_release(&doc);
	}
}

/* The same question to the session from a snapshot. */
static void ask_twin(struct run *r, const struct actor *a, const struct decide_env *env,
                     const struct decision *d, int rc)
{
	struct decision twins = {0};
	struct session older;
	struct buf one, other;
	struct err e = {0};
	int rc_twin = decide(&r->twin, &r->c, a, env, &twins, &e);

	if (rc_twin == DECIDE_HISTORY) {
		must(r, twins.len == 0, "events without history");
		fold_log(&r->w, &older);
		if (session_history_extend(&r->twin, r->c.section_id, &older))
			abort();
		session_release(&older);
		r->extended++;
		rc_twin = decide(&r->twin, &r->c, a, env, &twins, &e);
	}
	buf_init(&one, SIZE_MAX / 4);
	buf_init(&other, SIZE_MAX / 4);
	print_decision(d, rc, &one);
	print_decision(&twins, rc_twin, &other);
	must(r, strcmp(one.p, other.p) == 0, "a snapshot decides otherwise");
	if (strcmp(one.p, other.p) != 0)
		printf("# %s\n# %s\n", one.p, other.p);
	buf_release(&one);
	buf_release(&other);
	decision_release(&twins);
}

static void make_twin(struct run *r)
{
	struct buf state;
	struct err e = {0};

	buf_init(&state, SIZE_MAX / 4);
	session_release(&r->twin);
	session_init(&r->twin, r->w.s.refs_max, r->w.s.history_max);
	state_write(&r->w.s, &state);
	if (state_read(state.p, state.len, &r->twin, &e)) {
		printf("Bail out! %s\n", e.text);
		(void)fflush(stdout);
		abort();
	}
	buf_release(&state);
}

/* Fold what was decided, here and in the twin. */
static void take(struct run *r, struct decision *d)
{
	int64_t seq = r->w.s.seq;
	struct err e = {0};

	for (size_t i = 0; i < d->len; i++) {
		must(r, d->events[i].seq == seq + 1 + (int64_t)i, "a gap");
		must(r, !d->events[i].ref == (i != d->answer || !r->c.ref), "a ref astray");
		d->events[i].event_id = comment_ids[0];
		if (session_apply(&r->twin, &d->events[i], &e))
			must(r, false, "the twin does not fold it");
	}
	for (size_t i = 0; !r->failed && i < d->len; i++) {
		struct decision one = {.events = d->events + i, .len = 1};

		must(r, world_take(&r->w, &one), "it does not fold");
		note_chars(r);
	}
	memcpy(r->twin.hash, r->w.s.hash, sizeof r->twin.hash);
}

static void step(struct run *r)
{
	const char *user = pick(r, users, USERS);
	struct actor actor = {.user_id = user,
	                      .name = user,
	                      .admin = strcmp(user, "admin") == 0,
	                      .fences = &r->fence};
	struct decide_env env = {.limits = &r->w.limits};
	struct decision d = {0};
	struct err e = {0};
	bool server = false;
	int rc = 0;

	random_command(r);
	r->w.now_ms += (int64_t)below(r, 20000) - 500;
	env.now_ms = r->w.now_ms;
	env.new_id = world_id(&r->w);
	actor.fences_section = &r->fence_section;
	actor.fences_len = r->fence_section ? 1 : 0;
	actor.own_seq_of_section = below(r, 8) ? 0 : random_base(r);
	server = r->c.kind >= COMMAND_ONLINE;
	rc = decide(&r->w.s, &r->c, server ? NULL : &actor, &env, &d, &e);
	world_outcome(&r->w, &d, rc, &e);
	ask_twin(r, server ? NULL : &actor, &env, &d, rc);
	if (rc) {
		must(r, rc == e.code && e.text[0] && !d.len && !d.events, "a bad refusal");
		r->refused++;
	} else if (d.duplicate || d.unchanged) {
		must(r, d.len == 0, "events of nothing");
		r->duplicates += d.duplicate;
		r->unchanged += d.unchanged;
	} else {
		take(r, &d);
		r->accepted++;
	}
	decision_release(&d);
	check_state(r);
}

/* The report's next session goes on where this one ended. */
static void go_on(struct run *r)
{
	struct start start = {.session_id = SESSION_2, .report_id = "report-1"};
	struct actor actor = {.user_id = "admin", .name = "admin", .admin = true};
	struct decide_env env = {.now_ms = r->w.now_ms, .limits = &r->w.limits};
	struct world next;
	struct decision d = {0};
	struct err e = {0};
	int rc = 0;

	must(r, world_folds(&r->w), "the log folds to another state");
	start.settings = r->w.s.settings;
	start.settings.strategy = (enum strategy)below(r, STRATEGIES);
	start.settings.max_participants = 1 + (int)r->w.s.members.len;
	world_init(&next);
	next.limits = r->w.limits;
	next.now_ms = r->w.now_ms;
	next.ids = r->w.ids;
	session_release(&next.s);
	session_init(&next.s, r->w.s.refs_max, r->w.s.history_max);
	rc = decide_start(&start, &r->w.s, &actor, &env, &d, &e);
	must(r, rc == 0, e.text);
	must(r, rc || world_take(&next, &d), "what is carried does not fold");
	decision_release(&d);
	world_release(&r->w);
	r->w = next;
	check_state(r);
	make_twin(r);
	note_chars(r);
}

static void run_start(struct run *r, uint64_t seed)
{
	r->rnd = seed;
	world_init(&r->w);
	r->w.limits.section_bytes = 100;
	r->w.limits.state_bytes = 900;
	r->w.limits.sections = 3;
	r->w.limits.comments = 8;
	r->w.limits.lock_seconds = 30;
	r->w.limits.base_changes = 16;
	r->w.timeout_minutes = TIMEOUT_MINUTES_MIN;
	session_release(&r->w.s);
	session_init(&r->w.s, 16, 16);
	world_start(&r->w, (enum strategy)below(r, STRATEGIES), NULL);
	buf_init(&r->text, TEXT_BYTES_MAX);
	op_init(&r->delta, TEXT_BYTES_MAX);
	session_init(&r->twin, 16, 16);
	make_twin(r);
	note_chars(r);
}

static void test_run(uint64_t seed, size_t steps, struct run *sum)
{
	struct run *r = xalloc(calloc(1, sizeof *r));

	run_start(r, seed);
	for (size_t i = 0; i < steps && !r->failed; i++) {
		if (below(r, 64) == 0)
			make_twin(r);
		step(r);
		if ((r->w.s.ended_ms && below(r, 8) == 0) || r->w.s.seq > SEQ_MAX)
			go_on(r);
	}
	must(r, world_folds(&r->w), "the log folds to another state");
	if (r->failed)
		ok(false, "commands of seed %" PRIu64, seed);
	sum->accepted += r->accepted;
	sum->refused += r->refused;
	sum->unchanged += r->unchanged;
	sum->duplicates += r->duplicates;
	sum->extended += r->extended;
	op_release(&r->delta);
	buf_release(&r->text);
	session_release(&r->twin);
	world_release(&r->w);
	free(r);
}

int main(void)
{
	uint64_t seed = rnd_seed(20240115);
	struct run sum = {0};
	size_t runs = gen_cases(40) > 40 ? 4000 : 40;

	make_pools();
	for (size_t i = 0; i < runs && !sum.failed; i++)
		test_run(seed + i, 500, &sum);
	printf("# %zu accepted, %zu refused, %zu unchanged, %zu duplicates, %zu extended\n",
	       sum.accepted, sum.refused, sum.unchanged, sum.duplicates, sum.extended);
	ok(sum.accepted > runs * 50 && sum.refused > runs * 50 && sum.unchanged > runs &&
	           sum.duplicates > runs && sum.extended > runs / 4,
	   "all of it happened");
	for (size_t i = 0; i < KEYS; i++)
		json_decref(keys[i]);
	return done();
}
