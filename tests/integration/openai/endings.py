"""A chain that ends as its question says: a code of the contract, and after it the text to say before, if any."""

from langchain_core.runnables import RunnableGenerator

from service import errors

KINDS = {kind.code: kind for kind in errors.kinds(errors.ChatError) if "code" in vars(kind)}


def build_chain(_model):
    def answer(asked):
        for question in asked:
            code, _, text = question["question"].partition(" ")
            if text:
                yield text
            if code in KINDS:
                raise KINDS[code]

    return RunnableGenerator(answer)
