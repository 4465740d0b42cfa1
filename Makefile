# Each target does all of its own set-up: it makes .venv, installs what it needs, and then runs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS := runs

.PHONY: help demo test lint bench clean

help:
	@echo "make demo    train on embedded data for some two minutes, write samples and a report"
	@echo "make test    run the tests"
	@echo "make lint    ruff, and mypy over common/"
	@echo "make bench   short runs of the benchmarks"
	@echo "make clean   remove .venv and caches; runs/ stays"

$(VENV)/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[test,lint]'
	@touch $@

demo: $(VENV)/installed
	$(BIN)/python -m image.train --images 100000 --snapshot 10000 --out $(RUNS)/demo-image --overwrite
	$(BIN)/python -m image.generate --weights $(RUNS)/demo-image --n 100 --out $(RUNS)/demo-image/sheet.png
	$(BIN)/python -m image.evaluate --weights $(RUNS)/demo-image --n 500 --out $(RUNS)/demo-image/evaluation
	$(BIN)/python -m music.generate --out $(RUNS)/demo-music/song.mid $(RUNS)/demo-music/song.wav $(RUNS)/demo-music/song.png
	$(BIN)/python -m text.generate --out $(RUNS)/demo-text/texts.txt
	$(BIN)/python -m superres.upscale docs/digits-cgan.png --out $(RUNS)/demo-superres/large.png --overwrite
	@cat $(RUNS)/demo-text/texts.txt
	@echo "Look at $(RUNS)/demo-music/song.png, and listen to $(RUNS)/demo-music/song.wav"
	@echo "Look at $(RUNS)/demo-image/sheet.png and $(RUNS)/demo-image/evaluation/report.html"

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

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
