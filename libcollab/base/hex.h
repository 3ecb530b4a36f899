/* Bytes as lower-case hex digits. */
#ifndef COLLAB_BASE_HEX_H
#define COLLAB_BASE_HEX_H

#include <stddef.h>

/* Two digits a byte to out; no NUL. */
void hex_put(char *out, const void *bytes, size_t len);

#endif
