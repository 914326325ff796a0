# Thin front: meson and ninja do the work. `make help` lists the targets.
BUILD ?= build
PREFIX ?= /usr/local
S ?= 60
T ?= all

.PHONY: all program help unit check demo asan check-long check-kvm coverage bench bench-egress fuzz install format format-check clean
all: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	@meson setup $(BUILD) --prefix=$(PREFIX) --libexecdir=libexec >/dev/null

ROLES = bottled gate egress dialer keyd recorder porter unpacker
PROGRAM = bot-bottle bot-bottle.1 src/guest/bb-guest $(foreach role,$(ROLES),src/proc/$(role)/$(role))
program: $(BUILD)/build.ninja
	@ninja -C $(BUILD) $(PROGRAM)

help:
	@echo "make             build into $(BUILD)/; run ./$(BUILD)/bot-bottle"
	@echo "make program     only what runs: neither tests nor benches, half the time"
	@echo "make unit        unit tests and fuzz corpora"
	@echo "make check       everything CI runs (scripts/check)"
	@echo "make demo        one bottle, an allowed and a refused request (scripts/demo)"
	@echo "make asan        unit tests and corpora under ASan and UBSan"
	@echo "make check-long  Chromium; 16 bottles, 50 boots, 1,000 starts; load for half an hour (BB_SOAK_SECONDS);"
	@echo "                 a hundred kill points; the image dev, npm and pip in a bottle of it"
	@echo "make check-kvm   a bottle's tests with accel: kvm, in an emulated machine with SVM"
	@echo "make coverage    lines that unit tests run, per directory; wire and policy at least 95 %"
	@echo "make bench       numbers, with their bars"
	@echo "make bench-egress  the egress guard beside mitmproxy, squid, nginx"
	@echo "make fuzz T=name S=seconds   one target (T=all: each in turn)"
	@echo "make install PREFIX=/usr/local"
	@echo "make format      clang-format in place; make format-check only looks"

unit: all
	@meson test -C $(BUILD) --suite unit --print-errorlogs

check:
	@scripts/check

demo:
	@scripts/demo

asan:
	@test -f build-asan/build.ninja || meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C build-asan
	@UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 meson test -C build-asan --suite unit --print-errorlogs

check-long: all
	@scripts/deps build run test long
	@tests/long/debian13.py
	@tests/long/apparmor.py $(BUILD)
	@tests/long/chromium.py $(BUILD)
	@tests/long/reliability.py $(BUILD)
	@tests/long/slow_reader.py $(BUILD)
	@tests/long/build.py $(BUILD)
	@tests/long/soak.py $(BUILD)
	@tests/long/crash.py $(BUILD)
	@tests/long/dev.py $(BUILD)

check-kvm: all
	@scripts/deps build run test
	@test -e $${XDG_CACHE_HOME:-$$HOME/.cache}/bot-bottle/images/by-name/base || $(BUILD)/bot-bottle image build base
	@tests/long/kvm.py $(BUILD)

coverage:
	@scripts/coverage

bench-egress: all
	@bench/egress $(BUILD)

bench: all
	@bench/run $(BUILD)

fuzz:
	@scripts/fuzz $(T) $(S)

# The prefix is compiled in: a build directory of its own, so that the tree's stays as it is
install:
	@test -f build-install/build.ninja || meson setup build-install --libexecdir=libexec >/dev/null
	@meson configure build-install --prefix=$(PREFIX)
	@ninja -C build-install $(PROGRAM)
	@meson install -C build-install --no-rebuild

SOURCES = $(shell git ls-files -co --exclude-standard '*.c' '*.h')
format:
	@clang-format -i $(SOURCES)

format-check:
	@clang-format --dry-run -Werror $(SOURCES)

clean:
	@rm -rf $(BUILD) build-asan build-clang build-fuzz build-install build-coverage
