"""The chat API as courses teach it: the yardstick of the benchmark, served as they say (gunicorn, gevent)."""

import json
import os
import time
import uuid

from flask import Flask, Response, request
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_openai import ChatOpenAI

app = Flask(__name__)
prompt = ChatPromptTemplate.from_messages(
    [("system", "당신은 정확하고 간결한 한국어 비서입니다."), ("human", "{question}")]
)
model = ChatOpenAI(
    model=os.environ.get("LLM_MODEL", "sim"),
    base_url=os.environ["OPENAI_BASE_URL"],
    api_key=os.environ.get("OPENAI_API_KEY", "none"),
    temperature=0.2,
)
chain = prompt | model | StrOutputParser()


@app.get("/health")
def health():
    return {"status": "ok"}


@app.post("/chat")
def chat():
    return {"answer": chain.invoke({"question": request.get_json()["question"]})}


@app.post("/chat/stream")
def stream():
    question = request.get_json()["question"]

    def generate():
        for text in chain.stream({"question": question}):
            yield f"data: {json.dumps(text)}\n\n"
        yield "data: [DONE]\n\n"

    return Response(generate(), mimetype="text/event-stream")


@app.post("/v1/chat/completions")
def completions():
    """The same stream in OpenAI's shape, as tutorials write it."""
    question = request.get_json()["messages"][-1]["content"]
    name = f"chatcmpl-{uuid.uuid4()}"

    def chunk(delta, finish_reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        told = {
            "id": name,
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": model.model_name,
            "choices": [choice],
        }
        return f"data: {json.dumps(told)}\n\n"

    def generate():
        for text in chain.stream({"question": question}):
            yield chunk({"content": text})
        yield chunk({}, "stop")
        yield "data: [DONE]\n\n"

    return Response(generate(), mimetype="text/event-stream")
