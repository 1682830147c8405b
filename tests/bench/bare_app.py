"""The least that a stream costs on Flask and gunicorn: what the model sends, cut out and passed on, and nothing else.

No LangChain, no checks, no retries, no keys, no metrics, no log: what no service on this ground can fall below.
"""

import json
import os
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from flask import Flask, Response, request
from gevent import socket

MODEL = urlsplit(os.environ["OPENAI_BASE_URL"])
TEXT = re.compile(rb'"content": ?("[^"]*")')
LAST_CHUNK = b"0\r\n\r\n"

app = Flask(__name__)
idle: list[socket.socket] = []


@app.post("/chat/stream")
def stream():
    return Response(_frames(request.get_json()["question"]), mimetype="text/event-stream")


def _frames(question: str) -> Iterator[bytes]:
    connection = idle.pop() if idle else _connected()
    connection.sendall(_request(question))
    end = b""
    while not end.endswith(LAST_CHUNK):
        data = connection.recv(65536)
        if texts := TEXT.findall(data):
            yield b"".join(b"data: %s\n\n" % text for text in texts)
        end = (end + data)[-len(LAST_CHUNK) :]
    idle.append(connection)
    yield b"data: [DONE]\n\n"


def _connected() -> socket.socket:
    connection = socket.create_connection((MODEL.hostname, MODEL.port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _request(question: str) -> bytes:
    messages = [{"role": "user", "content": question}]
    body = json.dumps({"model": "sim", "stream": True, "messages": messages}).encode()
    head = (
        f"POST {MODEL.path}/chat/completions HTTP/1.1\r\nHost: {MODEL.netloc}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
