/* Requests, tickets, peers. */
#define _XOPEN_SOURCE 700 /* getgrent */

#include <grp.h>
#include <pwd.h>

#include "../tap.h"
#include "auth_tools.h"
#include "base/ids.h"

static struct err e;

/* What a failed call gives for people, "" for a good one. */
static const char *why(int rc)
{
	return rc ? e.text : "";
}

/* A request from TCP, or from this uid on the Unix socket. */
static struct request tcp(void)
{
	return (struct request){.method = "GET", .path = "/", .query = ""};
}

static struct request unix_from(uid_t uid)
{
	struct request r = tcp();

	r.peer = (struct peer){.local = true, .uid = uid, .gid = 77777, .pid = 1};
	return r;
}

/* The user a request is taken for (lent until the next call), or what it is refused for. */
static const char *user_of(struct auth *a, const struct request *r, bool browser)
{
	static char user[NAME_LEN_MAX + 1];
	struct identity id = {0};
	int rc;

	e = (struct err){0};
	rc = auth_request(a, r, browser, NOW, &id, &e);
	if (!rc)
		(void)snprintf(user, sizeof user, "%s", id.user_id);
	identity_release(&id);
	return rc ? e.text : user;
}

static void test_request(struct auth *a)
{
	char *ada = token_simple("{\"sub\":\"ada\"}"), *bea = token_simple("{\"sub\":\"bea\"}");
	static const unsigned char random[32] = {7};
	char ticket[TICKET_LEN + 1], header[1200], query[1200], protocols[200];
	struct identity cid = {.user_id = "cid", .name = "Cid", .expires_ms = INT64_MAX};
	struct request r = tcp();

	is_str(user_of(a, &r, true), "a token is required", "nothing");
	(void)snprintf(header, sizeof header, "Bearer %s", ada);
	r.authorization = header;
	is_str(user_of(a, &r, false), "ada", "Authorization");
	header[0] = 'b';
	is_str(user_of(a, &r, false), "ada", "bearer in any case");
	(void)snprintf(query, sizeof query, "since=4&token=%s&x=", bea);
	r.query = query;
	is_str(user_of(a, &r, true), "ada", "Authorization before the query");
	r.authorization = NULL;
	is_str(user_of(a, &r, true), "bea", "token= of a browser");
	is_str(user_of(a, &r, false), "a token is required", "token= of anything else");
	r.authorization = "Basic YTpi";
	is_str(user_of(a, &r, true), "bea", "Basic, and a token");
	is_str(user_of(a, &r, false), "Authorization must be Bearer and a token", "Basic alone");
	r.authorization = "Bearer ";
	is_str(user_of(a, &r, true), "the token is malformed", "Bearer and nothing");
	r.authorization = NULL;
	(void)snprintf(query, sizeof query, "token=%%%02x%s", bea[0], bea + 1);
	is_str(user_of(a, &r, true), "bea", "a percent-escape");
	r.query = "token=%00%zz%2";
	is_str(user_of(a, &r, true), "the token is malformed", "escapes that are none");
	r.query = "xtoken=1&token";
	is_str(user_of(a, &r, true), "a token is required", "names that only resemble it");

	ok(auth_ticket(a, &cid, random, NOW, ticket, &e) == 0, "a ticket");
	is_int(strlen(ticket), 43, "of 43 characters");
	(void)snprintf(query, sizeof query, "ticket=%s", ticket);
	r.query = query;
	is_str(user_of(a, &r, false), "a token is required", "ticket= of anything else");
	is_str(user_of(a, &r, true), "cid", "ticket= of a browser");
	is_str(user_of(a, &r, true), "the ticket is unknown, was used, or has expired",
	       "the same again");
	ok(auth_ticket(a, &cid, random, NOW, ticket, &e) == 0, "another ticket");
	(void)snprintf(protocols, sizeof protocols, "collab.v1, ticket.%s", ticket);
	r.query = "";
	r.ws_protocol = protocols;
	is_str(user_of(a, &r, true), "cid", "a subprotocol");
	r.ws_protocol = "collab.v1,ticket.";
	is_str(user_of(a, &r, true), "a token is required", "a subprotocol without ticket");
	r.ws_protocol = NULL;
	r.authorization = header;
	r.as = "dan";
	is_str(user_of(a, &r, true),
	       "only an administrator on the Unix socket may act as another user",
	       "X-Collab-As with a token");
	is_int(e.code, ERR_FORBIDDEN, "is forbidden");
	r.peer = (struct peer){.local = true, .uid = 0};
	is_int(auth_request(a, &r, false, NOW, &cid, &e), ERR_FORBIDDEN,
	       "also with an administrator's token on the Unix socket");
	r.as = NULL;
	is_str(user_of(a, &r, false), "ada", "a token on the Unix socket is honoured");
	free(ada);
	free(bea);
}

static void test_without_keys(void)
{
	struct conf conf;
	struct auth *a = NULL;
	struct request r = tcp();
	char *token = token_simple("{\"sub\":\"ada\"}"), header[600];
	struct identity id = {0};

	conf_make(&conf, NULL, NULL);
	ok(auth_new(&a, &conf, &e) == 0 && !auth_has_keys(a), "no keys");
	(void)snprintf(header, sizeof header, "Bearer %s", token);
	r.authorization = header;
	is_str(user_of(a, &r, true),
	       "no keys for tokens are configured; only the Unix socket is open", "TCP");
	is_str(why(auth_token(a, token, NOW, &id, &e)), "no keys for tokens are configured",
	       "a token");
	r = unix_from(geteuid());
	ok(strstr(user_of(a, &r, true), "@local") != NULL, "the Unix socket");
	auth_free(a);
	conf_release(&conf);
	free(token);
}

static void test_tickets(void)
{
	struct identity id = {.user_id = "ada",
	                      .name = "Ada",
	                      .email = "a@b",
	                      .start_only = "x*",
	                      .scopes = SCOPE_READ,
	                      .expires_ms = NOW + 40000};
	struct identity out = {0};
	struct tickets t = {0};
	unsigned char random[32] = {0};
	char ticket[TICKET_LEN + 1], first[TICKET_LEN + 1];
	int rc = 0;

	is_int(tickets_add(&t, &id, random, NOW, first, &e), 0, "a ticket");
	is_int(tickets_use(&t, first, NOW + 29999, &out, &e), 0, "redeemed after 29.999 s");
	is_str(out.user_id, "ada", "its user");
	is_str(out.email, "a@b", "its email");
	is_str(out.start_only, "x*", "its globs");
	is_int(out.scopes, SCOPE_READ, "its scopes");
	is_int(out.expires_ms, NOW + 40000, "its expiry");
	identity_release(&out);
	is_int(tickets_use(&t, first, NOW, &out, &e), ERR_UNAUTHENTICATED, "not twice");
	is_int(tickets_add(&t, &id, random, NOW, first, &e), 0, "a ticket");
	is_int(tickets_use(&t, first, NOW + 30000, &out, &e), ERR_UNAUTHENTICATED,
	       "expired after 30 s");
	is_int(tickets_use(&t, first, NOW, &out, &e), ERR_UNAUTHENTICATED,
	       "an attempt when expired uses it up");
	is_int(tickets_add(&t, &id, random, NOW + 20000, first, &e), 0, "a ticket");
	is_int(tickets_use(&t, first, NOW + 41000, &out, &e), ERR_TOKEN_EXPIRED,
	       "a ticket does not outlive its token");
	is_int(tickets_use(&t, "", NOW, &out, &e), ERR_UNAUTHENTICATED, "no ticket");
	is_int(tickets_use(&t, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", NOW, &out, &e),
	       ERR_UNAUTHENTICATED, "44 characters");
	for (int i = 0; i < TICKETS_MAX && !rc; i++) {
		memcpy(random, &i, sizeof i);
		rc = tickets_add(&t, &id, random, NOW, i == 0 ? first : ticket, &e);
	}
	is_int(rc, 0, "10,000 tickets");
	random[31] = 1;
	is_int(tickets_add(&t, &id, random, NOW + 29000, ticket, &e), ERR_RATE_LIMITED,
	       "and no more");
	is_str(ticket, "", "nothing is given then");
	is_int(tickets_use(&t, first, NOW, &out, &e), 0, "the first is good still");
	identity_release(&out);
	is_int(tickets_add(&t, &id, random, NOW, ticket, &e), 0, "which makes room for one");
	is_int(tickets_add(&t, &id, random, NOW + 30000, ticket, &e), 0,
	       "room again when they have expired");
	is_int(t.map.len, 1, "what has expired is dropped");
	tickets_release(&t);
}

/* The error of a peer with this X-Collab-As, or "". */
static const char *peer_refusal(const struct conf *conf, uid_t uid, const char *as)
{
	struct peer peer = {.local = true, .uid = uid, .gid = 77777};
	struct identity id = {0};
	int rc;

	e = (struct err){0};
	rc = peer_identity(conf, false, 0, &peer, as, &id, &e);
	identity_release(&id);
	return why(rc);
}

static void test_peers(void)
{
	struct peer peer = {.local = true, .uid = 0, .gid = 77777};
	struct identity id = {0};
	struct conf conf;

	conf_make(&conf, NULL, NULL);
	is_int(peer_identity(&conf, false, 0, &peer, NULL, &id, &e), 0, "root");
	is_str(id.user_id, "root@local", "its id");
	is_int(id.scopes, SCOPE_ADMIN | SCOPE_START, "its scopes");
	ok(!id.via && !id.email && id.expires_ms == INT64_MAX, "acts for itself, for ever");
	identity_release(&id);
	peer.uid = 3999999999;
	is_int(peer_identity(&conf, false, 0, &peer, NULL, &id, &e), 0, "a uid without a name");
	is_str(id.user_id, "uid-3999999999@local", "its id");
	is_str(id.name, "uid-3999999999@local", "its name");
	is_int(id.scopes, SCOPE_START, "default scopes");
	identity_release(&id);
	is_int(peer_identity(&conf, true, 77777, &peer, NULL, &id, &e), 0, "its group is named");
	is_int(id.scopes, SCOPE_ADMIN | SCOPE_START, "an administrator");
	identity_release(&id);
	is_int(peer_identity(&conf, true, 77778, &peer, NULL, &id, &e), 0, "another group is");
	is_int(id.scopes, SCOPE_START, "no administrator");
	identity_release(&id);
	peer.uid = geteuid();
	is_int(peer_identity(&conf, false, 0, &peer, NULL, &id, &e), 0, "the daemon's own uid");
	ok(id.scopes & SCOPE_ADMIN, "an administrator");
	identity_release(&id);
	is_str(peer_refusal(&conf, 65534, NULL), "the user of this process is nobody in particular",
	       "65534");
	is_int(e.code, ERR_FORBIDDEN, "is forbidden");
	is_str(peer_refusal(&conf, (uid_t)-1, NULL),
	       "the user of this process is nobody in particular", "-1");
	conf_text(&conf.default_scopes, "collab:read collab:start:a* collab:start:b*");
	peer.uid = 3999999999;
	is_int(peer_identity(&conf, false, 0, &peer, NULL, &id, &e), 0, "other default scopes");
	is_int(id.scopes, SCOPE_READ, "flags");
	is_str(id.start_only, "a* b*", "globs");
	identity_release(&id);
	conf_release(&conf);
}

static void test_acting_as(void)
{
	struct peer peer = {.local = true, .uid = 0};
	struct identity id = {0};
	struct conf conf;
	char as[400];

	conf_make(&conf, NULL, NULL);
	is_int(peer_identity(&conf, false, 0, &peer, "ada;Ada \x1b[31mL.", &id, &e), 0, "as ada");
	is_str(id.user_id, "ada", "the id");
	is_str(id.name, "Ada [31mL.", "the name, cleaned");
	is_str(id.via, "root@local", "via");
	is_int(id.scopes, SCOPE_START, "default scopes only");
	identity_release(&id);
	is_int(peer_identity(&conf, false, 0, &peer, "bot@local", &id, &e), 0, "a local user");
	is_str(id.name, "bot@local", "whose name is the id");
	identity_release(&id);
	is_int(peer_identity(&conf, false, 0, &peer, "ada; ", &id, &e), 0, "a blank name");
	is_str(id.name, "ada", "is none");
	identity_release(&id);
	is_str(peer_refusal(&conf, 0, ""), "this is not a valid user id", "nobody");
	is_int(e.code, ERR_BAD_REQUEST, "is a bad request");
	is_str(e.field, "x-collab-as", "that names the header");
	is_str(peer_refusal(&conf, 0, ";Ada"), "this is not a valid user id", "a name alone");
	is_str(peer_refusal(&conf, 0, "a b;Ada"), "this is not a valid user id", "a blank");
	is_str(peer_refusal(&conf, 0, "ada;\xff"), "the name is not valid UTF-8", "Latin-1");
	memset(as, 'a', sizeof as);
	as[sizeof as - 1] = '\0';
	is_str(peer_refusal(&conf, 0, as), "the user id is too long", "399 characters");
	is_str(peer_refusal(&conf, 3999999999, "ada"),
	       "only an administrator may act as another user", "a plain user");
	is_int(e.code, ERR_FORBIDDEN, "is forbidden");
	is_str(peer_refusal(&conf, 3999999999, ""), "only an administrator may act as another user",
	       "even with nothing in it");
	conf_release(&conf);
}

/* Membership by the group database: every login of some group, if this machine has one. */
static void test_admin_group(void)
{
	struct conf conf;
	struct group *g = NULL;
	struct passwd *user = NULL;
	bool has = false;
	gid_t gid = 0;

	conf_make(&conf, NULL, NULL);
	ok(peer_group(&conf, &has, &gid, &e) == 0 && !has, "no group configured");
	conf_text(&conf.admin_group, "no-such-group");
	is_str(why(peer_group(&conf, &has, &gid, &e)),
	       "server.admin_group: there is no group no-such-group", "an unknown group");
	setgrent();
	while (!user && (g = getgrent()))
		if (g->gr_mem[0])
			user = getpwnam(g->gr_mem[0]);
	if (!user)
		printf("# no group has a member here; its own group will do\n");
	if (!user)
		user = getpwuid(1);
	if (user) {
		struct peer peer = {.local = true, .uid = user->pw_uid, .gid = 77777};
		struct identity id = {0};

		gid = g ? g->gr_gid : user->pw_gid;
		is_int(peer_identity(&conf, true, gid, &peer, NULL, &id, &e), 0, "a member");
		ok(id.scopes & SCOPE_ADMIN, "is an administrator");
		identity_release(&id);
	}
	endgrent();
	conf_release(&conf);
}

int main(void)
{
	struct conf conf;
	struct auth *a = NULL;

	conf_make(&conf, SECRET "\n", NULL);
	ok(auth_new(&a, &conf, &e) == 0 && auth_has_keys(a), "a secret");
	test_request(a);
	test_tickets();
	auth_free(a);
	conf_release(&conf);
	test_without_keys();
	test_peers();
	test_acting_as();
	test_admin_group();
	scratch_remove();
	return done();
}
