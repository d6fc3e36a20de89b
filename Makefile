# Few verbs, each usable on a fresh machine: demo, test, check, docs, bench, weights.
# bench and weights need the data that benchmarks/results/README.md describes, in DATA.
# the first interpreter that runs and is recent enough
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA ?= ../shared/data
RESULTS ?= recog-results
CELEBA := $(DATA)/celeba
FIT := --roles $(CELEBA)/roles.csv --role fit
LFW := --images $(DATA)/lfw/images --pairs $(DATA)/lfw/pairs.txt
YARDSTICK := $(DATA)/teacher/mobilefacenet.onnx
REPORT := --images $(CELEBA)/val --all-pairs
# repair beside eigenfaces of people who are not reported on
REPAIR := $(BIN)/recog bench repair --training $(CELEBA)/train --training-role fit --roles $(CELEBA)/roles.csv \
	--out $(RESULTS)
# documents with figures from rows
WRITTEN := README.md $(shell grep -l "cog.out" generative/weights/*.md)
# a model on LFW through detection, on LFW by published landmarks, on all pairs of reporting people, as they are
# and damaged, and by the size of the gallery
verify = $(BIN)/recog bench verify $(1) $(LFW) --out $(RESULTS) \
	&& $(BIN)/recog bench verify $(1) $(LFW) --landmarks $(DATA)/lfw/landmarks.txt --out $(RESULTS) \
	&& $(BIN)/recog bench verify $(1) $(REPORT) --groups $(CELEBA)/manifest.csv --group-column Male --out $(RESULTS) \
	&& for damage in lowres8 occlusion30 motion15 noise25; do \
		$(BIN)/recog bench verify $(1) $(REPORT) --damage $$damage --out $(RESULTS) || exit 1; done \
	&& $(BIN)/recog bench openset $(1) --enroll $(CELEBA)/train --enroll-role user --calibrate $(CELEBA)/train \
		--calibrate-role tune --roles $(CELEBA)/roles.csv --strangers $(CELEBA)/val --out $(RESULTS)

.PHONY: demo test check docs bench weights clean

demo: $(STAMP)
	$(BIN)/recog demo

test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses logical --dist worksteal --durations 15

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/cog --check $(WRITTEN)

docs: $(STAMP)
	$(BIN)/recog bench report --results benchmarks/results --out benchmarks/results
	$(BIN)/cog -r $(WRITTEN)

bench: $(STAMP)
	$(call verify,)
	test ! -f $(YARDSTICK) || { $(call verify,--model $(YARDSTICK) --name "yardstick: external MobileFaceNet"); }
	! $(BIN)/python -c 'import face_recognition' 2>/dev/null \
		|| $(BIN)/recog bench verify --peer face_recognition $(LFW) --out $(RESULTS)
	$(BIN)/recog bench openset --images $(DATA)/lfw/images --out $(RESULTS)
	for compare in best centre both; do \
		$(BIN)/recog bench openset --photos 3 --compare $$compare --enroll $(CELEBA)/train --enroll-role user \
			--calibrate $(CELEBA)/train --calibrate-role tune --roles $(CELEBA)/roles.csv \
			--strangers $(CELEBA)/val --out $(RESULTS) || exit 1; done
	$(BIN)/recog bench search --data $(CELEBA)/train --roles $(CELEBA)/roles.csv --role user --out $(RESULTS)
	$(BIN)/recog bench quality $(LFW) --out $(RESULTS)
	test ! -f $(YARDSTICK) || $(BIN)/recog bench speed bundled $(YARDSTICK) \
		--yardstick-name "yardstick: external MobileFaceNet" --out $(RESULTS)
	test ! -f $(YARDSTICK) || $(BIN)/recog bench backbones --data $(CELEBA)/train --roles $(CELEBA)/roles.csv \
		--teacher $(YARDSTICK) --out $(RESULTS)
	$(BIN)/recog bench identify --images $(DATA)/lfw/images --out $(RESULTS)
	$(BIN)/recog bench identify --images $(DATA)/lfw/images --commands --out $(RESULTS)
	$(BIN)/recog bench augment --data $(CELEBA)/train --roles $(CELEBA)/roles.csv --report $(CELEBA)/val \
		--photos-folder $(DATA)/lfw/images --pairs $(DATA)/lfw/pairs.txt \
		--landmarks $(DATA)/lfw/landmarks.txt --out $(RESULTS)
	$(BIN)/recog generate label $(CELEBA)/val --known $(CELEBA)/manifest.csv --out runs/labels-val.csv
	$(BIN)/recog bench halves $(DATA)/utkface/manifest.csv --out runs/makers-utk.csv
	$(BIN)/recog bench generate --data $(CELEBA)/val --attributes runs/labels-val.csv --roles $(CELEBA)/roles.csv \
		--training $(CELEBA)/train --training-role fit --strangers-role user \
		--ages $(DATA)/utkface --ages-table runs/makers-utk.csv --out $(RESULTS)
	$(BIN)/recog bench edit --data $(CELEBA)/val --attributes runs/labels-val.csv --out $(RESULTS)
	$(BIN)/recog crop $(DATA)/lfw/images --out runs/lfw-crops
	for size in 64 112; do for photos in $(CELEBA)/val runs/lfw-crops; do \
		$(REPAIR) --data $$photos --size $$size --most 300 --generator none || exit 1; done; done
	$(REPAIR) --data $(CELEBA)/val --most 100 \
		"hole of 24 px of 64, told where" "strokes over 20 %, told where" "mask, told where" \
		"sunglasses, told where" "scarf, to be found"
	$(BIN)/recog bench techniques --data $(CELEBA)/train $(FIT) --judge $(CELEBA)/val \
		--attributes $(CELEBA)/manifest.csv --kimg 20 --runs runs/techniques --out $(RESULTS)
	$(BIN)/recog bench throughput --out $(RESULTS)
	$(BIN)/recog bench report --results $(RESULTS) --out $(RESULTS)

weights: $(STAMP)
	$(BIN)/recog distill --recipe recog-s --data $(DATA) --out runs/recog-s
	$(BIN)/recog models pack runs/recog-s --out recog/weights/recog-s.safetensors --name recog-s \
		--strangers $(CELEBA)/train --roles $(CELEBA)/roles.csv --role tune \
		--whiten $(CELEBA)/train --whiten-role fit
	$(BIN)/recog bench halves $(CELEBA)/manifest.csv $(FIT) --out runs/makers-celeba.csv
	$(BIN)/recog bench halves $(DATA)/utkface/manifest.csv --out runs/makers-utk.csv
	$(BIN)/recog generate train reader --data $(CELEBA)/train --attributes runs/makers-celeba.csv \
		--data $(DATA)/utkface --attributes runs/makers-utk.csv --out runs/reader
	$(BIN)/recog generate label $(CELEBA)/train --known $(CELEBA)/manifest.csv --reader runs/reader --out runs/labels.csv
	$(BIN)/recog generate train gan --data $(CELEBA)/train $(FIT) --attributes runs/labels.csv \
		--reader-weight 0 --turned-share 0 --out runs/gan-first
	$(BIN)/recog generate train gan --data $(CELEBA)/train $(FIT) --attributes runs/labels.csv \
		--begin-from runs/gan-first --total-kimg 100 --learning-rate 2e-4 --seed 1 --reader-weight 1 \
		--turned-share 0.5 --out runs/gan-second
	$(BIN)/recog generate train gan --data $(CELEBA)/train $(FIT) --attributes runs/labels.csv \
		--begin-from runs/gan-second --total-kimg 120 --learning-rate 2e-4 --seed 2 --identity-weight 5 --out runs/gan
	$(BIN)/recog generate train vae-gan --data $(CELEBA)/train $(FIT) --attributes runs/labels.csv \
		--total-kimg 240 --out runs/vae
	$(BIN)/recog generate train repairer --data $(CELEBA)/train $(FIT) --image-size 64 --identity-weight 0 \
		--ssim-weight 0 --adversarial-weight 0 --total-kimg 240 --out runs/repairer-first
	$(BIN)/recog generate train repairer --data $(CELEBA)/train $(FIT) --image-size 64 --identity-weight 0 \
		--ssim-weight 0 --adversarial-weight 0 --total-kimg 300 --begin-from runs/repairer-first \
		--out runs/repairer-second
	$(BIN)/recog generate train repairer --data $(CELEBA)/train $(FIT) --identity-weight 0 --ssim-weight 0 \
		--adversarial-weight 0 --total-kimg 90 --learning-rate 6e-4 --begin-from runs/repairer-second --seed 2 \
		--out runs/repairer
	$(BIN)/recog bench judges --data $(CELEBA)/train $(FIT) --attributes $(CELEBA)/manifest.csv \
		--others $(DATA)/utkface --others-table $(DATA)/utkface/manifest.csv --out runs/judges
	mkdir -p benchmarks/judging/weights && cp runs/judges/*.safetensors benchmarks/judging/weights
	cp runs/reader/final.safetensors generative/weights/reader.safetensors
	$(BIN)/recog generate pack runs/repairer --helps strokes --helps noise --helps lowres --helps blur \
		--helps jpeg --out generative/weights/repairer.safetensors
	$(BIN)/recog generate pack runs/gan --spread 1.25 --out generative/weights/gan.safetensors
	$(BIN)/recog generate pack runs/vae --spread 0.8 --out generative/weights/vae.safetensors

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later is needed: make PYTHON=/path/to/python"; exit 1; }
	$(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $(STAMP)

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache build dist
