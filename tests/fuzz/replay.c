/*
 * A fuzz target without a fuzzer: its whole corpus, and each file of it changed at random, some
 * thousand times (LONG=1: a hundred thousand).  Linked with one target; the program's name,
 * test_TARGET, says where the corpus is.  A crash or a failed assertion is the finding; SEED=n
 * repeats a run.
 */
#include <dirent.h>

#include "../tap.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

enum { FILE_MAX = 1 << 20, FILES_MAX = 4096 };

struct input {
	uint8_t *bytes;
	size_t len;
};

static struct input files[FILES_MAX];
static size_t files_len;

/* In memory of exactly its size, so that a sanitizer sees a read beyond it. */
static void try(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		exit(1);
	memcpy(copy, bytes, len);
	(void)LLVMFuzzerTestOneInput(copy, len); /* is always 0 */
	free(copy);
}

/* One of the ways to change an input, in place: there is room for 64 bytes more. */
static size_t change(uint8_t *p, size_t len, uint64_t *random)
{
	static const uint8_t odd[] = {0, 1, 0x7f, 0x80, 0xff, '"', '\\', '{', '[', '\n', ':', '-'};
	size_t at = len ? rnd(random) % len : 0, n = 1 + rnd(random) % 16;
	const struct input *other = &files[rnd(random) % files_len];

	switch (rnd(random) % 6) {
	case 0: /* cut off */
		return at;
	case 1: /* a bit */
		if (len)
			p[at] ^= (uint8_t)(1u << rnd(random) % 8);
		return len;
	case 2: /* a byte that means something */
		if (len)
			p[at] = odd[rnd(random) % sizeof odd];
		return len;
	case 3: /* some bytes gone */
		n = n < len - at ? n : len - at;
		memmove(p + at, p + at + n, len - at - n);
		return len - n;
	case 4: /* some bytes twice */
		n = n < len - at ? n : len - at;
		memmove(p + at + n, p + at, len - at);
		return len + n;
	default: /* some bytes of another */
		n = n < other->len ? n : other->len;
		n = n < len - at ? n : len - at;
		if (n)
			memcpy(p + at, other->bytes + rnd(random) % (other->len - n + 1), n);
		return len;
	}
}

static void read_file(const char *dir, const char *name)
{
	struct input *in = &files[files_len];
	char path[512];
	FILE *file = NULL;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	file = fopen(path, "r");
	in->bytes = malloc(FILE_MAX);
	if (!file || !in->bytes)
		exit(1);
	in->len = fread(in->bytes, 1, FILE_MAX, file);
	(void)fclose(file); /* only read */
	files_len++;
}

int main(int argc, char **argv)
{
	const char *target = strrchr(argc ? argv[0] : "", '/');
	uint64_t random = rnd_seed(1);
	long times = getenv("LONG") ? 100000 : getenv("SHORT") ? 100 : 2000;
	static uint8_t changed[FILE_MAX + 64 * 16];
	char dir[256];
	DIR *d = NULL;

	target = target && strncmp(target, "/test_", 6) == 0 ? target + 6 : "";
	(void)snprintf(dir, sizeof dir, "tests/fuzz/corpus/%s", target);
	d = opendir(dir);
	for (struct dirent *entry = NULL; d && files_len < FILES_MAX && (entry = readdir(d));)
		if (entry->d_name[0] != '.')
			read_file(dir, entry->d_name);
	ok(files_len > 0, "a corpus: %s, %zu files", dir, files_len);
	for (size_t i = 0; i < files_len; i++)
		try(files[i].bytes, files[i].len);
	ok(true, "all of it");
	for (size_t i = 0; i < files_len; i++)
		for (long k = 0; k < times; k++) {
			size_t len = files[i].len;

			memcpy(changed, files[i].bytes, len);
			for (uint64_t n = 1 + rnd(&random) % 4; n > 0; n--)
				len = change(changed, len, &random);
			try(changed, len);
		}
	ok(true, "each %ld times changed", times);
	for (size_t i = 0; i < files_len; i++)
		free(files[i].bytes);
	if (d)
		(void)closedir(d); /* only read */
	return done();
}
