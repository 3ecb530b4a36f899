/*
 * decide when memory runs out: whichever allocation fails, the answer is ERR_NOMEM or what it would
 * have been, without events if it is an error, and nothing is lost.
 */
#include "decide_test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define OTHER_ALLOCATOR 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define OTHER_ALLOCATOR 1
#endif
#endif

#ifdef OTHER_ALLOCATOR
int main(void)
{
	printf("1..0 # SKIP a sanitizer has its own allocator\n");
	return 0;
}
#else

/* glibc's own, beneath what is replaced here for this program. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void __libc_free(void *p);

static long left = -1; /* allocations until one fails; negative: none does */
static long live;      /* allocations that were not freed */
static bool counting;

static bool fails(void)
{
	return counting && left >= 0 && left-- == 0;
}

static void *counted(void *p)
{
	live += counting && p;
	return p;
}

void *malloc(size_t n)
{
	return fails() ? NULL : counted(__libc_malloc(n));
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : counted(__libc_calloc(n, size));
}

void *realloc(void *p, size_t n)
{
	if (fails())
		return NULL;
	return p ? __libc_realloc(p, n) : counted(__libc_malloc(n));
}

void free(void *p)
{
	live -= counting && p;
	__libc_free(p);
}

/* The same question with every allocation failing in turn. */
static void starve(struct world *w, const char *user, const struct command *c)
{
	struct actor actor = {.user_id = user, .name = user};
	struct decide_env env = {.now_ms = TIME, .new_id = world_id(w), .limits = &w->limits};
	struct decision d = {0};
	struct err e = {0};
	bool fine = true;
	long n = 0;
	int rc = ERR_NOMEM;

	for (; fine && rc == ERR_NOMEM; n++) {
		e = (struct err){0};
		live = 0;
		left = n;
		counting = true;
		rc = decide(&w->s, c, user ? &actor : NULL, &env, &d, &e);
		left = -1;
		fine = rc ? rc == e.code && e.text[0] && !d.len : d.len > 0;
		decision_release(&d);
		counting = false;
		if (live) {
			printf("# %ld allocations lost\n", live);
			fine = false;
		}
	}
	ok(fine && rc == 0 && n > 1, "%s without memory", command_row(c->kind)->type);
	if (rc)
		printf("# at allocation %ld: %s\n", n, e.text);
}

static void starve_line(struct world *w, const char *user, const char *line)
{
	struct message m = {0};
	struct err e = {0};
	char *json = xalloc(strdup(strchr(line, '{')));
	size_t word = strcspn(line, "{");

	for (char *p = json; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (message_parse_body(kind_of(line, word), json, strlen(json), "ref", NULL, &w->limits, &m,
	                       &e))
		abort();
	starve(w, user, &m.command);
	message_release(&m);
	free(json);
}

/* The same for decide_start. */
static void starve_start(const struct world *w)
{
	struct start start = {.session_id = SESSION_2, .report_id = "report-1"};
	struct actor actor = {.user_id = "ed", .name = "ed"};
	struct decide_env env = {.now_ms = TIME, .limits = &w->limits};
	struct decision d = {0};
	struct err e = {0};
	bool fine = true;
	int rc = ERR_NOMEM;

	settings_default(&start.settings);
	for (long n = 0; fine && rc == ERR_NOMEM; n++) {
		e = (struct err){0};
		live = 0;
		left = n;
		counting = true;
		rc = decide_start(&start, &w->s, &actor, &env, &d, &e);
		left = -1;
		fine = rc ? rc == e.code && e.text[0] && !d.len : d.len > 0;
		decision_release(&d);
		counting = false;
		fine = fine && live <= 0; /* a map's keys come from strdup, which is not counted */
	}
	ok(fine && rc == 0, "a start without memory");
}

static void test_edits(enum strategy strategy)
{
	struct world w;

	world_init(&w);
	world_start(&w, strategy, "The text as it was");
	check(&w, "eve",
	      "section_update{'section_id':'s','changes':{'content':'The text as it is','k':1},"
	      "'base_seq':7}",
	      "'version':8", "memory");
	starve_line(&w, "ed",
	            "section_update{'section_id':'s','changes':{'content':'A text as it was',"
	            "'k':{'l':2}},'base_seq':7}");
	starve_line(&w, "ed",
	            "section_update{'section_id':'s','changes':{'delta':['x'],'k':2},"
	            "'base_seq':7}");
	starve_line(&w, "ed",
	            "section_update{'section_id':'s','changes':{'content':'now'},'base_seq':8}");
	starve_line(&w, "ed",
	            "comment_added{'section_id':'s','content':'c','anchor':{'from':1,'to':2,"
	            "'base_seq':7}}");
	world_end(&w, "memory");
}

static void test_people(void)
{
	static const struct line story[] = {
		{NULL, "online ed", "'type':'user_online'"},
		{"ed", "section_lock{'section_id':'a'}", "'fence':1"},
		{"ed", "section_lock{'section_id':'b'}", "'fence':1"},
		{"com", "comment_added{'section_id':'s','content':'x','mentions':['ed']}",
	         "'content':'x'"},
	};
	struct world w;

	world_init(&w);
	world_start(&w, STRATEGY_LAST_WRITE_WINS, "text");
	PLAY(&w, "memory", story);
	starve_line(&w, "own", "role{'user_id':'ed','role':'viewer'}");
	starve_line(&w, "own", "remove{'user_id':'ed'}");
	starve_line(&w, "own", "end{}");
	starve_start(&w);
	world_end(&w, "memory");
}

static void test_conflict(void)
{
	struct world w;
	char line[200];

	world_init(&w);
	world_start(&w, STRATEGY_MANUAL, "text");
	check(&w, "ed", "section_update{'section_id':'s','changes':{'k':1},'base_seq':7}",
	      "'version':8", "memory");
	check(&w, "eve",
	      "section_update{'section_id':'s','changes':{'content':'x','k':2},'base_seq':7}",
	      "'type':'conflict_detected'", "memory");
	(void)snprintf(line, sizeof line,
	               "conflict_resolved{'conflict_id':'%s','resolution':'proposed'}",
	               w.s.conflicts.entries[0].key);
	starve_line(&w, "own", line);
	world_end(&w, "memory");
}

int main(void)
{
	const char *preload = getenv("LD_PRELOAD");

	if (preload && strstr(preload, "vgpreload")) {
		printf("1..0 # SKIP valgrind has its own allocator\n");
		return 0;
	}
	json_set_alloc_funcs(malloc, free);
	test_edits(STRATEGY_MERGE);
	test_edits(STRATEGY_LAST_WRITE_WINS);
	test_edits(STRATEGY_MANUAL);
	test_people();
	test_conflict();
	return done();
}
#endif
