r"""Penn Treebank tokens of captions, by the Stanford tokeniser that the package pycocoevalcap carries.

CIDEr, BLEU, ROUGE-L and METEOR all count these tokens: lower case, punctuation removed. Followed:
PTBTokenizer of pycocoevalcap 1.2 (https://github.com/salaniz/pycocoevalcap) around Stanford CoreNLP 3.4.1
(https://nlp.stanford.edu/software/tokenizer.html). Three of its traits make part of every published number
and are kept: "-lrb-" and its like stay, because the list of punctuation has them in upper case; a few tokens
hold a no-break space ("1 1/2", telephone numbers); and since all captions are one stream, what follows a
caption that ends in an abbreviation decides over its full stop ("... work of art." yields "art", but "art."
if the next one begins with a digit). So the texts are tokenised in the order given, none left out: removing
duplicates could change a token.

Deviations, each for texts on which the published code shifts every later caption to the wrong image, or
stops:
    - line breaks other than "\n" that it knows ("\r", U+000B, U+000C, U+2028, U+2029) become spaces too
    - so does half of a surrogate pair, which UTF-8 cannot hold; other characters shift no line, tags, control
      characters, emoji and U+0085 included
    - the number of lines that come back is checked
    - nothing is written: texts go in and out through pipes (published: a file in the package's folder)
"""

import re
from collections.abc import Sequence

from eval_mm.metrics.java import run_java, scorers

JAR = "stanford-corenlp-3.4.1.jar"

PUNCTUATION = frozenset(["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-"]) | frozenset(
    [".", "?", "!", ",", ":", "-", "--", "...", ";"]
)

# U+0085 is not here: the tokeniser reads it as an ellipsis, never as the end of a line.
_BREAKS = re.compile("[\n\r\x0b\x0c\u2028\u2029\ud800-\udfff]")


def tokenize(texts: Sequence[str]) -> list[str]:
    """The tokens of every text, joined by single spaces; "" where none is left. One start of Java for all.

    UserError where pycocoevalcap or Java is missing, or where Java fails.
    """
    if not texts:
        return []
    command = ["-cp", str(scorers() / "tokenizer" / JAR), "edu.stanford.nlp.process.PTBTokenizer"]
    command += ["-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    # No line break after the last text: the published code ends its file like this.
    lines = run_java("tokeniser", command, "\n".join(_BREAKS.sub(" ", text) for text in texts)).split("\n")
    assert len(lines) == len(texts), (
        f"{len(texts)} texts went into the tokeniser, {len(lines)} lines came out"
    )
    return [" ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATION) for line in lines]
