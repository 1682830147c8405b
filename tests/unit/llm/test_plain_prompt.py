"""Prompts that are filled in directly say what LangChain itself would say."""

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    MessagesPlaceholder,
    PromptTemplate,
)

from service.llm.plain_prompt import fill_of

FIELDS = {
    "system": "Be {brief}.",
    "history": [HumanMessage("안녕"), AIMessage("{question}")],
    "question": "What is {x}?\n\ud83d\ude42",
    "input": "What is {x}?\n\ud83d\ude42",
}
HISTORY = MessagesPlaceholder("history")
PLAIN = {
    "ours": [("system", "{system}"), HISTORY, ("human", "{question}")],
    "texts around": [("system", "You {{are}} a {{bot}}. {system}!"), ("human", "Q: {input}\nA:")],
    "fixed": [SystemMessage("Answer in {one} word."), ("ai", "Yes?"), ("human", "{question}")],
    "twice": [("human", "{question} {question}{system}")],
    "placeholder by name": [("placeholder", "{history}"), ("human", "{question}")],
    "nothing": [("human", "Tell a joke.")],
    "empty": [("system", ""), ("human", "{question}")],
}
OTHER = {
    "history in a text": [("human", "{history}")],
    "last of the history": [MessagesPlaceholder("history", n_messages=1)],
    "another placeholder": [MessagesPlaceholder("examples", optional=True)],
    "conversion": [("human", "{question!r}")],
    "format": [("human", "{question:>20}")],
    "parts": [("human", [{"type": "text", "text": "{question}"}])],
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_prompt_says_what_langchain_would(name):
    template = ChatPromptTemplate.from_messages(PLAIN[name])
    fill = fill_of(template)
    optional = "placeholder" in name
    assert (fill is None) == optional
    if fill is not None:
        assert fill(FIELDS) == template.format_messages(**FIELDS)


@pytest.mark.parametrize("name", OTHER)
def test_any_other_is_left_to_langchain(name):
    assert fill_of(ChatPromptTemplate.from_messages(OTHER[name])) is None


def test_other_kinds_of_template_are_left_to_langchain():
    jinja = PromptTemplate.from_template("{{ question }}", template_format="mustache")
    assert fill_of(jinja) is None
    assert (
        fill_of(ChatPromptTemplate([("human", "{{question}}")], template_format="mustache")) is None
    )
    assert (
        fill_of(ChatPromptTemplate.from_messages([("human", "{question}")]).partial(question="?"))
        is None
    )
    shots = FewShotChatMessagePromptTemplate(
        examples=[{"question": "1"}],
        example_prompt=ChatPromptTemplate.from_messages([("human", "{question}")]),
    )
    assert fill_of(ChatPromptTemplate.from_messages([shots, ("human", "{question}")])) is None


def test_a_subclass_does_as_it_likes():
    class Shouting(ChatPromptTemplate):
        def format_messages(self, **kwargs):
            return [HumanMessage(kwargs["question"].upper())]

    assert fill_of(Shouting.from_messages([("human", "{question}")])) is None
