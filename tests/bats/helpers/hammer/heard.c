/* What the server says, checked as it comes. */
#include "hammer.h"

static void note(struct client *c, int64_t seq, const unsigned char *hash)
{
	if (seq >= shown_cap) {
		int64_t cap = seq * 2 + 1024;

		shown = grow(shown, (size_t)cap * sizeof *shown);
		was_shown = grow(was_shown, (size_t)cap * sizeof *was_shown);
		memset(was_shown + shown_cap, 0, (size_t)(cap - shown_cap) * sizeof *was_shown);
		shown_cap = cap;
	}
	if (was_shown[seq] && memcmp(shown[seq], hash, SHA256_LEN) != 0)
		violate("%s: seq %" PRId64 " was shown with another hash before", c->user, seq);
	memcpy(shown[seq], hash, SHA256_LEN);
	was_shown[seq] = true;
	head = seq > head ? seq : head;
}

static void at(struct client *c, int64_t seq, const unsigned char *hash)
{
	c->seq = seq;
	memcpy(c->hash, hash, SHA256_LEN);
	c->positioned = true;
	note(c, seq, hash);
}

/* The next seq of the log, as an event or as an ack. */
static void next(struct client *c, int64_t seq, const unsigned char *hash, const char *json)
{
	if (c->positioned && seq != c->seq + 1)
		violate("%s (%s): after seq %" PRId64 " came %" PRId64 ": %.80s", c->user,
		        kinds[c->kind], c->seq, seq, json);
	at(c, seq, hash);
}

/* The queue's head is what the next answer must be for. */
static bool answers_head(struct client *c, int64_t n, const char *json)
{
	int64_t want = c->queue_len ? c->queue[c->queue_at] : -1;

	if (n != want) {
		violate("%s: an answer out of order, not for message %" PRId64 ": %.120s", c->user,
		        want, json);
		return false;
	}
	c->queue_at = (c->queue_at + 1) % QUEUE;
	c->queue_len--;
	return true;
}

static void on_ack(struct client *c, const char *json)
{
	bool duplicate = strstr(json, "\"duplicate\":true") != NULL;
	unsigned char hash[SHA256_LEN];
	bool hashed = hash_of(json, hash);
	int64_t seq = number(json, "seq"), n = -1;
	char ref[REFS] = "";

	(void)field(json, "ref", ref, 80);
	n = own_ref(c, ref);
	if (n < 0 || !answers_head(c, n, json))
		return;
	if (!strstr(json, "\"durability\":\"fsynced\""))
		violate("%s: an ack that is not fsynced: %.120s", c->user, json);
	duplicates += duplicate;
	if (duplicate && seq > c->seq)
		violate("%s: told of seq %" PRId64 " before its place", c->user, seq);
	if (!duplicate && hashed)
		next(c, seq, hash, json);
	else if (!duplicate)
		violate("%s: an ack without hash: %.120s", c->user, json);
	accepted(c, n, seq, hashed ? hash : NULL);
}

static void on_error(struct client *c, const char *json)
{
	bool retry = strstr(json, "\"retryable\":true") != NULL;
	char ref[80] = "";
	int64_t n = -1;

	(void)field(json, "ref", ref, sizeof ref);
	(void)field(json, "code", error_last, sizeof error_last);
	errors_seen++;
	n = own_ref(c, ref);
	if (n < 0) {
		violate("%s: an error for nothing it sent: %.160s", c->user, json);
		return;
	}
	if (!answers_head(c, n, json))
		return;
	if (retry) {
		if (c->messages[n].fate == UNANSWERED)
			c->messages[n].fate = AGAIN;
		c->failed_once = true;
		if (!c->again_ms)
			c->again_ms = now_ms() + RETRY_MS + (int64_t)draw(RETRY_MS);
		return;
	}
	refusals++;
	if (!must_fail(c, n) || strcmp(error_last, "no_comment") != 0)
		violate("%s: message %" PRId64 " was refused: %.160s", c->user, n, json);
	if (c->messages[n].fate < ACKED)
		answered(c, n, REFUSED);
}

static void on_event(struct client *c, const char *json, size_t len)
{
	unsigned char hash[SHA256_LEN], computed[SHA256_LEN];
	int64_t seq = number(json, "seq"), sent = -1, n = -1;
	struct err e = {0};
	char ref[80] = "";

	if (seq < 1 || !hash_of(json, hash)) {
		violate("%s: neither event nor answer: %.160s", c->user, json);
		return;
	}
	/* What is shown in the stored form can be checked as it comes. */
	if (c->positioned && seq == c->seq + 1 && c->kind == WATCHER &&
	    strstr(c->o.query, "content=delta") && !strstr(c->o.query, "mode=watch") &&
	    event_verify(json, len, c->hash, computed, &e))
		violate("%s: seq %" PRId64 " as shown does not verify: %s", c->user, seq, e.text);
	next(c, seq, hash, json);
	shown_total++;
	if (field(json, "ref", ref, sizeof ref))
		n = own_ref(c, ref);
	if (n >= 0) {
		if (c->settled_in && c->messages[n].fate != ACKED && c->messages[n].times == 1)
			violate("%s: was shown its own seq %" PRId64, c->user, seq);
		accepted(c, n, seq, hash);
	}
	sent = number(json, "sent_us");
	if (sent > 0 && c->settled_in && (c->kind == WATCHER))
		took(&show_times, now_us() - sent);
}

static void came_in(struct client *c)
{
	c->settled_in = c->was_in = true;
	c->backoff_ms = 0;
	if (c->kind == STALLED && !c->woken) {
		c->reads = false;
		watch(c);
	}
}

static void on_state(struct client *c, const char *json)
{
	json_t *state = json_loads(json, 0, NULL);
	unsigned char hash[SHA256_LEN];
	int64_t seq = json_integer_value(json_object_get(state, "seq"));
	const char *hex = json_string_value(json_object_get(state, "hash"));

	if (!hex || sha256_unhex(hex, hash)) {
		violate("%s: a session_state without hash", c->user);
	} else {
		if (c->positioned && !c->o.fresh) {
			resets++;
			if (!strstr(json, "\"reason\":"))
				violate("%s: a new state at seq %" PRId64 ", without a reason",
				        c->user, seq);
		}
		c->positioned = false;
		at(c, seq, hash);
	}
	json_decref(state);
	came_in(c);
}

void on_message(struct client *c, const char *json, size_t len)
{
	unsigned char hash[SHA256_LEN];
	const char *type = json + (len > 400 ? len - 400 : 0);
	char name[40] = "";

	/* Keys are sorted, so the type is near the end, but where "you" and the like are added. */
	if (strncmp(json, "{\"you\":", 7) == 0) {
		on_state(c, json);
		return;
	}
	while (field(type, "type", name, sizeof name) && strstr(type + 1, "\"type\":"))
		type = strstr(type + 1, "\"type\":");
	if (strcmp(name, "ack") == 0) {
		on_ack(c, json);
	} else if (strcmp(name, "error") == 0) {
		on_error(c, json);
	} else if (strcmp(name, "synced") == 0) {
		if (hash_of(json, hash)) {
			if (c->positioned && number(json, "seq") != c->seq)
				violate("%s: synced at %" PRId64 " after seq %" PRId64, c->user,
				        number(json, "seq"), c->seq);
			at(c, number(json, "seq"), hash);
		}
		came_in(c);
	} else if (strcmp(name, "cursor_position") != 0 && strcmp(name, "pong") != 0 &&
	           strcmp(name, "going_away") != 0 && strcmp(name, "checkpoint") != 0) {
		on_event(c, json, len);
	}
}

void on_close(struct client *c, const char *p, size_t len)
{
	c->close_code = len >= 2 ? (unsigned char)p[0] << 8 | (unsigned char)p[1] : 1005;
	closed_1013 += c->close_code == 1013;
	if (!c->leaving && c->close_code != 1001 && c->close_code != 1013)
		violate("%s (%s): closed with %d %.*s", c->user, kinds[c->kind], c->close_code,
		        len > 2 ? (int)len - 2 : 0, p + 2);
	send_frame(c, 8, p, len < 2 ? 0 : 2);
}
