"""The published figures beside those of a judge."""

from touchstone.published import figures


def test_the_figures_of_the_paper_the_highest_first() -> None:
    """Quantised models are another table, and a model that stands twice would be two rows of one figure."""
    english = [(figure.model, figure.score) for figure in figures("touchstone_en")]
    assert english[0] == ("Qwen-VL-Chat-1.1", "711.6")
    assert english[-1] == ("PandaGPT", "488.5")
    assert len(dict(english)) == len(english) == 8
    assert [figure.model for figure in figures("touchstone_zh")] == [
        "Qwen-VL-Chat-1.1",
        "Qwen-VL-Chat",
        "VisualGLM",
    ]
    assert not figures("mme")
