/* Which items of two sequences have no counterpart in the other. */
#include "core/seqdiff.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "core/landmarks.h"

enum {
	SEARCHES = 4,    /* times effort * items: the whole, the parts, and cut up to the end */
	STEPS_MIN = 256, /* what even the smallest comparison may cost */
	CUT_MIN = 8      /* edits searched for before a stretch is cut where that led */
};

/* What to do when a stretch differs in more than its limit. */
enum box_kind { BOX_WHOLE, BOX_PART, BOX_CUT };

struct seqdiff_box {
	uint32_t a_at, a_len, b_at, b_len;
	uint32_t limit; /* edits searched for from either end */
	enum box_kind kind;
};

/*
 * One of the two searches that meet in the middle.  v[k] is the furthest x on diagonal k = x - y,
 * counted from the own end; the backward search reads its sequences with step -1.
 */
struct search {
	const uint32_t *a, *b; /* the own first items */
	ptrdiff_t step;
	int32_t *v;               /* -1: not reached; valid for -edits..edits */
	int32_t edits;            /* of the last sweep, -1 before the first */
	int32_t skip_lo, skip_hi; /* diagonals at either end that have left the box */
	int32_t best_x, best_y;   /* the point furthest from the own end */
};

struct frame {
	int32_t n, m; /* lengths of a and b in the box */
	int64_t *steps_left;
	int32_t x, y; /* where the searches met, in own coordinates of the one that noticed */
};

void seqdiff_release(struct seqdiff *sd)
{
	free(sd->a_only);
	free(sd->forward);
	free(sd->backward);
	free(sd->boxes);
	*sd = (struct seqdiff){0};
}

/* Whether the other search has been where this one is now: at (x, y) or further on diagonal k. */
static bool met(const struct frame *f, const struct search *other, int32_t k, int32_t x)
{
	int32_t k_other = f->n - f->m - k;

	if (k_other < -other->edits || k_other > other->edits || other->v[k_other] < 0)
		return false;
	return x >= f->n - other->v[k_other];
}

/*
 * Go one edit further on every diagonal.  True, and the point in *f, when that meets the other
 * search; it can only do so in a sweep of the right parity.  Diagonals outside the box are given up
 * (no path comes back from there).
 */
static bool sweep(struct frame *f, struct search *s, const struct search *other, bool may_meet)
{
	int32_t d = ++s->edits;
	int32_t *v = s->v;

	v[d] = v[-d] = -1;
	for (int32_t k = -d + s->skip_lo; k <= d - s->skip_hi && *f->steps_left > 0; k += 2) {
		int32_t x = 0;
		int32_t y = 0;
		int32_t from = 0;

		if (d > 0)
			x = k == -d || (k != d && v[k - 1] < v[k + 1]) ? v[k + 1] : v[k - 1] + 1;
		y = x - k;
		from = x;
		assert(y >= 0);
		while (x < f->n && y < f->m && s->a[s->step * x] == s->b[s->step * y]) {
			x++;
			y++;
		}
		v[k] = x;
		*f->steps_left -= 1 + x - from;
		if (x > f->n) {
			s->skip_hi += 2;
		} else if (y > f->m) {
			s->skip_lo += 2;
		} else if (may_meet && met(f, other, k, x)) {
			f->x = x;
			f->y = y;
			return true;
		} else if (x + y > s->best_x + s->best_y) {
			s->best_x = x;
			s->best_y = y;
		}
	}
	return false;
}

/* Room for diagonals -limit..limit in both directions. */
static int reserve_diagonals(struct seqdiff *sd, size_t limit)
{
	size_t n = 2 * limit + 3;
	int32_t *p = NULL;

	if (n <= sd->diagonals_cap)
		return 0;
	sd->diagonals_cap = 0;
	p = realloc(sd->forward, n * sizeof *p);
	if (!p)
		return ERR_NOMEM;
	sd->forward = p;
	p = realloc(sd->backward, n * sizeof *p);
	if (!p)
		return ERR_NOMEM;
	sd->backward = p;
	sd->diagonals_cap = n;
	return 0;
}

/*
 * A point on a shortest path through the box, in *x and *y, with about half of the edits on either
 * side: 1.  0 when that takes more than the box's limit; then the point is the one that a search
 * got to furthest from its end.  ERR_NOMEM.
 */
static int find_split(struct seqdiff *sd, const struct seqdiff_box *box, const uint32_t *a,
                      const uint32_t *b, uint32_t *x, uint32_t *y)
{
	struct frame f = {.n = (int32_t)box->a_len, .m = (int32_t)box->b_len};
	bool odd = (f.n - f.m) % 2 != 0;
	struct search forward = {.a = a, .b = b, .step = 1, .edits = -1};
	struct search backward = {.a = a + f.n - 1, .b = b + f.m - 1, .step = -1, .edits = -1};

	f.steps_left = &sd->steps_left;
	if (reserve_diagonals(sd, box->limit))
		return ERR_NOMEM;
	forward.v = sd->forward + box->limit + 1;
	backward.v = sd->backward + box->limit + 1;
	for (uint32_t d = 0; d <= box->limit && sd->steps_left > 0; d++) {
		if (sweep(&f, &forward, &backward, odd)) {
			*x = (uint32_t)f.x;
			*y = (uint32_t)f.y;
			return 1;
		}
		if (sweep(&f, &backward, &forward, !odd)) {
			*x = (uint32_t)(f.n - f.x);
			*y = (uint32_t)(f.m - f.y);
			return 1;
		}
	}
	if (forward.best_x + forward.best_y >= backward.best_x + backward.best_y) {
		*x = (uint32_t)forward.best_x;
		*y = (uint32_t)forward.best_y;
	} else {
		*x = (uint32_t)(f.n - backward.best_x);
		*y = (uint32_t)(f.m - backward.best_y);
	}
	return 0;
}

static int push(struct seqdiff *sd, struct seqdiff_box box)
{
	if (box.a_len == 0 && box.b_len == 0)
		return 0;
	if (sd->boxes_len == sd->boxes_cap) {
		size_t cap = sd->boxes_cap ? sd->boxes_cap * 2 : 64;
		struct seqdiff_box *boxes = realloc(sd->boxes, cap * sizeof *boxes);

		if (!boxes)
			return ERR_NOMEM;
		sd->boxes = boxes;
		sd->boxes_cap = cap;
	}
	sd->boxes[sd->boxes_len++] = box;
	return 0;
}

/*
 * How many edits may be searched for in a stretch of this many items: the cost is their square.
 * The root is taken in integers, so that no machine finds another one.
 */
static uint32_t limit_of(size_t items, size_t effort)
{
	uint64_t square = (uint64_t)items * effort;
	uint64_t limit = 0;

	for (uint64_t bit = UINT64_C(1) << 31; bit; bit >>= 1)
		if ((limit + bit) * (limit + bit) <= square)
			limit += bit;
	limit += CUT_MIN;
	return (uint32_t)(limit < items ? limit : items);
}

/* Cut the box at its landmarks into parts; 1 when it has any, 0, or ERR_NOMEM. */
static int cut_at_landmarks(struct seqdiff *sd, const struct seqdiff_box *box, const uint32_t *a,
                            const uint32_t *b, size_t effort)
{
	struct landmark *marks = NULL;
	size_t len = 0;
	uint32_t a_at = 0;
	uint32_t b_at = 0;
	int rc = landmarks_find(a, box->a_len, b, box->b_len, &marks, &len);

	for (size_t i = 0; i <= len && len > 0 && !rc; i++) {
		uint32_t a_end = i < len ? marks[i].a_at : box->a_len;
		uint32_t b_end = i < len ? marks[i].b_at : box->b_len;
		size_t items = (size_t)(a_end - a_at) + (b_end - b_at);

		rc = push(sd, (struct seqdiff_box){.a_at = box->a_at + a_at,
		                                   .a_len = a_end - a_at,
		                                   .b_at = box->b_at + b_at,
		                                   .b_len = b_end - b_at,
		                                   .limit = limit_of(items, effort),
		                                   .kind = BOX_PART});
		a_at = a_end + 1;
		b_at = b_end + 1;
	}
	free(marks);
	return rc ? rc : len > 0;
}

/* Take from the box what both sequences begin and end with. */
static void trim(struct seqdiff_box *box, const uint32_t *a, const uint32_t *b)
{
	while (box->a_len && box->b_len && a[box->a_at] == b[box->b_at]) {
		box->a_at++;
		box->b_at++;
		box->a_len--;
		box->b_len--;
	}
	while (box->a_len && box->b_len &&
	       a[box->a_at + box->a_len - 1] == b[box->b_at + box->b_len - 1]) {
		box->a_len--;
		box->b_len--;
	}
}

static void mark(struct seqdiff *sd, const struct seqdiff_box *box)
{
	memset(sd->a_only + box->a_at, 1, box->a_len);
	memset(sd->b_only + box->b_at, 1, box->b_len);
}

static int compare_box(struct seqdiff *sd, struct seqdiff_box box, const uint32_t *a,
                       const uint32_t *b, size_t effort)
{
	struct seqdiff_box second = {0};
	uint32_t x = 0;
	uint32_t y = 0;
	int exact = 0;
	int rc = 0;

	trim(&box, a, b);
	if (box.a_len == 0 || box.b_len == 0 || sd->steps_left <= 0) {
		mark(sd, &box);
		return 0;
	}
	exact = find_split(sd, &box, a + box.a_at, b + box.b_at, &x, &y);
	if (exact < 0)
		return exact;
	if (!exact && box.kind == BOX_WHOLE) {
		rc = cut_at_landmarks(sd, &box, a + box.a_at, b + box.b_at, effort);
		if (rc)
			return rc < 0 ? rc : 0;
	}
	if (x + y == 0 || (x == box.a_len && y == box.b_len)) {
		mark(sd, &box); /* out of steps before anything was found */
		return 0;
	}
	if (!exact) {
		box.kind = BOX_CUT;
		box.limit = (uint32_t)(effort > CUT_MIN ? effort : CUT_MIN);
	}
	second = box;
	second.a_at += x;
	second.b_at += y;
	second.a_len -= x;
	second.b_len -= y;
	rc = push(sd, second);
	box.a_len = x;
	box.b_len = y;
	return rc ? rc : push(sd, box);
}

int seqdiff_run(struct seqdiff *sd, const uint32_t *a, size_t a_len, const uint32_t *b,
                size_t b_len, size_t effort)
{
	size_t n = a_len + b_len;
	struct seqdiff_box whole = {.a_len = (uint32_t)a_len, .b_len = (uint32_t)b_len};
	int rc = 0;

	assert(a_len < 1u << 30 && b_len < 1u << 30 && effort > 0);
	if (n + 1 > sd->marks_cap) {
		unsigned char *marks = realloc(sd->a_only, n + 1);

		if (!marks)
			return ERR_NOMEM;
		sd->a_only = marks;
		sd->marks_cap = n + 1;
	}
	sd->b_only = sd->a_only + a_len;
	memset(sd->a_only, 0, n);
	sd->steps_left = SEARCHES * (int64_t)effort * (int64_t)n + STEPS_MIN;
	sd->boxes_len = 0;
	whole.limit = limit_of(n, effort);
	whole.kind = BOX_WHOLE;
	rc = push(sd, whole);
	while (!rc && sd->boxes_len > 0)
		rc = compare_box(sd, sd->boxes[--sd->boxes_len], a, b, effort);
	return rc;
}
