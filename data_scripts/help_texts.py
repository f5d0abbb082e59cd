"""The help pages of the command line, and what each teaches by examples."""

EXAMPLES = """\
examples:
  python -m data_scripts list
  python -m data_scripts fetch textvqa --only annotations
  python -m data_scripts prepare refcoco --raw downloads --out data --images /datasets/coco/train2014
  python -m data_scripts check refcoco --data data
  python -m data_scripts demo --out demo
  python -m data_scripts demo-training --out training --scenes 40000 --seed 1"""

LIST = """\
One row per benchmark: how many of its splits are prepared under the data root, their rows, the pictures
that are there of those they name, how many of its files were fetched, its licence and its page. With a
BENCHMARK one row per split. Nothing is checked or opened: `check` does that.

examples:
  python -m data_scripts list
  python -m data_scripts list vqav2 --data /datasets/eval_mm"""

FETCH = """\
Downloads what a benchmark's authors publish into <out>/<benchmark>, shows what that is and asks first.
A download that was cut, or stopped with Ctrl-C, is gone on with by the same command. Hashes are kept in
SHA256SUMS and compared by the next run; archives are unpacked, and may be deleted then. What needs a login
or a form is explained step by step.

examples:
  python -m data_scripts fetch textvqa                      everything its evaluation needs
  python -m data_scripts fetch vqav2 --only annotations     a few MB instead of 20 GB
  python -m data_scripts fetch coco --only pictures --yes   the pictures that several benchmarks share
  python -m data_scripts fetch docvqa                       how to get what needs a login"""

PREPARE = """\
Reads the files a benchmark's authors publish, checks every row, and writes one JSONL file per split
under the data root. Nothing is written unless everything is right. Each benchmark tells which files
it wants and where they come from:
  python -m data_scripts prepare BENCHMARK --help

examples:
  python -m data_scripts prepare textvqa                    the files are in downloads/textvqa
  python -m data_scripts prepare refcoco --raw ~/REC --images /datasets/coco/train2014
  python -m data_scripts prepare all --allow-partial        every benchmark with a folder in downloads"""

FRAMES = """\
Makes the pictures of questions about clips, 4 frames spread over the part of the clip that is asked about
(PyAV: pip install 'eval-mm[video]'). The rows are prepared before. The videos come from their own pages:
  dimension 10  Something-Something v2, webm files   https://developer.qualcomm.com/software/ai-datasets
  dimension 11  EPIC-KITCHENS-100, 138 videos        https://epic-kitchens.github.io
  dimension 12  Breakfast, BreakfastII_15fps_qvga_sync
                https://serre-lab.clps.brown.edu/resource/breakfast-actions-dataset
Stopped with Ctrl-C, it is gone on with by the same command; what is there is not made again. Exit code 0: all
questions have their frames; 3: some have none, and unreadable_clips.tsv beside the rows says which and why.

example:
  python -m data_scripts frames seedbench --clips ~/ssv2 --clips ~/EPIC-KITCHENS --clips ~/breakfast"""

CHECK = """\
Reads the prepared rows as an evaluation will, then opens every picture, so that what would stop a run
after hours is known in minutes. Exit code 0: all right; 2: rows or files are unusable; 3: pictures are.

examples:
  python -m data_scripts check textvqa
  python -m data_scripts check all --data demo --allow-partial"""

DEMO = """\
Draws the demo data that come with the package: every benchmark in miniature, on scenes of coloured shapes,
bar charts, pages, book covers, posters, diagrams and cards. The same seed gives the same data."""

DEMO_TRAINING = """\
Draws pictures that no evaluation uses, and writes questions with their answers as a conversations.json in
Qwen-VL's fine-tuning form: boxes of expressions, short questions, captions, lettered choices, printed
words and numbers, bars. The same seed gives the same data, whatever the number of workers."""
