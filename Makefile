# Each target does all of its own set-up: it makes .venv, installs what it needs, and then runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: help demo studio test lint bench docs clean

help:
	@echo "make demo    show what the bundled models make, train one for two minutes, measure it"
	@echo "make studio  open a page on which all of it can be made and watched"
	@echo "make test    run the tests"
	@echo "make lint    ruff, and mypy over all packages"
	@echo "make bench   short runs of the benchmarks"
	@echo "make docs    build the documentation as a site into site/"
	@echo "make clean   remove .venv, site/ and caches; runs/ stays"

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	@echo "Installing into $(VENV): on Linux some 3 GB to download and 7 GB on disk, mostly PyTorch's CUDA libraries;"
	@echo "docs/how-to/install.md says how to do without them on machines without a GPU"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --editable '.[scores,test,lint]'
	@touch $@

PHOTO = $$($(BIN)/python -c 'from importlib.util import find_spec as f; print(*f("skimage").submodule_search_locations)')/data/chelsea.png

demo: $(VENV)/installed
	@echo "1 of 3: what the bundled models make; under a minute on two quiet cores"
	$(BIN)/python -m superres.upscale "$(PHOTO)" --out $(DEMO)/cat-four-times-as-large.png --overwrite
	$(BIN)/python -m image.generate --weights fashion-cgan --out $(DEMO)/garments.png --overwrite
	$(BIN)/python -m music.generate --melody examples/ode-to-joy.mid --out $(DEMO)/harmonised.mid $(DEMO)/harmonised.wav $(DEMO)/harmonised.png --overwrite
	$(BIN)/python -m text.generate --n 4 --candidates 16 --out $(DEMO)/texts.txt --overwrite
	@cat $(DEMO)/texts.txt
	@echo "Look at $(DEMO)/cat-four-times-as-large.png, garments.png and harmonised.png, and listen to harmonised.wav"
	@echo "2 of 3: a GAN learns to write digits, for two minutes by the clock; look into $(DEMO)/digits/samples meanwhile:"
	@echo "        noise at first, strokes after some 30,000 images, digits after 50,000 to 80,000"
	$(BIN)/python -m image.train --minutes 2 --snapshot 10000 --out $(DEMO)/digits --overwrite
	$(BIN)/python -m image.generate --weights $(DEMO)/digits --n 100 --out $(DEMO)/digits/sheet.png --overwrite
	@echo "3 of 3: how good are they? every figure stands beside that of real digits"
	$(BIN)/python -m image.evaluate --weights $(DEMO)/digits --n 500 --out $(DEMO)/digits/evaluation
	@echo "Look at $(DEMO)/digits/sheet.png and $(DEMO)/digits/evaluation/report.html"
	@echo "make studio opens a page on which all of this is made by hand"

$(VENV)/studio-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[studio]'
	@touch $@

studio: $(VENV)/studio-installed
	$(BIN)/python -m studio

# The processes that the tests start share what Python compiled, even where it is told to keep nothing.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/installed
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/installed
	$(BIN)/python benchmarks/image_speed.py
	$(BIN)/python benchmarks/image_quality.py --minutes 1
	$(BIN)/python benchmarks/collapse.py
	$(BIN)/python benchmarks/music_speed.py
	$(BIN)/python benchmarks/text_speed.py
	$(BIN)/python benchmarks/text_quality.py --minutes 1
	$(BIN)/python benchmarks/superres_speed.py
	$(BIN)/python benchmarks/superres_flicker.py

$(VENV)/docs-installed: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $@

docs: $(VENV)/docs-installed
	$(BIN)/python docs/reference.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "Read site/index.html; the search works where it is served: $(BIN)/python -m http.server --directory site"

clean:
	rm -rf $(VENV) site *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
