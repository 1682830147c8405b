"""Surrogate pairs: some servers send an emoji as two halves, in two frames."""


def joined(text: str) -> str:
    """The text with its halves joined. One that is alone, which no UTF-8 can carry, becomes a replacement character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
