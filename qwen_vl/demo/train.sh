#!/usr/bin/env bash
# Trains the bundled demo model again, from nothing: `make demo-model`. Two processes, one thread each.
# A lesson that was interrupted goes on; finished ones are not repeated.
set -euo pipefail
work=${1:?a folder for pictures and lessons, about 1 GB}
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

# First scenes only. One shape, and where it is to the tenth of the picture: this starts attention to things at all.
draw one --scenes 12000 --seed 2 --shows scene --max-shapes 1 --coarse 100 --kinds grounding,colour,shape,position,point,caption
lesson one-a fresh one --learning-rate 1e-3 --batch-tokens 1500 --epochs 4 --stop-after 1200 --eval-fraction 0.01
lesson one-b one-a one --learning-rate 1e-3 --batch-tokens 3000

# Up to three shapes and every kind of question about them, places to the twentieth.
short=colour,shape,position,yes/no,point,caption,choice
draw coarse --scenes 60000 --seed 1 --shows scene --coarse 50 --kinds grounding,count,$short
lesson coarse-a one-b coarse --learning-rate 1e-3 --batch-tokens 4000 --max-steps 3000 --stop-after 1100

# Words only: boxes are most of the tokens, and drown what tells a star from a cross.
draw words --scenes 60000 --seed 1 --shows scene --coarse 50 --kinds $short
lesson words-a coarse-a words --learning-rate 1e-3 --batch-tokens 3000 --max-steps 1600
lesson words-b words-a words --learning-rate 1e-3 --batch-tokens 3000 --max-steps 1500 --seed 1

# Everything, places to the hundredth.
draw scenes --scenes 60000 --seed 1 --shows scene --kinds grounding,count,$short
lesson scenes-a words-b scenes --learning-rate 1e-3 --batch-tokens 4000 --max-steps 2400
lesson scenes-b scenes-a scenes --learning-rate 8e-4 --batch-tokens 4000 --max-steps 2000 --seed 1

# Now print. Nine pictures in ten show some, and only what they say is asked: short answers, no boxes.
read=number,word,value,tallest,heading,field,name,date,title,author,cover,beside,largest,label,part
draw read --scenes 24000 --seed 11 --shows card,book,card,page,scene,card,chart,poster,card,diagram --kinds colour,shape,position,$read
lesson read-a scenes-b read --learning-rate 1e-3 --batch-tokens 1500 --epochs 3 --stop-after 2300

# Everything but boxes again, six pictures in ten scenes.
draw mixed-words --scenes 40000 --seed 12 --kinds count,$short,corners,unanswerable,bars,lines,$read
lesson mixed-a read-a mixed-words --learning-rate 1e-3 --batch-tokens 3000 --max-steps 2600 --stop-after 1300

# Everything, with more of what must be looked up beside something else: posters and diagrams.
draw half --scenes 32000 --seed 14 --shows \
  scene,diagram,scene,poster,scene,chart,scene,diagram,scene,poster,scene,page,scene,card,scene,book
lesson half-a mixed-a half --learning-rate 1e-3 --batch-tokens 3000 --max-steps 2600
draw last --scenes 40000 --seed 15 --shows \
  scene,poster,scene,diagram,scene,scene,poster,scene,chart,scene,card,scene,poster,scene,diagram,scene,page,scene,book,scene
lesson last-a half-a last --learning-rate 8e-4 --batch-tokens 3500 --max-steps 3000

# Options to choose from and clips, seven pictures in ten asked everything else as well: on their own they make it forget.
draw choices --scenes 14500 --seed 17 --kinds grounding,count,$short,corners,unanswerable,bars,lines,$read,options,clip --shows \
  clip,scene,poster,scene,clip,diagram,scene,scene,clip,poster,scene,chart,scene,clip,card,scene,poster,clip,scene,diagram,scene,clip,page,scene,clip,book,scene,clip,chart
lesson choices-a last-a choices --learning-rate 6e-4 --warmup 0.05 --batch-tokens 3500 --max-steps 1700
lesson choices-b choices-a choices --learning-rate 4e-4 --warmup 0.05 --batch-tokens 3500 --max-steps 950 --seed 1

# The mean of before and after has nearly all of the old and half of the new.
"$bin/python" -m qwen_vl.demo.make bundle "$work/last-a" "$work/choices-b"
