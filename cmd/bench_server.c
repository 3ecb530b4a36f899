/* What the server's process uses, from /proc. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

/* The first line of the file that begins so, or the first. */
static bool read_line(int64_t pid, const char *file, const char *begin, char *out, int size)
{
	char path[64];
	FILE *f = NULL;
	bool found = false;

	(void)snprintf(path, sizeof path, "/proc/%lld/%s", (long long)pid, file);
	f = fopen(path, "r");
	while (f && !found && fgets(out, size, f))
		found = strncmp(out, begin, strlen(begin)) == 0;
	if (f)
		(void)fclose(f); /* it was only read */
	return found;
}

bool bench_server_read(int64_t pid, int64_t *cpu_ms, int64_t *rss_bytes)
{
	char line[1024];
	const char *p = NULL;
	long long user = 0, system = 0, kb = 0;

	if (!read_line(pid, "stat", "", line, sizeof line))
		return false;
	/* The second field is a name in parentheses, which may hold anything. */
	p = strrchr(line, ')');
	if (!p || sscanf(p + 1, " %*s %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld", &user,
	                 &system) != 2)
		return false;
	*cpu_ms = (user + system) * 1000 / sysconf(_SC_CLK_TCK);
	if (!read_line(pid, "status", "VmRSS:", line, sizeof line) ||
	    sscanf(line, "VmRSS: %lld", &kb) != 1)
		return false;
	*rss_bytes = kb * 1024;
	return true;
}
