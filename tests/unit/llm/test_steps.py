"""The service's tools for chains."""

import threading

from service.llm.steps import on_asyncio


@on_asyncio
async def doubled(number):
    return 2 * number


def test_a_coroutine_function_called_wrongly_fails_as_any_function():
    raised = []

    def call():
        try:
            doubled(2, 3)
        except TypeError as error:
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(30)
    assert raised
    assert doubled(2) == 4
