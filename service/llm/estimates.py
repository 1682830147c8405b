"""What a model call will take at most, before it is made: nothing is counted, so that it costs nothing to ask."""

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
OUTPUT_LIMITS = ("max_tokens", "max_completion_tokens", "max_output_tokens")


@dataclass(frozen=True)
class Estimates:
    """cost: of the dearest place where a model may be asked; None where one has no price."""

    cost: Callable[[str, Usage], float | None]

    def of_prompt(self, prompt: Prompt) -> Estimate:
        """The first call, if the chain asks what the caller asked."""
        texts = [prompt.system, *(message.content for message in prompt.history), prompt.question]
        return self._estimate(prompt.model, texts, prompt.max_tokens)

    def of_call(self, call: ModelCall) -> Estimate:
        limits = (call.options.get(name) for name in OUTPUT_LIMITS)
        most = next((limit for limit in limits if isinstance(limit, int)), None)
        return self._estimate(call.model, call.texts, most)

    def _estimate(self, model: str, texts: Iterable[str], most: int | None) -> Estimate:
        sizes = [len(text.encode("utf-8", "surrogatepass")) for text in texts]
        asked = sum(sizes) // BYTES_PER_TOKEN + MESSAGE_TOKENS * len(sizes)
        answered = most or OUTPUT_TOKENS
        cost = self.cost(model, Usage(asked, answered, "estimated"))
        return Estimate(model, asked, answered, cost)
