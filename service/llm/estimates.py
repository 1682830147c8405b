"""Estimates an upper bound for a model call before it is made, cheaply, without a tokenizer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.chat.account import Estimate
from service.chat.events import Usage
from service.chat.prompt import Prompt
from service.llm.model_call import ModelCall

# text in any language has fewer tokens than this assumes; actual usage is settled afterwards
BYTES_PER_TOKEN = 3
MESSAGE_TOKENS = 8
# for an answer without a length limit
OUTPUT_TOKENS = 4096


@dataclass(frozen=True)
class Estimates:
    """cost: at the most expensive server a model may be called at; None if any has no price."""

    cost: Callable[[str, Usage], float | None]

    def of_prompt(self, prompt: Prompt) -> Estimate:
        """The first call, assuming that the chain asks the caller's question."""
        texts = [prompt.system, *(message.content for message in prompt.history), prompt.question]
        return self._estimate(prompt.model, texts, prompt.max_tokens)

    def of_call(self, call: ModelCall) -> Estimate:
        return self._estimate(call.model, call.texts, call.most_tokens)

    def _estimate(self, model: str, texts: Iterable[str], most: int | None) -> Estimate:
        sizes = [len(text.encode("utf-8", "surrogatepass")) for text in texts]
        asked = sum(sizes) // BYTES_PER_TOKEN + MESSAGE_TOKENS * len(sizes)
        answered = most or OUTPUT_TOKENS
        cost = self.cost(model, Usage(asked, answered, "estimated"))
        return Estimate(model, asked, answered, cost)
