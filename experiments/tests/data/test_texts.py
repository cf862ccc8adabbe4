"""Paradise Lost: whole, plain, and nothing but the poem."""

from edgewise_experiments.data.texts import paradise_lost


def test_the_poem_alone():
    text = paradise_lost()
    assert len(text) == 454_471 and len(set(text)) == 65 and text.isascii()
    assert text.startswith("PARADISE LOST\nBOOK I.\n\n  Of Mans First Disobedience, and the Fruit\n")
    assert text.endswith("Through EDEN took thir solitarie way.\n     THE END.\n")
    assert sum(line.startswith("BOOK ") for line in text.splitlines()) == 10
    for word in ("Gutenberg", "copyright", "license", "http"):
        assert word.lower() not in text.lower()
    assert all(line == line.rstrip() for line in text.splitlines())
