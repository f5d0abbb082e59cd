"""The page of every answer: leaderboards, charts and a failure browser in one HTML file.

From runs to the file:

    html.py                    the whole
    views.py comparison.py     its sections; two runs side by side
    charts.py svg.py           which numbers are drawn, and how
    samples.py                 what there is room for: the worst samples, with pictures while they fit
    groups.py asked.py         the samples of runs side by side; their rows and answers
    texts.py details.py        what is shown of one sample
    pictures.py                small copies of pictures
    assets/                    its template, style and scripts
"""
