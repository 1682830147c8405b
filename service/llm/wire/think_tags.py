"""Separates thinking between tags from the text (STRIP_THINK_TAGS)."""

from typing import Literal

from service.llm.wire.dialect import THINK_TAGS

# the values of STRIP_THINK_TAGS
Stripped = Literal["false", "true", "unopened"]
OPENING = tuple(opening for opening, _ in THINK_TAGS)
CLOSING = dict(THINK_TAGS)
LONGEST = max(len(tag) for pair in THINK_TAGS for tag in pair)


class ThinkTags:
    """Takes text as it arrives, and returns text and thinking. Tags may be split anywhere.

    unopened: the text begins with thinking, with or without an opening tag. If nothing closes it, it was the text,
    unless it was cut.
    """

    def __init__(self, *, unopened: bool = False) -> None:
        self._held = ""
        self._closing: str | None = None
        self._begun = False
        self._unclosed: list[str] | None = None
        self._unopened = unopened

    def split(self, text: str) -> tuple[str, str]:
        """Returns text and thinking."""
        self._held += text
        if self._unopened and not self._assume_opened():
            return "", ""
        texts: list[str] = []
        thoughts: list[str] = []
        while self._step(texts, thoughts):
            pass
        return self._lead("".join(texts)), "".join(thoughts)

    def end(self, *, cut: bool = False) -> str:
        """The rest of the text; an unclosed tag in the middle of it is text. cut: the length limit was reached."""
        held, self._held = self._held, ""
        if cut and self._closing is not None and not self._begun:
            return ""
        if self._closing is None:
            return self._lead(held)
        return "" if self._unclosed is None else "".join([*self._unclosed, held])

    def _assume_opened(self) -> bool:
        """Whether the beginning says if there is an opening tag."""
        begins = self._held.lstrip()
        if any(tag.startswith(begins[: len(tag)]) for tag in OPENING):
            if not begins.startswith(OPENING):
                return False
        else:
            self._closing, self._unclosed = CLOSING[OPENING[0]], []
        self._unopened = False
        return True

    def _step(self, texts: list[str], thoughts: list[str]) -> bool:
        """Consumes everything up to and including the next tag; returns whether there was one."""
        if self._closing is None:
            return self._open(texts)
        before, tag, after = self._held.partition(self._closing)
        if not tag:
            keep = _half_tag(before, (self._closing,))
            before, self._held = before[: len(before) - keep], before[len(before) - keep :]
            self._think(before, thoughts)
            return False
        self._think(before, thoughts)
        self._held, self._closing, self._unclosed = after, None, None
        return True

    def _think(self, words: str, thoughts: list[str]) -> None:
        if not words:
            return
        thoughts.append(words)
        if self._unclosed is not None:
            self._unclosed.append(words)

    def _open(self, texts: list[str]) -> bool:
        found = [(at, tag) for tag in OPENING if (at := self._held.find(tag)) >= 0]
        if not found:
            keep = _half_tag(self._held, OPENING)
            texts.append(self._held[: len(self._held) - keep])
            self._held = self._held[len(self._held) - keep :]
            return False
        at, tag = min(found)
        texts.append(self._held[:at])
        within = self._begun or any(text.strip() for text in texts)
        self._unclosed = [tag] if within else None
        self._held, self._closing = self._held[at + len(tag) :], CLOSING[tag]
        return True

    def _lead(self, text: str) -> str:
        """Removes the blank lines between thinking and the answer."""
        if not self._begun:
            text = text.lstrip()
            self._begun = bool(text)
        return text


def _half_tag(text: str, tags: tuple[str, ...]) -> int:
    """How many characters at the end may be the start of a tag."""
    for length in range(min(LONGEST - 1, len(text)), 0, -1):
        if any(tag.startswith(text[-length:]) for tag in tags):
            return length
    return 0
