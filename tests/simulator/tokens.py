"""The text of an answer, split into the tokens that it is sent in."""

import re
from collections.abc import Callable

from tests.simulator.behaviour import Behaviour

# Each word is one token of OpenAI's o200k_base, with and without a space before it: a reader
# who counts with that tokenizer comes to the number of chunks. Many different ones, so that a lost
# chunk is noticed.
_SENTENCE = (
    "the quick answer of this model is a long line with many small words that you can read and"
    " count one by one from first to last so every part which was lost or sent two times will show"
    " up at once when some test looks for it in what came over on its way here now"
)
WORDS = tuple(_SENTENCE.split())
DEFAULT_TOKENS = 20

_WORDLIKE = re.compile(r"\s*\S{1,12}|\s+")

TokenTexts = Callable[[int], str]


def default_text(index: int) -> str:
    """The token at this position of an answer for which the directive sets no text."""
    return f" {WORDS[index % len(WORDS)]}" if index else WORDS[0]


def answer_text(tokens: int) -> str:
    """What a default answer of so many tokens says."""
    return "".join(map(default_text, range(tokens)))


def token_texts(behaviour: Behaviour) -> tuple[TokenTexts, int | None]:
    """The token at each position, and how many there are (None: the directive does not say)."""
    if behaviour.text is not None:
        texts = _split(behaviour.text, behaviour.piece)
        return texts.__getitem__, len(texts)
    if behaviour.chars:
        return _filled(behaviour.chars, behaviour.fill), behaviour.tokens
    return default_text, behaviour.tokens


def _split(text: str, size: int) -> list[str]:
    if size:
        return [text[start : start + size] for start in range(0, len(text), size)]
    return _WORDLIKE.findall(text)


def _filled(chars: int, fill: str | None) -> TokenTexts:
    texts = [f" {word}" for word in WORDS[:8]] if fill is None else [fill]
    filled = [(text * chars)[:chars] for text in texts]
    return lambda index: filled[index % len(filled)]
