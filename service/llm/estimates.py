"""An upper bound for a model call before it is made, without a tokenizer, so that it costs nothing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from service.chat.account import Estimate
from service.chat.events import Usage
from service.chat.prompt import Prompt
from service.llm.model_call import ModelCall

# text of any language has fewer tokens; what was really used is settled afterwards
BYTES_PER_TOKEN = 3
MESSAGE_TOKENS = 8
# of an answer whose length nobody limits
OUTPUT_TOKENS = 4096


@dataclass(frozen=True)
class Estimates:
    """cost: of the dearest place where a model may be asked; None where one has no price."""

    cost: Callable[[str, Usage], float | None]

    def of_prompt(self, prompt: Prompt) -> Estimate:
        """The first call, if the chain asks what the caller asked."""
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
