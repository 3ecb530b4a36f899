/* Configuration: what a file gives, what is wrong with it and where, and defaults. */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../tap.h"
#include "server/conf.h"
#include "server/conf_parts.h"

static struct err e;

/* Files that are refused, and the whole message. */
static const char *const refused[][2] = {
	{"data_dir = /x\n", "f:1: the key data_dir stands before any section"},
	{"[serve]\n", "f:1: there is no section [serve]; did you mean [server]?"},
	{"[server]\n\n[Auth]\nx = 1\n", "f:3: there is no section [Auth]; did you mean [auth]?"},
	{"[nothing like it]\n", "f:1: there is no section [nothing like it]"},
	{"[]\n", "f:1: there is no section []"},
	{"# c\n[server]\nlsten = x\n",
         "f:3: there is no key lsten in [server]; did you mean listen?"},
	{"[server]\naudience = x\n",
         "f:2: there is no key audience in [server]; it belongs in [auth]"},
	{"[server]\nframe_bytes = 1\n",
         "f:2: there is no key frame_bytes in [server]; it belongs in [limits]"},
	{"[tls]\nzzzzzzzz = 1\n", "f:2: there is no key zzzzzzzz in [tls]"},
	{"[limits]\nframe_byte = 1\n",
         "f:2: there is no key frame_byte in [limits]; did you mean frame_bytes?"},
	{"[limits]\nSections = 1\n",
         "f:2: there is no key Sections in [limits]; did you mean sections?"},
	{"[server]\nlisten = none\n\nlisten = none\n", "f:4: listen was set already, in line 2"},
	{"[limits]\nrefs = 16\n[server]\n[limits]\nrefs = 17\n",
         "f:5: refs was set already, in line 2"},
	{"[limits]\nframe_bytes = 1023\n", "f:2: frame_bytes: this must be from 1024 to 67108864"},
	{"[limits]\nframe_bytes = 67108865\n",
         "f:2: frame_bytes: this must be from 1024 to 67108864"},
	{"[limits]\nframe_bytes = 99999999999999999999\n",
         "f:2: frame_bytes: this must be from 1024 to 67108864"},
	{"[limits]\nframe_bytes =\n", "f:2: frame_bytes: this must be a whole number"},
	{"[limits]\nframe_bytes = 1M\n", "f:2: frame_bytes: this must be a whole number"},
	{"[limits]\nframe_bytes = 0x800\n", "f:2: frame_bytes: this must be a whole number"},
	{"[limits]\nframe_bytes = 02048\n", "f:2: frame_bytes: this must be a whole number"},
	{"[limits]\nframe_bytes = +2048\n", "f:2: frame_bytes: this must be a whole number"},
	{"[limits]\nframe_bytes = -1\n", "f:2: frame_bytes: this must be a whole number"},
	{"[limits]\nframe_bytes = 2048.0\n", "f:2: frame_bytes: this must be a whole number"},
	{"[limits]\nframe_bytes = 2 048\n", "f:2: frame_bytes: this must be a whole number"},
	{"[auth]\nleeway_seconds = 301\n", "f:2: leeway_seconds: this must be from 0 to 300"},
	{"[presence]\ncursor_seconds = 0\n", "f:2: cursor_seconds: this must be from 1 to 86400"},
	{"[server]\nlog_text = maybe\n", "f:2: log_text: this must be yes or no"},
	{"[server]\nlog_text =\n", "f:2: log_text: this must be yes or no"},
	{"[server]\nlog_level = Info\n",
         "f:2: log_level: this must be error, warning, notice, info or debug"},
	{"[server]\ndurability = memory\n",
         "f:2: durability: this must be fsynced: there is no weaker mode"},
	{"[server]\nlisten = 8765\n", "f:2: listen: 8765 is not ADDRESS:PORT or [V6ADDRESS]:PORT"},
	{"[server]\nlisten = 1.2.3.4:\n",
         "f:2: listen: the port of 1.2.3.4: must be from 0 to 65535"},
	{"[server]\nlisten = 1.2.3.4:65536\n",
         "f:2: listen: the port of 1.2.3.4:65536 must be from 0 to 65535"},
	{"[server]\nlisten = 1.2.3.4:8o\n",
         "f:2: listen: the port of 1.2.3.4:8o must be from 0 to 65535"},
	{"[server]\nlisten = 1.2.3.4:1, ::1:80\n",
         "f:2: listen: the IPv6 address of ::1:80 needs [ and ]"},
	{"[server]\nlisten = [::1:80\n", "f:2: listen: [::1:80 holds no IPv6 address in [ and ]"},
	{"[server]\nlisten = [::1%]:80\n",
         "f:2: listen: [::1%]:80 holds no IPv6 address in [ and ]"},
	{"[server]\nlisten = []:80\n", "f:2: listen: []:80 holds no IPv6 address in [ and ]"},
	{"[server]\nlisten = [fe80::x]:80\n",
         "f:2: listen: [fe80::x]:80 holds no IPv6 address in [ and ]"},
	{"[server]\nlisten = localhost:80\n", "f:2: listen: localhost:80 holds no numeric address"},
	{"[server]\nlisten = 1.2.3:80\n", "f:2: listen: 1.2.3:80 holds no numeric address"},
	{"[server]\nlisten = , ,\n", "f:2: listen: this list holds nothing"},
	{"[server]\nallowed_origins = https://a, example.org\n",
         "f:2: allowed_origins: example.org is not an origin, such as https://example.org"},
	{"[server]\nallowed_origins = https://a/\n",
         "f:2: allowed_origins: https://a/ is not an origin, such as https://example.org"},
	{"[server]\npublic_url = https://a\n",
         "f:2: public_url: this must begin with ws:// or wss:// and a host"},
	{"[server]\npublic_url = wss://\n",
         "f:2: public_url: this must begin with ws:// or wss:// and a host"},
	{"[server]\npublic_url = wss://a/\n",
         "f:2: public_url: this must be a URL without query or final slash"},
	{"[auth]\njwks = ftp://a/b\n", "f:2: jwks: this must be a file or an https:// URL"},
	{"[auth]\ndefault_scopes = collab:start read\n",
         "f:2: default_scopes: there is no scope read"},
	{"[auth]\ndefault_scopes = collab:start:\n",
         "f:2: default_scopes: there is no scope collab:start:"},
	{"[server]\ndata_dir = /x # here\n",
         "f:2: a comment with # needs a line of its own; after a value it is ;"},
	{"[server]\ndata_dir = # here\n",
         "f:2: a comment with # needs a line of its own; after a value it is ;"},
	{"[server]\nlisten\n", "f:2: this is neither [section] nor key = value nor a comment"},
	{"[server\n[auth]\nx=1\n", "f:1: this is neither [section] nor key = value nor a comment"},
	{"[server]\nlisten\nlog_text = maybe\n",
         "f:2: this is neither [section] nor key = value nor a comment"},
	{"[server]\ndata_dir = /\xff\n", "f:2: this line is not valid UTF-8"},
	{"# \xed\xa0\x80\n", "f:1: this line is not valid UTF-8"},
	{"[server]\ndata_dir = /a\x1b[31m\n", "f:2: this line holds a control character"},
	{"[server]\ndata_dir = /a\rb\n", "f:2: this line holds a control character"},
};

static void test_refused(void)
{
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		struct conf c;
		char name[32];
		int rc = conf_init(&c, &e);

		if (!rc)
			rc = conf_parse(&c, "f", refused[i][0], strlen(refused[i][0]), &e);
		(void)snprintf(name, sizeof name, "what is wrong with file %zu", i);
		is_str(rc == ERR_CONFIG ? e.text : "taken", refused[i][1], name);
		conf_release(&c);
	}
}

/* Lines as long as they may be, and longer; a NUL, which no string can hold. */
static void test_long_lines(void)
{
	struct conf c;
	char text[5000] = "[server]\ndata_dir = /";
	size_t len = strlen(text);

	is_int(conf_init(&c, &e), 0, "defaults");
	memset(text + len, 'a', sizeof text - len);
	is_int(conf_parse(&c, "f", text, 9 + 4000, &e), 0, "a line of 4000 bytes");
	is_int(strlen(c.data_dir), 4000 - 11, "is read whole");
	is_int(conf_parse(&c, "f", text, 9 + 4001, &e), ERR_CONFIG, "a line of 4001 bytes");
	is_str(e.text, "f:2: this line is longer than 4000 bytes", "is refused");
	memcpy(text, "[tls]\n# \0\n", 10);
	is_int(conf_parse(&c, "f", text, 10, &e), ERR_CONFIG, "a NUL");
	is_str(e.text, "f:2: this line holds a control character", "is refused");
	conf_release(&c);
}

static void test_defaults(void)
{
	struct conf c;
	int n, limits;

	is_int(conf_init(&c, &e), 0, "defaults");
	is_str(c.listen, "127.0.0.1:8765", "listen");
	is_str(c.data_dir, "", "data_dir");
	is_str(c.default_scopes, "collab:start", "default_scopes");
	is_int(c.leeway_seconds, 30, "leeway_seconds");
	is_int(c.level, LOG_INFO, "log_level");
	ok(!c.log_text, "log_text");
	is_int(c.limits.frame_bytes, 1048576, "frame_bytes");
	for (int i = 0; conf_rows(&n) && i < n; i++)
		if (strcmp(conf_rows(&n)[i].type, "INT") == 0)
			ok(atoll(conf_rows(&n)[i].def) >= conf_rows(&n)[i].min &&
			           atoll(conf_rows(&n)[i].def) <= conf_rows(&n)[i].max,
			   "the default of %s is in its range", conf_rows(&n)[i].key);
	for (int i = 0; limit_rows(&limits) && i < limits; i++)
		ok(limit_rows(&limits)[i].def >= limit_rows(&limits)[i].min &&
		           limit_rows(&limits)[i].def <= limit_rows(&limits)[i].max,
		   "the default of %s is in its range", limit_rows(&limits)[i].name);
	conf_release(&c);
	conf_release(&(struct conf){0});
}

static void test_values(void)
{
	static const char text[] =
		"\xef\xbb\xbf[server]\r\n"
		"; a comment\n"
		"  data_dir = /srv/collab ; and another\n"
		"\tlisten: [::1]:0, [fe80::1%eth0]:80 ,127.0.0.1:65535, *:1, :2\n"
		"log_level = debug\n"
		"log_text = ON\n"
		"metrics_public = 1\n"
		"allowed_origins = https://a.example:8443, http://[::1]:3000, *\n"
		"public_url = wss://collab.example/team\n"
		"[auth]\n"
		"jwks = https://id.example/keys?a=b;c\n"
		"audience = collab service\n"
		"default_scopes = collab:read collab:start:pmr-*\n"
		"issuer =\n"
		"[limits]\n"
		"section_bytes = 0\n"
		"refs = 65536";
	struct conf c;

	is_int(conf_init(&c, &e), 0, "defaults");
	is_int(conf_parse(&c, "f", text, strlen(text), &e), 0, "a file");
	if (e.code)
		printf("# %s\n", e.text);
	is_str(c.file, "f", "its name");
	is_str(c.data_dir, "/srv/collab", "a path, and a comment after it");
	is_str(c.listen, "[::1]:0, [fe80::1%eth0]:80 ,127.0.0.1:65535, *:1, :2", "addresses");
	is_int(c.level, LOG_DEBUG, "the level, parsed");
	ok(c.log_text && c.metrics_public, "booleans");
	is_str(c.jwks, "https://id.example/keys?a=b;c", "a ; without blank is no comment");
	is_str(c.audience, "collab service", "a blank inside");
	is_str(c.issuer, "", "nothing is the default");
	is_int(c.limits.section_bytes, 0, "a limit that is off");
	is_int(c.limits.refs, 65536, "a last line without newline");
	is_int(c.lines[CONF_AT_data_dir], 3, "the line of a key");
	is_int(c.lines[CONF_AT_socket], 0, "a key that is not there");
	is_int(conf_parse(&c, "g", "", 0, &e), 0, "an empty file");
	is_int(c.lines[CONF_AT_data_dir], 0, "sets nothing");
	conf_release(&c);
}

static void test_set(void)
{
	struct conf c;

	is_int(conf_init(&c, &e), 0, "defaults");
	is_int(conf_set(&c, "server.listen", "none", &e), 0, "a setting");
	is_str(c.listen, "none", "is set");
	is_int(conf_set(&c, "server.listen", "", &e), 0, "nothing");
	is_str(c.listen, "127.0.0.1:8765", "is the default");
	is_int(conf_set(&c, "limits.refs", "17", &e), 0, "a limit");
	is_int(c.limits.refs, 17, "is set");
	is_int(conf_set(&c, "limits.refs", "15", &e), ERR_CONFIG, "out of range");
	is_str(e.text, "limits.refs: this must be from 16 to 65536", "says what is wrong");
	is_int(c.limits.refs, 17, "changes nothing");
	is_int(conf_set(&c, "auth.default_scopes", "none", &e), 0, "no scopes");
	is_int(conf_set(&c, "server.data_dir", "/a\nb", &e), ERR_CONFIG, "a newline");
	is_str(e.text, "server.data_dir: this holds a control character", "is refused");
	is_int(conf_set(&c, "server.data_dir", "/\xff", &e), ERR_CONFIG, "Latin-1");
	is_str(e.text, "server.data_dir: this is not valid UTF-8", "is refused");
	is_int(conf_set(&c, "listen", "none", &e), ERR_CONFIG, "no section");
	is_str(e.text, "listen is not a setting; they are named section.key", "says so");
	is_int(conf_set(&c, "server.liste", "none", &e), ERR_CONFIG, "an unknown key");
	is_str(e.text, "there is no key liste in [server]; did you mean listen?", "says so");
	is_int(conf_set(&c, "a.b", "1", NULL), ERR_CONFIG, "nobody asks why");
	conf_release(&c);
}

/* The three variables that conf_finish looks at; NULL unsets one. */
static void environment(const char *home, const char *state, const char *runtime)
{
	const char *const names[] = {"HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"};
	const char *const values[] = {home, state, runtime};

	for (int i = 0; i < 3; i++)
		if (values[i] ? setenv(names[i], values[i], 1) : unsetenv(names[i]))
			abort();
}

static void is_paths(const char *data_dir, const char *socket, const char *name)
{
	struct conf c;

	is_int(conf_init(&c, &e), 0, name);
	is_int(conf_finish(&c, &e), 0, "is finished");
	is_str(c.data_dir, data_dir, "data_dir");
	is_str(c.socket, socket, "socket");
	conf_release(&c);
}

static void test_paths(void)
{
	bool root = geteuid() == 0;
	char long_path[200];
	struct conf c;

	if (root) {
		environment("/h", "/s", "/r");
		is_paths("/var/lib/collabd", "/run/collabd/collabd.sock", "root");
		/* Any other user will do for the rest. */
		if (seteuid(12345))
			abort();
	}
	environment("/h", "/s", "/r");
	is_paths("/s/collabd", "/r/collabd.sock", "XDG_STATE_HOME and XDG_RUNTIME_DIR");
	environment("/h", NULL, NULL);
	is_paths("/h/.local/state/collabd", "/h/.local/state/collabd/collabd.sock", "HOME alone");
	environment("/h", "relative", "");
	is_paths("/h/.local/state/collabd", "/h/.local/state/collabd/collabd.sock",
	         "relative and empty ones");
	if (root) {
		environment(NULL, NULL, "/r");
		is_int(conf_init(&c, &e), 0, "no home at all");
		is_int(conf_finish(&c, &e), ERR_CONFIG, "is refused");
		is_str(e.text,
		       "server.data_dir: must be set, as neither XDG_STATE_HOME nor HOME is",
		       "says what to do");
		conf_release(&c);
		if (seteuid(0))
			abort();
	}
	environment("/h", "/s", "/r");
	memset(long_path, 'a', sizeof long_path);
	long_path[0] = '/';
	long_path[107] = '\0';
	is_int(conf_init(&c, &e), 0, "defaults");
	is_int(conf_set(&c, "server.socket", long_path, &e), 0, "a path of 107 bytes");
	is_int(conf_finish(&c, &e), 0, "fits a socket");
	long_path[107] = 'a';
	long_path[108] = '\0';
	is_int(conf_set(&c, "server.socket", long_path, &e), 0, "one of 108");
	is_int(conf_finish(&c, &e), ERR_CONFIG, "does not");
	is_str(e.text, "server.socket: the path of a Unix socket can have 107 bytes at the most",
	       "why");
	is_int(conf_set(&c, "server.socket", "none", &e), 0, "no socket");
	is_int(conf_finish(&c, &e), 0, "is fine");
	is_str(c.socket, "none", "and stays none");
	conf_release(&c);
}

/* The message of conf_finish for a file, "" for a good one. */
static const char *finish(const char *text)
{
	struct conf c;
	int rc = conf_init(&c, &e);

	if (!rc)
		rc = conf_parse(&c, "f", text, strlen(text), &e);
	if (!rc)
		rc = conf_finish(&c, &e);
	conf_release(&c);
	return rc ? e.text : "";
}

static void test_together(void)
{
	char path[] = "/tmp/collab-conf-XXXXXX", text[200], want[200];
	int fd = mkstemp(path);
	struct conf c;

	is_str(finish("[tls]\ncertificate = /c\nkey = /k\n"), "", "certificate and key");
	is_str(finish("[tls]\ncertificate = /c\n"), "f:2: a certificate needs a key",
	       "certificate alone");
	is_str(finish("\n[tls]\nkey = /k\n"), "f:3: a key needs a certificate", "key alone");
	is_str(finish("[auth]\nsecret_file = /no/such\n"),
	       "f:2: /no/such cannot be read: No such file or directory", "no secret file");
	(void)snprintf(text, sizeof text, "[auth]\nsecret_file = %s\n", path);
	is_str(finish(text), "", "a secret file of mode 0600");
	(void)fchmod(fd, 0640);
	(void)snprintf(want, sizeof want, "f:2: %s must be readable by its owner alone (mode 0600)",
	               path);
	is_str(finish(text), want, "a secret file of mode 0640");
	(void)close(fd);
	(void)unlink(path);
	is_int(conf_init(&c, &e), 0, "defaults");
	is_int(conf_parse(&c, "f", "[tls]\nkey = /k\n", 15, &e), 0, "a file");
	is_int(conf_set(&c, "tls.key", "/other", &e), 0, "and a flag over it");
	is_int(conf_finish(&c, &e), ERR_CONFIG, "do not fit");
	is_str(e.text, "tls.key: a key needs a certificate", "and no line is to blame");
	conf_release(&c);
}

static void test_read(void)
{
	char path[] = "/tmp/collab-conf-XXXXXX", want[200];
	int fd = mkstemp(path);
	struct conf c;

	is_int(conf_init(&c, &e), 0, "defaults");
	is_int(write(fd, "[auth]\naudience = a\nx = 1\n", 26), 26, "a file");
	is_int(conf_read(&c, path, &e), ERR_CONFIG, "is refused");
	(void)snprintf(want, sizeof want, "%s:3: there is no key x in [auth]", path);
	is_str(e.text, want, "with its name and the line");
	is_int(ftruncate(fd, 20), 0, "without that line");
	is_int(conf_read(&c, path, &e), 0, "it is read");
	is_str(c.audience, "a", "and taken");
	is_int(ftruncate(fd, (1 << 20) + 1), 0, "too large");
	is_int(conf_read(&c, path, &e), ERR_CONFIG, "is refused");
	(void)snprintf(want, sizeof want, "%s: is larger than 1 MiB", path);
	is_str(e.text, want, "and why");
	(void)close(fd);
	(void)unlink(path);
	is_int(conf_read(&c, "/no/such", &e), ERR_CONFIG, "no file");
	is_str(e.text, "/no/such: cannot be opened: No such file or directory", "and why");
	is_int(conf_read(&c, "/", &e), ERR_CONFIG, "a directory");
	is_str(e.text, "/: cannot be read: Is a directory", "and why");
	conf_release(&c);
}

int main(void)
{
	test_refused();
	test_long_lines();
	test_defaults();
	test_values();
	test_set();
	test_paths();
	test_together();
	test_read();
	return done();
}
