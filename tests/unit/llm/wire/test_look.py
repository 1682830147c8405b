"""Lists of models in the shapes that servers give them."""

import json

import pytest

from service.llm.wire.address import parse
from service.llm.wire.look import look_at
from tests.support.upstream import Upstream, whole

SHAPES = {
    "OpenAI's": {"object": "list", "data": [{"id": "NAME", "object": "model"}]},
    "names alone": {"data": ["NAME"]},
    "a list of names": ["NAME"],
    "Cloudflare's": {"success": True, "errors": [], "result": [{"id": "x", "name": "NAME"}]},
    "Mistral's aliases": {"data": [{"id": "x", "aliases": ["NAME"]}]},
    "a proxy's": {"model_list": [{"model": "NAME"}], "data": None},
}


def look(said):
    """What is found about a model named sim."""

    def answer(_, connection):
        connection.sendall(whole(200, json.dumps(said).encode()))

    with Upstream(answer) as upstream:
        return look_at(parse(f"http://{upstream.address}/v1"), {}, ["sim"])


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_model_is_found_where_it_is_listed_and_missed_where_it_is_not(shape):
    def named(name):
        return json.loads(json.dumps(shape).replace("NAME", name))

    assert look(named("sim")) is None
    found = look(named("similar"))
    assert found is not None
    assert found.problem == "model"


@pytest.mark.parametrize("more", [{"has_more": True}, {"next_page_token": "x"}])
def test_a_part_of_a_list_says_nothing_of_what_is_missing(more):
    assert look({"data": [{"id": "other"}]} | more) is None
