"""How results are shown: tables beside the published figures, a page of every answer, charts.

From run folders to the screen:

    runs.py result_file.py scores_file.py   what is in run folders; what is corrupt becomes a line
    published.py                            the papers' figures
    boards.py                               which tables there are, and their columns
    leaderboards.py cells.py                results and figures -> tables, the same for every format
    notes.py footnotes.py ranking.py        what is said of a number; which is the best, and among which
    layout.py plain.py markdown.py latex.py a table as lines, written in three ways
    long_form.py                            CSV: every number, exact
    plots.py plot_*.py                      charts for papers, by matplotlib
    page/                                   the page of every answer: one HTML file
    one_file.py                             what pages that are one file share
    table.py                                what `run` and `score` print of results just made
"""
