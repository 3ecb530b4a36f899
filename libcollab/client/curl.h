/* What REST requests and WebSockets share of libcurl; only http.c and ws.c include this. */
#ifndef COLLAB_CLIENT_CURL_H
#define COLLAB_CLIENT_CURL_H

#include <curl/curl.h>

#include "client/client_int.h"

/* Set what every connection has: the URL (built in *url, which must outlive it), the socket. */
int curl_prepare(CURL *curl, const struct collab_config *c, const char *target, struct buf *url,
                 struct collab_err *e);

/* The headers that say who we are, a line each. */
int curl_identity(const struct collab_config *c, struct buf *headers);

/* *e for the CURLcode of a transfer. */
int curl_failed(CURL *curl, const struct collab_config *c, int code, struct collab_err *e);

/* *e for an HTTP refusal with a problem+json body; gives the code. */
int client_problem(int status, const char *body, size_t len, struct collab_err *e);

#endif
