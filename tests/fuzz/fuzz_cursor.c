/* Fuzzing of cursor files: what is taken can be put into a URL as it is. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../cmd/tool_cursor.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len)
{
	struct tool_cursor at = {.seq = -1};
	char *text = malloc(len ? len : 1); /* exactly as long as it must be */

	assert(text);
	memcpy(text, bytes, len);
	if (tool_cursor_parse(text, len, &at)) {
		assert(at.seq >= 0);
		assert(strlen(at.session_id) == 36);
		assert(strspn(at.session_id, "0123456789abcdefABCDEF-") == 36);
		assert(strspn(at.hash, "0123456789abcdef") == strlen(at.hash));
		assert(strlen(at.hash) == 64 || strlen(at.hash) == 0);
	} else {
		assert(at.seq == -1 && !at.session_id[0] && !at.hash[0]);
	}
	free(text);
	return 0;
}
