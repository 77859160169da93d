# gradc: compiles neural networks to plain C that can learn.
#
#   make            builds gradc (release)
#   make demo       installs what is missing, builds, and trains a classifier on real data
#   make test       installs what is missing and runs all tests
#   make fuzz       feeds damaged ONNX files to the reader for five minutes
#   make install    installs a gradc that runs without Swift: PREFIX=/usr/local

PREFIX ?= /usr/local
SWIFT ?= swift
BUILD = .build/release
# What is needed beside the Swift toolchain: a library and a header for each, or a program.
PACKAGES = libtcc-dev libopenblas-dev zlib1g-dev libpng-dev libjpeg-dev clang libclang-rt-dev gcc g++ make tcc cmake

.PHONY: all deps demo test fuzz install uninstall lint clean
all:
	$(SWIFT) build -c release --static-swift-stdlib --product gradc

deps:
	@missing=""; for package in $(PACKAGES); do \
	  dpkg-query -W -f='$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || missing="$$missing $$package"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo=sudo; fi; \
	  echo "installing$$missing"; \
	  $$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $$missing; \
	fi

demo: deps
	@$(MAKE) --no-print-directory all
	@mkdir -p .build/demo
	cd .build/demo && ../../$(BUILD)/gradc train ../../examples/breast_cancer/breast_cancer.gradc

test: deps
	$(SWIFT) test

fuzz:
	Tests/Fuzz/fuzz 300

install:
	@test -x $(BUILD)/gradc || $(MAKE) --no-print-directory deps all
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(BUILD)/gradc $(DESTDIR)$(PREFIX)/bin/gradc

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/gradc

lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests

clean:
	$(SWIFT) package clean
	rm -rf .build/demo
