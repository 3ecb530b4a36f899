# collabd and the pmr tools.  "make help" lists the targets.
#
# Variables: CC, CFLAGS, BUILD (the build directory), SANITIZE (e.g. address,undefined), V=1 (to see the
# commands), and for install: DESTDIR, PREFIX, BINDIR, SBINDIR, LIBDIR, INCLUDEDIR, MANDIR, SYSCONFDIR, …

VERSION   = 0.1.0
SOVERSION = 0

BUILD    ?= build
SANITIZE ?=
PREFIX   ?= /usr/local
BINDIR   ?= $(PREFIX)/bin
SBINDIR  ?= $(PREFIX)/sbin
LIBDIR   ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
DATADIR  ?= $(PREFIX)/share
MANDIR   ?= $(DATADIR)/man
SYSCONFDIR ?= /etc
DOCDIR   ?= $(DATADIR)/doc/collabd
PKGCONFIGDIR ?= $(LIBDIR)/pkgconfig
BASHCOMPDIR  ?= $(DATADIR)/bash-completion/completions
# Where Debian's shells look for what a package brings, and for what its administrator does.
ZSHCOMPDIR   ?= $(DATADIR)/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)
FISHCOMPDIR  ?= $(if $(filter /usr,$(PREFIX)),$(DATADIR)/fish/vendor_completions.d,$(SYSCONFDIR)/fish/completions)
UNITDIR      ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR  ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR  ?= $(PREFIX)/lib/tmpfiles.d
# Where the tools look for libcollab.so before the system does; empty: nowhere.
RPATH    ?= $$ORIGIN:$$ORIGIN/../lib

CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wformat=2 -Wvla -Wpointer-arith -Wwrite-strings $(if $(findstring clang,$(CC)),,-Wno-format-truncation)
CPPFLAGS_ALL = -D_POSIX_C_SOURCE=200809L -DCOLLAB_VERSION='"$(VERSION)"' \
               -DCOLLAB_SYSCONFDIR='"$(SYSCONFDIR)"' -Ilibcollab $(CPPFLAGS)
CFLAGS_ALL   = -std=c11 -fPIC -fvisibility=hidden $(WARN) $(CFLAGS) \
               $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
LDFLAGS_ALL  = $(LDFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# What each part links with; a program gets no more than it uses.
LIBS_PURE   = -ljansson -lcrypto -lm
LIBS_STORE  = -lsqlite3 -lpthread
LIBS_SERVER = -luv -lhttp_parser -ljose -linih -lcurl -lssl
LIBS_CLIENT = -lcurl -linih

# A line for what is made, or with V=1 the command.
Q    = $(if $(V),,@)
SAY  = $(if $(V),,@printf '  %-3s %s\n' $(1) $(2))

comma := ,
src  = $(wildcard libcollab/$(1)/*.c)
objs = $(patsubst %.c,$(BUILD)/%.o,$(1))

SRC_PURE   := $(call src,base) $(call src,core) $(call src,proto)
SRC_STORE  := $(call src,store)
SRC_SERVER := $(call src,server)
SRC_CLIENT := $(call src,client)
SRC_TOOLS  := $(wildcard cmd/pmr.c cmd/pmr-*.c)
TOOLS      := $(patsubst cmd/%.c,$(BUILD)/%,$(SRC_TOOLS))
# What the tools share (cmd/*.c that are no program and no part of one alone).
SRC_TOOLLIB := $(filter-out cmd/pmr% cmd/bench_% cmd/admin_% cmd/top_% cmd/collabd%,$(wildcard cmd/*.c))

OBJ_PURE   = $(call objs,$(SRC_PURE))
OBJ_STORE  = $(call objs,$(SRC_STORE))
OBJ_SERVER = $(call objs,$(SRC_SERVER))
OBJ_CLIENT = $(call objs,$(SRC_CLIENT))
OBJ_TOOLLIB = $(call objs,$(SRC_TOOLLIB))

# The hub without its sockets: what the simulation links.
NET      = net net_accept listen sock sock_http sock_out sock_ws tls loop sd
OBJ_HUB  = $(filter-out $(NET:%=$(BUILD)/libcollab/server/%.o),$(OBJ_SERVER))

SRC_UNIT  := $(wildcard tests/unit/test_*.c)
SRC_SIM   := $(wildcard tests/sim/test_*.c)
SRC_HELPER := $(wildcard tests/bats/helpers/*.c)
TESTS     := $(patsubst %.c,$(BUILD)/%,$(SRC_UNIT) $(SRC_SIM))
HELPERS   := $(patsubst tests/bats/helpers/%.c,$(BUILD)/tests/%,$(SRC_HELPER))

SOLIB     = $(BUILD)/libcollab.so.$(SOVERSION)
PROGRAMS  = $(if $(wildcard cmd/collabd.c),$(BUILD)/collabd) $(TOOLS)

.PHONY: all deps deps-demo deps-check deps-deb check check-deb deb test-programs unit bats lint asan tsan valgrind clang demo \
        install uninstall readme fuzz bench clean help FORCE
.DELETE_ON_ERROR:

all: $(PROGRAMS)

help:
	@sed -n 's/^# target: //p' Makefile

# Objects depend on the flags they were built with, so that changing CC or SANITIZE rebuilds.
FLAGS_LINE := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL)
$(BUILD)/flags: FORCE
	@mkdir -p $(BUILD)
	@printf '%s\n' '$(subst ','\'',$(FLAGS_LINE))' | cmp -s - $@ || printf '%s\n' '$(subst ','\'',$(FLAGS_LINE))' > $@
FORCE:

$(BUILD)/tests/%.o: CPPFLAGS_ALL += -Itests
$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

OBJ_COLLABD = $(call objs,$(wildcard cmd/collabd*.c)) $(BUILD)/cmd/tool_progress.o
$(BUILD)/collabd: $(OBJ_COLLABD) $(OBJ_SERVER) $(OBJ_STORE) $(OBJ_PURE)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SERVER) $(LIBS_STORE) $(LIBS_PURE)

$(SOLIB): $(OBJ_CLIENT) $(OBJ_PURE) libcollab/collab.map
	$(call SAY,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname,libcollab.so.$(SOVERSION) \
	    -Wl,--version-script=libcollab/collab.map -o $@ $(OBJ_CLIENT) $(OBJ_PURE) \
	    $(LIBS_CLIENT) $(LIBS_PURE)
	$(Q)ln -sf libcollab.so.$(SOVERSION) $(BUILD)/libcollab.so

# What one tool links with beyond what all of them do.  Its objects first, so that make builds them.
OBJ_TOOL_pmr-token  = $(BUILD)/libcollab/base/base64.o
LIBS_TOOL_pmr-token = -linih -lcrypto
$(BUILD)/pmr-token: $(OBJ_TOOL_pmr-token)
OBJ_TOOL_pmr  = $(call objs,$(wildcard cmd/pmr_*.c))
LIBS_TOOL_pmr = -lsmartcols
$(BUILD)/pmr: $(OBJ_TOOL_pmr)
OBJ_TOOL_pmr-top  = $(call objs,$(wildcard cmd/top_*.c))
LIBS_TOOL_pmr-top = -lncurses -ltinfo
$(BUILD)/pmr-top: $(OBJ_TOOL_pmr-top)
OBJ_TOOL_pmr-admin  = $(call objs,$(wildcard cmd/admin_*.c) $(addprefix libcollab/base/,sha256.c hex.c))
LIBS_TOOL_pmr-admin = -lcrypto
$(BUILD)/pmr-admin: $(OBJ_TOOL_pmr-admin)
OBJ_TOOL_pmr-bench  = $(call objs,$(wildcard cmd/bench_*.c))
$(BUILD)/pmr-bench: $(OBJ_TOOL_pmr-bench)

$(TOOLS): $(BUILD)/%: $(BUILD)/cmd/%.o $(OBJ_TOOLLIB) $(SOLIB)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $< $(OBJ_TOOLLIB) $(OBJ_TOOL_$*) -L$(BUILD) -lcollab \
	    $(if $(RPATH),-Wl$(comma)-rpath$(comma)'$(RPATH)') -ljansson -lm $(LIBS_TOOL_$*)

# Tests
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(OBJ_HUB) $(OBJ_STORE) $(OBJ_CLIENT) $(OBJ_PURE)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SERVER) $(LIBS_STORE) $(LIBS_CLIENT) $(LIBS_PURE)
$(BUILD)/tests/unit/test_top: $(BUILD)/cmd/top_model.o
$(BUILD)/tests/unit/test_bench: $(BUILD)/cmd/bench_hist.o $(BUILD)/cmd/bench_seen.o
$(BUILD)/tests/sim/%: $(BUILD)/tests/sim/%.o $(BUILD)/tests/sim/sim.o $(OBJ_HUB) $(OBJ_STORE) $(OBJ_PURE)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SERVER) $(LIBS_STORE) $(LIBS_PURE)
$(HELPERS): $(BUILD)/tests/%: $(BUILD)/tests/bats/helpers/%.o $(OBJ_PURE)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_PURE)

# The parts of a helper that is more than one file.  Its objects first, as with the tools.
$(BUILD)/tests/hammer: $(call objs,$(wildcard tests/bats/helpers/hammer/*.c))

# What is preloaded into a daemon: never with sanitizers.
PRELOADS := $(patsubst tests/bats/preload/%.c,$(BUILD)/tests/%.so,$(wildcard tests/bats/preload/*.c))
$(PRELOADS): $(BUILD)/tests/%.so: tests/bats/preload/%.c tests/bats/preload/preload.h
	@mkdir -p $(@D)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) -std=c11 -O1 -g -fPIC $(WARN) -shared -o $@ $<

# Every fuzz target over its corpus, without a fuzzer.
REPLAYS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/tests/fuzz/test_%,$(wildcard tests/fuzz/fuzz_*.c))
$(REPLAYS): $(BUILD)/tests/fuzz/test_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o \
    $(BUILD)/cmd/tool_cursor.o $(OBJ_HUB) $(OBJ_STORE) $(OBJ_PURE)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SERVER) $(LIBS_STORE) $(LIBS_PURE)

test-programs: $(TESTS) $(HELPERS) $(PRELOADS) $(REPLAYS) $(BUILD)/tests/bench/ops

# Benchmarks of the pure layers.
$(BUILD)/tests/bench/ops: $(BUILD)/tests/bench/ops.o $(OBJ_PURE)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_PURE)

# target: bench-ops    what text operations cost, one JSON object
.PHONY: bench-ops
bench-ops: $(BUILD)/tests/bench/ops
	@$(BUILD)/tests/bench/ops

# What is needed to build, and to test.  Missing packages are installed (as root, or with sudo).
DEPS = gcc libc6-dev pkg-config libuv1-dev libhttp-parser-dev libcurl4-openssl-dev libjansson-dev \
       libsqlite3-dev libjose-dev libssl-dev libinih-dev libsmartcols-dev libncurses-dev
DEPS_RUN = sqlite3 jq curl
DEPS_BENCH = libwebsockets-dev $(DEPS_RUN) procps
DEPS_CHECK = tmux bats bats-support bats-assert jq sqlite3 curl mandoc strace perl clang iproute2 \
             libclang-rt-14-dev clang-format binutils procps openssl python3-minimal git pkg-config systemd \
             zsh fish bash-completion diffutils debhelper dpkg-dev fakeroot

# target: deps         install what the build needs
deps:
	@sh dist/install-packages.sh $(DEPS)
deps-demo:
	@sh dist/install-packages.sh $(DEPS) $(DEPS_RUN)
deps-check:
	@sh dist/install-packages.sh $(DEPS) $(DEPS_CHECK)

# target: check        install what the tests need, build, run every test
check: deps-check
	$(MAKE) all test-programs
	BUILD=$(abspath $(BUILD)) sh tests/run.sh

# target: unit         the C tests only
unit: test-programs
	BUILD=$(abspath $(BUILD)) sh tests/run.sh unit sim fuzz

# target: bats         the tests with real processes only
bats: all test-programs
	BUILD=$(abspath $(BUILD)) sh tests/run.sh bats

# target: lint         layers, format, manuals, options
lint: all
	BUILD=$(abspath $(BUILD)) sh tests/run.sh lint

# target: asan         the C and process tests with AddressSanitizer and UBSan
asan:
	$(MAKE) BUILD=build-asan SANITIZE=address,undefined CFLAGS='-O1 -g' all test-programs
	BUILD=$(abspath build-asan) SANITIZED=address,undefined sh tests/run.sh unit sim fuzz bats

# target: tsan         the C and process tests with ThreadSanitizer
tsan:
	$(MAKE) BUILD=build-tsan CC=clang SANITIZE=thread CFLAGS='-O1 -g' all test-programs
	BUILD=$(abspath build-tsan) CC=clang SANITIZED=thread sh tests/run.sh unit sim fuzz bats

# target: valgrind     the C and process tests under valgrind: no error, nothing lost
VALGRIND = /usr/bin/valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --vgdb=no
valgrind:
	@sh dist/install-packages.sh valgrind
	$(MAKE) all test-programs
	BUILD=$(abspath $(BUILD)) VALGRIND='$(VALGRIND)' SHORT=1 PATIENCE=180 LIMIT=1800 sh tests/run.sh unit sim fuzz bats

# target: clang        build with clang, without warnings
clang:
	$(MAKE) BUILD=build-clang CC=clang CFLAGS='-O2 -g -Werror' all test-programs

# target: demo         install what is missing, build, and run a real session that explains itself
demo: deps-demo
	$(MAKE) all
	@BUILD=$(abspath $(BUILD)) sh dist/demo.sh

# The functions that libcollab(3) is about: man finds it by their names too.
LIBRARY_PAGES = $(shell sed -n 's/^\.Fn \(collab_[a-z_]*\) .*/\1/p' man/libcollab.3)

# target: install      programs, library, manuals, units, completions (DESTDIR, PREFIX, …)
#
# A configuration that is there already is left as it is.
PAGES       = $(wildcard man/*.[1-8])
TOOL_NAMES  = $(notdir $(TOOLS))
COMPLETED   = $(TOOL_NAMES) collabd
SUBSTITUTE  = sed -e 's|@PREFIX@|$(PREFIX)|g; s|@LIBDIR@|$(LIBDIR)|g; s|@INCLUDEDIR@|$(INCLUDEDIR)|g' \
                  -e 's|@SBINDIR@|$(SBINDIR)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g; s|@VERSION@|$(VERSION)|g'
# Every file that is installed; uninstall removes these.  The configuration only if nobody changed it.
INSTALLED   = $(SBINDIR)/collabd $(TOOL_NAMES:%=$(BINDIR)/%) $(INCLUDEDIR)/collab.h \
              $(LIBDIR)/libcollab.so.$(SOVERSION) $(LIBDIR)/libcollab.so $(PKGCONFIGDIR)/collab.pc \
              $(foreach p,$(PAGES),$(MANDIR)/man$(patsubst .%,%,$(suffix $(p)))/$(notdir $(p))) \
              $(COMPLETED:%=$(BASHCOMPDIR)/%) $(ZSHCOMPDIR)/_pmr $(COMPLETED:%=$(FISHCOMPDIR)/%.fish) \
              $(UNITDIR)/collabd.service $(UNITDIR)/collabd.socket $(SYSUSERSDIR)/collabd.conf \
              $(LIBRARY_PAGES:%=$(MANDIR)/man3/%.3) $(TMPFILESDIR)/collabd.conf $(DOCDIR)/README.md $(DOCDIR)/LICENSE \
              $(EXAMPLES:dist/%=$(DOCDIR)/examples/%)
EXAMPLES    = dist/prometheus/collabd.rules.yml dist/grafana/collabd.json
# Of a system's own directories none is removed, though it be empty.
KEPT        = $(if $(DESTDIR),,$(PREFIX) $(BINDIR) $(SBINDIR) $(LIBDIR) $(INCLUDEDIR) $(DATADIR) $(MANDIR) $(SYSCONFDIR))
# Others' programs find the library once this was run, by who may run it.
LDCONFIG    = $(if $(DESTDIR),,test ! -w /etc/ld.so.cache || PATH=$$PATH:/sbin:/usr/sbin ldconfig)
CONFIG      = $(DESTDIR)$(SYSCONFDIR)/collabd/collabd.conf

install: all
	install -d $(sort $(dir $(addprefix $(DESTDIR),$(INSTALLED)) $(CONFIG)))
	install -m 755 $(BUILD)/collabd $(DESTDIR)$(SBINDIR)/
	install -m 755 $(TOOLS) $(DESTDIR)$(BINDIR)/
	install -m 644 $(SOLIB) $(DESTDIR)$(LIBDIR)/
	ln -sf libcollab.so.$(SOVERSION) $(DESTDIR)$(LIBDIR)/libcollab.so
	install -m 644 libcollab/collab.h $(DESTDIR)$(INCLUDEDIR)/
	$(SUBSTITUTE) dist/collab.pc.in > $(DESTDIR)$(PKGCONFIGDIR)/collab.pc
	test -e $(CONFIG) || install -m 644 dist/collabd.conf $(CONFIG)
	for page in $(PAGES); do \
	    install -m 644 $$page $(DESTDIR)$(MANDIR)/man$${page##*.}/ || exit 1; done
	for function in $(LIBRARY_PAGES); do \
	    ln -sf libcollab.3 $(DESTDIR)$(MANDIR)/man3/$$function.3 || exit 1; done
	install -m 644 completions/pmr.bash $(DESTDIR)$(BASHCOMPDIR)/pmr
	for tool in $(filter-out pmr,$(COMPLETED)); do \
	    ln -sf pmr $(DESTDIR)$(BASHCOMPDIR)/$$tool || exit 1; done
	install -m 644 completions/_pmr $(DESTDIR)$(ZSHCOMPDIR)/_pmr
	install -m 644 completions/pmr.fish $(DESTDIR)$(FISHCOMPDIR)/pmr.fish
	for tool in $(filter-out pmr,$(COMPLETED)); do \
	    ln -sf pmr.fish $(DESTDIR)$(FISHCOMPDIR)/$$tool.fish || exit 1; done
	$(SUBSTITUTE) dist/systemd/collabd.service.in > $(DESTDIR)$(UNITDIR)/collabd.service
	install -m 644 dist/systemd/collabd.socket $(DESTDIR)$(UNITDIR)/
	install -m 644 dist/systemd/collabd.sysusers $(DESTDIR)$(SYSUSERSDIR)/collabd.conf
	install -m 644 dist/systemd/collabd.tmpfiles $(DESTDIR)$(TMPFILESDIR)/collabd.conf
	install -m 644 README.md LICENSE $(DESTDIR)$(DOCDIR)/
	for file in $(EXAMPLES:dist/%=%); do \
	    install -m 644 dist/$$file $(DESTDIR)$(DOCDIR)/examples/$$file || exit 1; done
	$(LDCONFIG)

# target: uninstall    remove what install put there (a configuration that was changed stays)
uninstall:
	rm -f $(addprefix $(DESTDIR),$(INSTALLED))
	! cmp -s dist/collabd.conf $(CONFIG) || rm -f $(CONFIG)
	for dir in $(sort $(dir $(INSTALLED)) $(SYSCONFDIR)/collabd/); do \
	    dir=$${dir%/}; \
	    while case " $(KEPT) " in *" $$dir "*) false;; esac && test -n "$$dir"; do \
	        test ! -d $(DESTDIR)$$dir || rmdir --ignore-fail-on-non-empty $(DESTDIR)$$dir || exit 1; \
	        test ! -d $(DESTDIR)$$dir || break; \
	        dir=$${dir%/*}; done; done
	$(LDCONFIG)

# target: readme       the core of README.md, from pmr(7)
readme:
	sh dist/readme-core.sh README.md

# target: fuzz         every fuzz target for SECONDS seconds (default 30), with its corpus
SECONDS ?= 30
FUZZ = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz:
	for t in $(FUZZ); do $(MAKE) fuzz-$$t || exit 1; done
fuzz-%:
	@mkdir -p build-fuzz/corpus-$*
	clang $(CPPFLAGS_ALL) -Itests -std=c11 -g -O1 -fsanitize=fuzzer,address,undefined -o build-fuzz/$* \
	    tests/fuzz/fuzz_$*.c $(SRC_PURE) $(FUZZ_SRC_$*) $(LIBS_SERVER) $(LIBS_STORE) $(LIBS_PURE)
	build-fuzz/$* -max_total_time=$(SECONDS) -timeout=10 build-fuzz/corpus-$* tests/fuzz/corpus/$*
FUZZ_SRC_http = $(wildcard libcollab/server/http*.c)
FUZZ_SRC_jwt  = $(filter-out $(NET:%=libcollab/server/%.c),$(SRC_SERVER)) $(SRC_STORE)
FUZZ_SRC_cursor = cmd/tool_cursor.c
FUZZ_SRC_conf = $(wildcard libcollab/server/conf*.c)

# target: deb          Debian packages in build-deb: collabd, pmr-tools, libcollab0, libcollab-dev
DEPS_DEB = build-essential debhelper fakeroot lintian
deps-deb:
	@sh dist/install-packages.sh $(DEPS) $(DEPS_DEB)
deb: deps-deb
	sh dist/make-deb.sh build-deb

# target: check-deb    build the packages, install them beside the system, run a session
check-deb: deps-check deb
	$(MAKE) test-programs
	BUILD=$(abspath $(BUILD)) DEB=$(abspath build-deb) sh tests/one.sh tests/deb/packages.bats

# target: bench        measure beside what sockets and disk allow (ten minutes; QUICK=1: one)
LIBS_BENCH_limit = $(OBJ_PURE) $(LIBS_PURE)
LIBS_BENCH_disk  = -lsqlite3
LIBS_BENCH_lws   = -lwebsockets
bench:
	@sh dist/install-packages.sh $(DEPS) $(DEPS_BENCH)
	$(MAKE) all $(BUILD)/bench/limit $(BUILD)/bench/disk $(BUILD)/bench/lws
	BUILD=$(abspath $(BUILD)) bash tests/bench/run.sh
	@echo && echo '# text operations on 1 MiB (tests/bench/ops.c)' && $(MAKE) --no-print-directory bench-ops
$(BUILD)/bench/limit: $(OBJ_PURE)
$(BUILD)/bench/%: tests/bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call SAY,LD,$@)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(filter-out -Wpedantic -Wstrict-prototypes,$(CFLAGS_ALL)) $(LDFLAGS_ALL) -o $@ $< $(LIBS_BENCH_$*)

# target: clean        remove what was built
clean:
	rm -rf $(BUILD) build-asan build-tsan build-clang build-fuzz build-deb

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
