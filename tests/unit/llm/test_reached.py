"""What a step may call, found in its fields and functions."""

import functools

import pytest
from flask import current_app
from langchain_core.runnables import RunnableLambda

from service.llm.reached import reaches


class Model:
    def ask(self, question):
        return question


class Holder:
    def __init__(self, model):
        self.models = {"one": [model]}

    def ask(self, question):
        return self.models["one"][0].ask(question)


MODEL = Model()


def helper(question):
    return MODEL.ask(question)


def of_global(question):
    def inside():
        return helper(question)

    return inside()


def with_default(question, *, model=MODEL):
    return model.ask(question)


def created(question):
    return Model().ask(question)


def of_app(question):
    return current_app.config[question]


def recursing(question):
    return recursing(question)


@pytest.mark.parametrize(
    "function",
    [
        lambda question, model=MODEL: model.ask(question),
        of_global,
        with_default,
        MODEL.ask,
        Holder(MODEL).ask,
        functools.partial(with_default, model=MODEL),
    ],
)
def test_a_model_that_a_function_refers_to_is_found(function):
    def step(question):
        return function(question)

    assert reaches(RunnableLambda(step).with_retry(), (Model,))


@pytest.mark.parametrize("function", [created, of_app, recursing, str])
def test_a_function_that_refers_to_none_has_none(function):
    def step(question):
        return function(question)

    assert not reaches(RunnableLambda(step).with_retry(), (Model,))
