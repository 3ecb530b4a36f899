# collabd and the pmr tools.  "make help" lists the targets.
#
# Variables: CC, CFLAGS, BUILD (the build directory), SANITIZE (e.g. address,undefined), and for
# install: DESTDIR, PREFIX, BINDIR, SBINDIR, LIBDIR, INCLUDEDIR, MANDIR, SYSCONFDIR, ...

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

CFLAGS  ?= -O2 -g
WARN     = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wformat=2 -Wvla -Wpointer-arith -Wwrite-strings -Wno-format-truncation
CPPFLAGS_ALL = -D_POSIX_C_SOURCE=200809L -DCOLLAB_VERSION='"$(VERSION)"' \
               -DCOLLAB_SYSCONFDIR='"$(SYSCONFDIR)"' -Ilibcollab $(CPPFLAGS)
CFLAGS_ALL   = -std=c11 -fPIC -fvisibility=hidden $(WARN) $(CFLAGS) \
               $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
LDFLAGS_ALL  = $(LDFLAGS) $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# What each part links with; a program gets no more than it uses.
LIBS_PURE   = -ljansson -lcrypto -lm
LIBS_STORE  = -lsqlite3 -lpthread
LIBS_SERVER = -lwebsockets -luv -ljose -linih -lssl
LIBS_CLIENT = -lwebsockets -luv -lcurl -lssl

src  = $(wildcard libcollab/$(1)/*.c)
objs = $(patsubst %.c,$(BUILD)/%.o,$(1))

SRC_PURE   := $(call src,base) $(call src,core) $(call src,proto)
SRC_STORE  := $(call src,store)
SRC_SERVER := $(call src,server)
SRC_CLIENT := $(call src,client)
SRC_TOOLS  := $(wildcard cmd/pmr-*.c)
TOOLS      := $(patsubst cmd/%.c,$(BUILD)/%,$(SRC_TOOLS))
# What the tools share (cmd/*.c that are no program).
SRC_TOOLLIB := $(filter-out cmd/pmr-% cmd/collabd.c,$(wildcard cmd/*.c))

OBJ_PURE   = $(call objs,$(SRC_PURE))
OBJ_STORE  = $(call objs,$(SRC_STORE))
OBJ_SERVER = $(call objs,$(SRC_SERVER))
OBJ_CLIENT = $(call objs,$(SRC_CLIENT))
OBJ_TOOLLIB = $(call objs,$(SRC_TOOLLIB))

# The hub without its sockets: what the simulation links.
OBJ_HUB = $(filter-out $(BUILD)/libcollab/server/ws.o $(BUILD)/libcollab/server/loop.o,$(OBJ_SERVER))

SRC_UNIT  := $(wildcard tests/unit/test_*.c)
SRC_SIM   := $(wildcard tests/sim/test_*.c)
SRC_HELPER := $(wildcard tests/bats/helpers/*.c)
TESTS     := $(patsubst %.c,$(BUILD)/%,$(SRC_UNIT) $(SRC_SIM))
HELPERS   := $(patsubst tests/bats/helpers/%.c,$(BUILD)/tests/%,$(SRC_HELPER))

SOLIB     = $(BUILD)/libcollab.so.$(SOVERSION)
PROGRAMS  = $(if $(wildcard cmd/collabd.c),$(BUILD)/collabd) $(TOOLS)

.PHONY: all deps deps-check check test-programs unit bats lint format-check asan tsan demo install \
        uninstall clean help
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

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(BUILD)/collabd: $(BUILD)/cmd/collabd.o $(OBJ_SERVER) $(OBJ_STORE) $(OBJ_PURE)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SERVER) $(LIBS_STORE) $(LIBS_PURE)

$(SOLIB): $(OBJ_CLIENT) $(OBJ_PURE) libcollab/collab.map
	$(CC) $(LDFLAGS_ALL) -shared -Wl,-soname,libcollab.so.$(SOVERSION) \
	    -Wl,--version-script=libcollab/collab.map -o $@ $(OBJ_CLIENT) $(OBJ_PURE) \
	    $(LIBS_CLIENT) $(LIBS_PURE)
	ln -sf libcollab.so.$(SOVERSION) $(BUILD)/libcollab.so

$(TOOLS): $(BUILD)/%: $(BUILD)/cmd/%.o $(OBJ_TOOLLIB) $(SOLIB)
	$(CC) $(LDFLAGS_ALL) -o $@ $< $(OBJ_TOOLLIB) -L$(BUILD) -lcollab -Wl,-rpath,'$$ORIGIN' \
	    -Wl,-rpath,'$$ORIGIN/../lib' $(LIBS_TOOL_$*)

# Tests
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(OBJ_HUB) $(OBJ_STORE) $(OBJ_PURE)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SERVER) $(LIBS_STORE) $(LIBS_PURE)
$(BUILD)/tests/sim/%: $(BUILD)/tests/sim/%.o $(OBJ_HUB) $(OBJ_STORE) $(OBJ_PURE)
	$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_SERVER) $(LIBS_STORE) $(LIBS_PURE)

test-programs: $(TESTS) $(HELPERS)

clean:
	rm -rf $(BUILD) build-asan build-tsan build-clang

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
