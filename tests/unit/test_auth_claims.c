/* What the claims of a token give: times, audience, issuer, user, name, scopes. */
#include "../tap.h"
#include "auth_tools.h"

static void test_times(void)
{
	static const struct {
		const char *payload;
		int64_t at_s; /* from NOW */
		const char *want;
	} cases[] = {
		{"{\"sub\":\"a\",\"exp\":1700000000}", -1, ""},
		{"{\"sub\":\"a\",\"exp\":1700000000}", 29, ""},
		{"{\"sub\":\"a\",\"exp\":1700000000}", 30, "the token has expired"},
		{"{\"sub\":\"a\",\"exp\":1700000000.5}", 30, ""},
		{"{\"sub\":\"a\",\"exp\":0}", 0, "the token has expired"},
		{"{\"sub\":\"a\",\"exp\":-1e300}", 0, "the token has expired"},
		{"{\"sub\":\"a\",\"exp\":1e300}", 0, ""},
		{"{\"sub\":\"a\",\"exp\":9223372036854775807}", 0, ""},
		{"{\"sub\":\"a\",\"exp\":\"1700000000\"}", 0, "the token's exp is not a number"},
		{"{\"sub\":\"a\",\"exp\":null}", 0, "the token's exp is not a number"},
		{"{\"sub\":\"a\",\"nbf\":1700000000}", -30, ""},
		{"{\"sub\":\"a\",\"nbf\":1700000000}", -31, "the token is not valid yet"},
		{"{\"sub\":\"a\",\"nbf\":1e300}", 0, "the token is not valid yet"},
		{"{\"sub\":\"a\",\"nbf\":true}", 0, "the token's nbf is not a number"},
		{"{\"sub\":\"a\",\"iat\":99999999999}", 0, ""},
		{"{\"sub\":\"a\"}", 2000000000, ""},
	};
	struct identity id = {0};
	char *token = NULL;

	auth_start(SECRET, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		token = token_simple(cases[i].payload);
		is_str(refusal_at(token, NOW + cases[i].at_s * 1000, &id), cases[i].want,
		       cases[i].payload);
		identity_release(&id);
		free(token);
	}
	token = token_simple("{\"sub\":\"a\",\"exp\":1700000000,\"nbf\":1700000000}");
	is_str(refusal_at(token, NOW, &id), "", "checked once");
	is_int(id.expires_ms, NOW + 30000, "expires_ms counts the leeway in");
	identity_release(&id);
	is_str(refusal_at(token, NOW + 1, &id), "", "remembered");
	is_str(id.user_id, "a", "remembered: the user");
	identity_release(&id);
	is_str(refusal_at(token, NOW + 30000, &id), "the token has expired",
	       "what is remembered expires");
	is_str(refusal_at(token, NOW - 31000, &id), "the token is not valid yet",
	       "what is remembered is checked again when the clock goes back");
	free(token);
	token = token_simple("{\"sub\":\"a\"}");
	is_str(refusal_at(token, NOW, &id), "", "no exp");
	ok(id.expires_ms == INT64_MAX, "no exp: never expires");
	identity_release(&id);
	free(token);
	auth_stop();
}

static void test_parties(void)
{
	static const char *const cases[][2] = {
		{"{\"sub\":\"a\",\"aud\":\"collab\",\"iss\":\"https://id\"}", ""},
		{"{\"sub\":\"a\",\"aud\":[\"x\",\"collab\"],\"iss\":\"https://id\"}", ""},
		{"{\"sub\":\"a\",\"aud\":[\"x\"],\"iss\":\"https://id\"}",
	         "the token is for another audience"},
		{"{\"sub\":\"a\",\"aud\":[],\"iss\":\"https://id\"}",
	         "the token is for another audience"},
		{"{\"sub\":\"a\",\"aud\":{\"collab\":1},\"iss\":\"https://id\"}",
	         "the token is for another audience"},
		{"{\"sub\":\"a\",\"aud\":\"collab2\",\"iss\":\"https://id\"}",
	         "the token is for another audience"},
		{"{\"sub\":\"a\",\"iss\":\"https://id\"}", "the token is for another audience"},
		{"{\"sub\":\"a\",\"aud\":\"collab\"}", "the token is from another issuer"},
		{"{\"sub\":\"a\",\"aud\":\"collab\",\"iss\":\"https://id/\"}",
	         "the token is from another issuer"},
		{"{\"sub\":\"a\",\"aud\":\"collab\",\"iss\":[\"https://id\"]}",
	         "the token is from another issuer"},
	};

	auth_start(SECRET, NULL);
	is_str(refusal(token_simple("{\"sub\":\"a\",\"aud\":\"x\",\"iss\":\"y\"}")), "",
	       "none configured: any audience, any issuer");
	conf_text(&the_conf.audience, "collab");
	conf_text(&the_conf.issuer, "https://id");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		is_str(refusal(token_simple(cases[i][0])), cases[i][1], cases[i][0]);
	auth_stop();
}

static void test_subjects(void)
{
	static const char *const cases[][2] = {
		{"{\"sub\":\"0190d2c4-5a80-7c3e-9b11-2f4f6d1c7e55\"}", ""},
		{"{\"sub\":\"ada@example.org\"}", ""},
		{"{\"sub\":\"ada@locally\"}", ""},
		{"{\"sub\":\"ada@local\"}", "the token's sub is that of a local user"},
		{"{\"sub\":\"local\"}", ""},
		{"{\"sub\":\"@local\"}", "the token's sub is not a valid user id"},
		{"{\"sub\":\"\"}", "the token's sub is not a valid user id"},
		{"{\"sub\":\"a b\"}", "the token's sub is not a valid user id"},
		{"{\"sub\":\"auth0|7\"}", "the token's sub is not a valid user id"},
		{"{\"sub\":7}", "the token has no sub"},
		{"{\"name\":\"Ada\"}", "the token has no sub"},
		{"{\"sub\":\"a\\u0000@local\"}", "the token is malformed"},
	};

	auth_start(SECRET, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		is_str(refusal(token_simple(cases[i][0])), cases[i][1], cases[i][0]);
	auth_stop();
}

static void test_names(void)
{
	static const char *const cases[][3] = {
		/* claims, name, email */
		{"{\"sub\":\"u\",\"name\":\"Ada\",\"user_metadata\":{\"full_name\":\"B\"},"
	         "\"email\":\"a@b\"}",
	         "Ada", "a@b"},
		{"{\"sub\":\"u\",\"user_metadata\":{\"full_name\":\"Bea\"},\"email\":\"a@b\"}",
	         "Bea", "a@b"},
		{"{\"sub\":\"u\",\"user_metadata\":[\"full_name\"],\"email\":\"a@b\"}", "a@b",
	         "a@b"},
		{"{\"sub\":\"u\",\"email\":\"a@b\"}", "a@b", "a@b"},
		{"{\"sub\":\"u\"}", "u", NULL},
		{"{\"sub\":\"u\",\"name\":\" \\u0007\\u009b \",\"email\":7}", "u", NULL},
		{"{\"sub\":\"u\",\"name\":\"  A\\u001b[31m\\u0085da  L. \\u2028\"}", "A[31mda  L.",
	         NULL},
		{"{\"sub\":\"u\",\"name\":\"Zo\\u00eb \\ud83d\\ude00\"}",
	         "Zo\xc3\xab \xf0\x9f\x98\x80", NULL},
		{"{\"sub\":\"u\",\"email\":\"a b@c\"}", "a b@c", NULL},
	};
	char payload[700] = "{\"sub\":\"u\",\"name\":\"", *token = NULL;
	struct identity id = {0};

	auth_start(SECRET, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		token = token_simple(cases[i][0]);
		is_str(refusal_at(token, NOW, &id), "", cases[i][0]);
		is_str(id.name, cases[i][1], "its name");
		is_str(id.email, cases[i][2], "its email");
		identity_release(&id);
		free(token);
	}
	for (int i = 0; i < 100; i++) /* 100 times three bytes */
		(void)strcat(payload, "\xe2\x82\xac");
	(void)strcat(payload, "\"}");
	token = token_simple(payload);
	is_str(refusal_at(token, NOW, &id), "", "a long name");
	is_int(strlen(id.name), 255, "is cut at a code point");
	identity_release(&id);
	free(token);
	auth_stop();
}

static void test_scopes(void)
{
	static const struct {
		const char *payload;
		unsigned scopes;
		const char *start_only;
	} cases[] = {
		{"{\"sub\":\"u\"}", SCOPE_START, NULL},
		{"{\"sub\":\"u\",\"scope\":\"\"}", 0, NULL},
		{"{\"sub\":\"u\",\"scope\":\"openid profile\"}", 0, NULL},
		{"{\"sub\":\"u\",\"scope\":\" collab:read  collab:metrics \"}",
	         SCOPE_READ | SCOPE_METRICS, NULL},
		{"{\"sub\":\"u\",\"scope\":\"collab:admin collab:start\"}",
	         SCOPE_ADMIN | SCOPE_START, NULL},
		{"{\"sub\":\"u\",\"scope\":\"collab:start:pmr-* collab:start:\"}", 0, "pmr-*"},
		{"{\"sub\":\"u\",\"scope\":\"collab:start:a? collab:read collab:start:[bc]\"}",
	         SCOPE_READ, "a? [bc]"},
		{"{\"sub\":\"u\",\"scope\":\"collab:administrator Collab:admin collab:admi\"}", 0,
	         NULL},
	};
	struct identity id = {0};
	char *token = NULL;

	auth_start(SECRET, NULL);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		token = token_simple(cases[i].payload);
		is_str(refusal_at(token, NOW, &id), "", cases[i].payload);
		is_int(id.scopes, cases[i].scopes, "its scopes");
		is_str(id.start_only, cases[i].start_only, "its globs");
		identity_release(&id);
		free(token);
	}
	is_str(refusal(token_simple("{\"sub\":\"u\",\"scope\":[\"collab:read\"]}")),
	       "the token's scope is not a string", "scope must be a string");
	auth_stop();
	id = (struct identity){.start_only = "pmr-* a?  [bc]"};
	ok(identity_may_start(&id, "pmr-2024-01"), "a glob that matches");
	ok(identity_may_start(&id, "ax"), "another one");
	ok(identity_may_start(&id, "c"), "the last one");
	ok(!identity_may_start(&id, "x-pmr-1"), "globs match whole ids");
	ok(!identity_may_start(&(struct identity){.scopes = SCOPE_READ}, "x"),
	   "no scope, no start");
	ok(identity_may_start(&(struct identity){.scopes = SCOPE_START}, "x"), "collab:start");
	ok(identity_may_start(&(struct identity){.scopes = SCOPE_ADMIN}, "x"), "collab:admin");
}

int main(void)
{
	test_times();
	test_parties();
	test_subjects();
	test_names();
	test_scopes();
	scratch_remove();
	return done();
}
