"""What every other test here is measured against."""


def test_an_ordinary_answer(service, server):
    status, _, answer = service.chat("hi")
    assert status == 200
    assert (answer["answer"], answer["finish_reason"]) == ("Hello", "stop")
    assert answer["usage"]["source"] == "reported"
    assert server.bodies[0]["messages"][-1] == {"role": "user", "content": "hi"}
