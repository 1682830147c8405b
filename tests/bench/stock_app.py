"""The chat API as courses teach it: the yardstick of the benchmark, served as they say (gunicorn, gevent)."""

import json
import os

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
