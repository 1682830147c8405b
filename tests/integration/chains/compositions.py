"""Chains as graduates of a course compose them, for test_graduates.py."""

import datetime as dt
from operator import itemgetter
from typing import Annotated, TypedDict

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.chat_history import InMemoryChatMessageHistory
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.example_selectors import SemanticSimilarityExampleSelector
from langchain_core.messages import (
    AIMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    trim_messages,
)
from langchain_core.output_parsers import (
    JsonOutputParser,
    MarkdownListOutputParser,
    PydanticOutputParser,
    SimpleJsonOutputParser,
    StrOutputParser,
    XMLOutputParser,
)
from langchain_core.output_parsers.openai_functions import JsonOutputFunctionsParser
from langchain_core.output_parsers.openai_tools import JsonOutputToolsParser, PydanticToolsParser
from langchain_core.prompts import (
    ChatPromptTemplate,
    FewShotChatMessagePromptTemplate,
    PromptTemplate,
)
from langchain_core.runnables import (
    ConfigurableField,
    RouterRunnable,
    RunnableBranch,
    RunnableConfig,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
    RunnablePick,
    RunnableSequence,
    chain,
)
from langchain_core.tools import ToolException, tool
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_openai import ChatOpenAI
from pydantic import BaseModel, Field

from service.llm.steps import guarded, off_loop

ASK = ChatPromptTemplate.from_template("{question}")
TALK = ChatPromptTemplate.from_messages([("placeholder", "{history}"), ("human", "{question}")])
KEPT: dict[str, InMemoryChatMessageHistory] = {}
SEARCHED: set[str] = set()


class City(BaseModel):
    """A city."""

    name: str = Field(description="its name")
    people: int


class CityDict(TypedDict):
    """A city."""

    name: Annotated[str, ..., "its name"]
    people: int


SCHEMA = {
    "title": "City",
    "description": "A city.",
    "type": "object",
    "properties": {"name": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["name", "people"],
}
FUNCTION = {"name": "City", "description": "A city.", "parameters": SCHEMA}


@tool
def people(name: str) -> str:
    """How many people live there."""
    return f"9 in {name}"


@tool
def failing(name: str) -> str:
    """How many people live there, if anybody knew."""
    raise ToolException("canary")


failing.handle_tool_error = True


def shelf():
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents(
        [
            Document("the moon", metadata={"source": "a"}),
            Document("the sun", metadata={"source": "b"}),
        ]
    )
    return store.as_retriever(search_kwargs={"k": 1})


def joined(documents):
    return "\n\n".join(document.page_content for document in documents)


def retrieval_chain(model):
    prompt = ChatPromptTemplate.from_messages([("system", "use: {context}"), ("human", "{input}")])
    answer = (
        RunnablePassthrough.assign(context=lambda x: joined(x["context"]))
        | prompt
        | model
        | StrOutputParser()
    )
    return RunnablePassthrough.assign(context=itemgetter("input") | shelf()).assign(
        answer=answer
    ) | itemgetter("answer")


def conversational(model):
    condense = ChatPromptTemplate.from_messages(
        [("placeholder", "{history}"), ("human", "{question}"), ("human", "Rephrase.")]
    )
    question = RunnableBranch(
        (lambda x: bool(x["history"]), condense | model | StrOutputParser()), itemgetter("question")
    )
    return (
        RunnablePassthrough.assign(question=question)
        | RunnablePassthrough.assign(context=itemgetter("question") | shelf() | joined)
        | ChatPromptTemplate.from_template("{context}: {question}")
        | model
        | StrOutputParser()
    )


def two_models(model):
    other = guarded(ChatOpenAI(model="gpt-4o", api_key="sk-other"))
    return RunnableParallel(a=ASK | model, b=ASK | other) | (
        lambda x: x["a"].content + "+" + x["b"].content
    )


def pydantic_parser(model):
    parser = PydanticOutputParser(pydantic_object=City)
    prompt = ChatPromptTemplate.from_messages(
        [("system", "{format}"), ("human", "{question}")]
    ).partial(format=parser.get_format_instructions())
    return prompt | model | parser


def selected(model):
    """Examples chosen by the question."""
    antonyms = [{"input": "happy", "output": "sad"}, {"input": "tall", "output": "short"}]
    selector = SemanticSimilarityExampleSelector.from_examples(
        antonyms, DeterministicFakeEmbedding(size=8), InMemoryVectorStore, k=1
    )
    examples = FewShotChatMessagePromptTemplate(
        example_selector=selector,
        example_prompt=ChatPromptTemplate.from_messages([("human", "{input}"), ("ai", "{output}")]),
        input_variables=["input"],
    )
    return ChatPromptTemplate.from_messages([examples, ("human", "{input}")]) | model


def own_system(model):
    prompt = ChatPromptTemplate.from_messages([("system", "{system}"), ("human", "{question}")])
    return prompt.partial(system="a pirate") | model


def function_loop(model):
    """With OpenAI's older functions, as courses of 2023 have it."""
    bound = model.bind(functions=[FUNCTION])

    def go(asked):
        messages = [HumanMessage(asked["question"])]
        while call := (said := bound.invoke(messages)).additional_kwargs.get("function_call"):
            messages += [said, FunctionMessage(name=call["name"], content=call["arguments"])]
        return said

    return RunnableLambda(go)


def own_memory(model):
    def remember(asked, config: RunnableConfig):
        kept = KEPT.setdefault(config["configurable"]["session_id"], InMemoryChatMessageHistory())
        kept.add_user_message(asked["question"])
        answer = model.invoke(kept.messages, config)
        kept.add_message(answer)
        return answer

    return RunnableLambda(remember)


def multimodal(model):
    def parts(asked):
        return [
            HumanMessage(
                [
                    {"type": "text", "text": asked["question"]},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                ]
            )
        ]

    return RunnableLambda(parts) | model


def few_shot(model):
    shots = FewShotChatMessagePromptTemplate(
        examples=[{"input": "1+1", "output": "2"}],
        example_prompt=ChatPromptTemplate.from_messages([("human", "{input}"), ("ai", "{output}")]),
    )
    return (
        ChatPromptTemplate.from_messages([("system", "maths"), shots, ("human", "{question}")])
        | model
    )


class Handler(BaseCallbackHandler):
    def __init__(self):
        self.ends = 0

    def on_llm_end(self, *args, **kwargs):
        self.ends += 1


def with_handler(model):
    def go(asked):
        handler = Handler()
        text = model.invoke(asked["question"], config={"callbacks": [handler]}).text
        return f"{text} {handler.ends}"

    return RunnableLambda(go)


def sentences(chunks):
    kept = ""
    for chunk in chunks:
        kept += chunk
        while "." in kept:
            sentence, kept = kept.split(".", 1)
            yield f"[{sentence.strip()}]"
    if kept.strip():
        yield f"[{kept.strip()}]"


def upper(chunks):
    for chunk in chunks:
        yield chunk.upper()


def vote(model):
    def go(asked):
        said = [message.text for message in model.batch([asked["question"]] * 3)]
        return max(set(said), key=said.count)

    return RunnableLambda(go)


def completed(model):
    def go(asked):
        return "/".join(
            text.text
            for _, text in sorted(model.batch_as_completed(["x", "y"]), key=lambda p: p[0])
        )

    return RunnableLambda(go)


def guardrail(model):
    prompt = ChatPromptTemplate.from_template("safe? {question}")
    check = prompt | model | StrOutputParser()
    return RunnablePassthrough.assign(safe=check) | RunnableBranch(
        (
            lambda x: x["safe"] == "no",
            RunnableLambda(lambda x: AIMessage("I will not answer that.")),
        ),
        ASK | model,
    )


def plan_and_execute(model):
    @chain
    def go(asked):
        steps = (ASK | model | StrOutputParser()).invoke(asked).split(",")
        done = [(ASK | model | StrOutputParser()).invoke({"question": step}) for step in steps]
        return ChatPromptTemplate.from_template("sum up {question}").invoke(
            {"question": ";".join(done)}
        )

    return go | model | StrOutputParser()


def search(asked, config: RunnableConfig):
    """Is down at each turn's first try."""
    request_id = config["configurable"]["request_id"]
    if request_id not in SEARCHED:
        SEARCHED.add(request_id)
        raise ConnectionError("secret-text")
    return asked


def retried_call(model):
    def answer(asked):
        def say():
            return model.invoke(asked["question"]).text

        return say()

    return RunnableLambda(answer).with_retry(wait_exponential_jitter=False)


class Asking:
    def __init__(self, model):
        self.model = model

    def answer(self, asked):
        return self.model.invoke(asked["question"]).text


def raising_generator(model):
    def go(chunks):
        for chunk in chunks:
            yield chunk
            raise ValueError("secret-text")

    return ASK | model | StrOutputParser() | RunnableGenerator(go)


COMPOSITIONS = {
    "retrieval_chain": retrieval_chain,
    "conversational": conversational,
    "two_models": two_models,
    "pydantic_parser": pydantic_parser,
    "json_pydantic": lambda m: ASK | m | JsonOutputParser(pydantic_object=City),
    "simple_json": lambda m: ASK | m | SimpleJsonOutputParser(),
    "markdown_list": lambda m: ASK | m | MarkdownListOutputParser(),
    "xml": lambda m: ASK | m | XMLOutputParser(parser="xml"),
    "own_memory": own_memory,
    "multimodal": multimodal,
    "few_shot": few_shot,
    "with_handler": with_handler,
    "sentences": lambda m: ASK | m | StrOutputParser() | RunnableGenerator(sentences),
    "upper": lambda m: ASK | m | StrOutputParser() | upper,
    "vote": vote,
    "completed": completed,
    "guardrail": guardrail,
    "plan_and_execute": plan_and_execute,
    "typed_dict": lambda m: ASK | m.with_structured_output(CityDict),
    "schema_dict": lambda m: ASK | m.with_structured_output(SCHEMA),
    "structured_field": lambda m: ASK | m.with_structured_output(City) | (lambda city: city.name),
    "tools_parser": lambda m: (
        ASK
        | m.bind_tools([City], tool_choice="City")
        | PydanticToolsParser(tools=[City], first_tool_only=True)
    ),
    "json_tools": lambda m: ASK | m.bind_tools([City]) | JsonOutputToolsParser(),
    "called_tool": lambda m: ASK | m.bind_tools([people]) | (lambda s: s.tool_calls[0]) | people,
    "called_failing": lambda m: (
        ASK | m.bind_tools([failing]) | (lambda s: s.tool_calls[0]) | failing
    ),
    "called_tools": lambda m: (
        ASK | m.bind_tools([people]) | (lambda s: s.tool_calls) | people.map()
    ),
    "functions": lambda m: ASK | m.bind(functions=[FUNCTION]) | JsonOutputFunctionsParser(),
    "functions_last": lambda m: RunnableLambda(lambda x: x) | ASK | m.bind(functions=[FUNCTION]),
    "function_loop": function_loop,
    "selected": selected,
    "own_system": own_system,
    "stop": lambda m: ASK | m.bind(stop=["\n"]),
    "trimmed": lambda m: (
        TALK | trim_messages(max_tokens=2, token_counter=len, strategy="last", start_on="human") | m
    ),
    "placeholder": lambda m: TALK | m | StrOutputParser(),
    "string_prompt": lambda m: (
        PromptTemplate.from_template("Q: {question}\nA:") | m | StrOutputParser()
    ),
    "partial_date": lambda m: (
        ChatPromptTemplate.from_template("{day} {question}").partial(
            day=lambda: dt.date(2026, 1, 1).isoformat()
        )
        | m
    ),
    "picked": lambda m: RunnablePassthrough.assign(answer=ASK | m | StrOutputParser()).pick(
        "answer"
    ),
    "pick_class": lambda m: (
        RunnableParallel(answer=ASK | m | StrOutputParser(), q=itemgetter("question"))
        | RunnablePick("answer")
    ),
    "sequence_class": lambda m: RunnableSequence(first=ASK, middle=[m], last=StrOutputParser()),
    "router": lambda m: (
        RunnableLambda(lambda x: {"key": "a", "input": x})
        | RouterRunnable({"a": ASK | m, "b": ASK | m})
    ),
    "configurable": lambda m: (
        ASK | m.configurable_fields(temperature=ConfigurableField(id="temperature"))
    ),
    "alternatives": lambda m: (
        ASK
        | m.configurable_alternatives(
            ConfigurableField(id="llm"), default_key="mini", big=m.bind(model="gpt-4o")
        )
    ),
    "named": lambda m: (ASK | m).with_config(run_name="mine", tags=["a"], metadata={"b": 1}),
    "copied": lambda m: ASK | m.model_copy(update={"temperature": 0.0, "max_tokens": 5}),
    "recursing": lambda m: RunnableLambda(lambda x: RunnableLambda(lambda y: ASK | m)),
    "reads_usage": lambda m: (
        ASK | m | (lambda message: f"{message.content} {message.usage_metadata['total_tokens']}")
    ),
    "reads_reason": lambda m: (
        ASK
        | m
        | (lambda message: f"{message.content} {message.response_metadata['finish_reason']}")
    ),
    "off_loop_step": lambda m: RunnableLambda(off_loop(lambda x: x)) | ASK | m,
    "system_message": lambda m: (
        RunnableLambda(lambda x: [SystemMessage("kind"), HumanMessage(x["question"])]) | m
    ),
    "tapped": lambda m: RunnablePassthrough(lambda x: None) | ASK | m,
    "listened": lambda m: (ASK | m).with_listeners(on_end=lambda run: None),
    "typed": lambda m: (ASK | m | StrOutputParser()).with_types(input_type=dict, output_type=str),
    "each": lambda m: (
        RunnableLambda(lambda x: [x, x])
        | (ASK | m | StrOutputParser()).map()
        | (lambda both: both[0])
    ),
    "step_fallback": lambda m: (
        RunnableLambda(lambda x: 1 / 0).with_fallbacks([RunnableLambda(lambda x: x)]) | ASK | m
    ),
    "retried_step": lambda m: (
        RunnableLambda(search).with_retry(wait_exponential_jitter=False) | ASK | m
    ),
    "retried_last": lambda m: (
        ASK | m | RunnableLambda(search).with_retry(wait_exponential_jitter=False)
    ),
    "retried_call": retried_call,
    "retried_method": lambda m: RunnableLambda(Asking(m).answer).with_retry(),
    "retried_choice": lambda m: RunnableLambda(lambda x: ASK | m).with_retry(),
    "retried_parser": lambda m: (
        ASK | ChatOpenAI(model="gpt-4o", max_retries=0) | StrOutputParser().with_retry()
    ),
    "assign_fallback": lambda m: (
        RunnablePassthrough.assign(day=lambda x: 1 / 0).with_fallbacks(
            [RunnablePassthrough.assign(day=lambda x: "today")]
        )
        | ChatPromptTemplate.from_template("{day} {question}")
        | m
    ),
    "chosen": lambda m: RunnableLambda(lambda x: ASK | m) | StrOutputParser(),
    "parser_fallback": lambda m: (ASK | m | JsonOutputParser()).with_fallbacks(
        [ASK | m | StrOutputParser()]
    ),
    "raising_generator": raising_generator,
}
