#!/usr/bin/env bash
# Trains the bundled demo model again, from nothing: `make demo-model`. Two processes, one thread each.
# A lesson that was interrupted goes on; finished ones are not repeated.
set -euo pipefail
work=${1:?a folder for pictures and lessons, about 500 MB}
bin=${2:-.venv/bin}
export OMP_NUM_THREADS=1
mkdir -p "$work"

draw() { # folder, options
  local folder=$work/$1; shift
  [ -e "$folder/conversations.json" ] || "$bin/python" -m data_scripts demo-training --out "$folder" "$@"
}

lesson() { # name, start, data, options
  local name=$1 start=$2 data=$3; shift 3
  [ -e "$work/$name/model.safetensors" ] || "$bin/python" -m torch.distributed.run --standalone --nproc-per-node 2 \
    -m qwen_vl finetune --model "$work/$start" --data "$work/$data/conversations.json" --out "$work/$name" \
    --format raw --warmup 0.02 --beta2 0.98 --weight-decay 0.02 --eval-fraction 0.003 --eval-every 100 \
    --save-every 100 --device cpu --save-dtype float32 "$@"
}

[ -e "$work/fresh/model.safetensors" ] || "$bin/python" -m qwen_vl.demo.make fresh "$work/fresh"

# One shape, and where it is to the tenth of the picture: this starts attention to things at all.
draw one --scenes 12000 --seed 2 --max-shapes 1 --coarse 100 --kinds grounding,colour,shape,position,point,caption
lesson one-a fresh one --learning-rate 1e-3 --batch-tokens 1500 --epochs 4 --stop-after 1200 --eval-fraction 0.01
lesson one-b one-a one --learning-rate 1e-3 --batch-tokens 3000

# Up to three shapes and every kind of question, places to the twentieth.
draw coarse --scenes 60000 --seed 1 --coarse 50
lesson coarse-a one-b coarse --learning-rate 1e-3 --batch-tokens 4000 --max-steps 3000 --stop-after 1100

# Words only: boxes are most of the tokens, and drown what tells a star from a cross.
draw words --scenes 60000 --seed 1 --coarse 50 --kinds shape,colour,point,caption,yes/no,choice,position
lesson words-a coarse-a words --learning-rate 1e-3 --batch-tokens 3000 --max-steps 1600
lesson words-b words-a words --learning-rate 1e-3 --batch-tokens 3000 --max-steps 1500 --seed 1

# Everything, places to the hundredth.
draw all --scenes 60000 --seed 1
lesson all-a words-b all --learning-rate 1e-3 --batch-tokens 4000 --max-steps 2400
lesson all-b all-a all --learning-rate 8e-4 --batch-tokens 4000 --max-steps 2000 --seed 1

"$bin/python" -m qwen_vl.demo.make bundle "$work/all-b"
