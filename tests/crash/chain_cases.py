"""S25 and S26: what a model's faults do to chains that teams bring, a pipe and a graph, with a tool before the call."""

from tests.crash.case import Case
from tests.crash.client import CHAT, STREAM
from tests.crash.expected import Expected
from tests.crash.stack import PRIMARY, Plan
from tests.crash.trial import Trial
from tests.simulator.tokens import answer_text
from tests.support.simulator import directive

TOKENS = 60
ANSWER = directive(tokens=TOKENS, gap=0.005)
WHOLE = answer_text(TOKENS)
CHAINS = ("searched", "agent")
CHAIN = '''
import itertools

from langchain_core.callbacks import dispatch_custom_event
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_core.tools import tool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode

PROMPT = ChatPromptTemplate.from_template("{context}: {question}")


@tool
def look_up(word: str) -> str:
    """Look a word up."""
    return f"a note about {word}"


def searched(model):
    search = RunnablePassthrough.assign(context=lambda asked: look_up.invoke({"word": "moon"}))
    return search | PROMPT | model | StrOutputParser()


def agent(model):
    """As create_agent makes it, its first call decided: the simulator's model never asks for a tool."""
    planned = [{"name": "look_up", "args": {"word": "moon"}, "id": "call-1"}]
    bound = model.bind_tools([look_up])
    graph = StateGraph(MessagesState)
    graph.add_node("plan", lambda state: {"messages": [AIMessage("", tool_calls=planned)]})
    graph.add_node("tools", ToolNode([look_up]))
    graph.add_node("answer", lambda state: {"messages": [bound.invoke(state["messages"])]})
    for step in itertools.pairwise([START, "plan", "tools", "answer"]):
        graph.add_edge(*step)
    return graph.compile()


CHAINS = {"searched": searched, "agent": agent}
'''
BROUGHT = Plan(fallback=True, chain=CHAIN, settings={"RETRY_BUDGET": 1})


AGAIN = "sim:upstream_error, retry sim:upstream_error, retry sim:ok"
RESTARTED = "sim:upstream_error, restart spare:ok"


def met(trial: Trial, attempts: str, **orders: object) -> None:
    """By each chain on each route at once. Whatever becomes of the call, the tool before it runs once."""
    asked = [
        trial.client.asking(
            route,
            ANSWER + directive(model=PRIMARY, key=f"{chain}{route}", **orders),
            chain=chain,
        )
        for chain in CHAINS
        for route in (STREAM, CHAT)
    ]
    for asking in asked:
        saw = asking.saw()
        trial.expect(saw, Expected(attempts=attempts, text=WHOLE))
        ran = ["started", "finished"] if saw.route == STREAM else []
        trial.check(saw.tools == ran, f"the tool: {saw.tools}")


def refused_at_first(trial: Trial) -> None:
    met(trial, AGAIN, fault="500", times=2)


def cut(trial: Trial) -> None:
    met(trial, RESTARTED, fault="cut", after=40)


CASES = (
    Case("S25", "500 twice, after a tool", refused_at_first, BROUGHT, shared=True, seconds=6),
    Case("S26", "cut after 40 tokens, after a tool", cut, BROUGHT, shared=True, seconds=6),
)
