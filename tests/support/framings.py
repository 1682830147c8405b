"""HTTP and event streams as servers, gateways and proxies write them: all of it is the same answer, or a failure."""

# ruff: noqa: E501 - a row each, as servers write it

import gzip
import zlib
from typing import Any

import brotli

from tests.support.answers import FAILED, HELLO, ROLE, delta
from tests.support.model_server import DONE, answers, fin, stream, text
from tests.support.upstream import STREAM_HEAD, chunk, cut
from tests.support.upstream import whole as http

ANSWER = b"".join([ROLE, text("Hello"), fin("stop"), DONE])
EVENTS_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"


def closing(data: bytes, head: bytes = EVENTS_HEAD) -> list[Any]:
    """Its end is the connection's."""
    return [head, data, cut]


def flushed(*pieces: bytes) -> list[Any]:
    """Each piece as far as gzip has it when it is sent."""
    coder = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    made = [coder.compress(piece) + coder.flush(zlib.Z_SYNC_FLUSH) for piece in pieces]
    return [chunk(piece) for piece in (*made, coder.flush())]


# fmt: off
WAYS: list[Any] = [
    ("eof delimited", closing(ANSWER), HELLO),
    ("eof delimited no done", closing(ROLE+text("Hello")+fin("stop")), HELLO),
    ("http/1.0", closing(ANSWER, b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"), HELLO),
    ("http/1.0 keepalive length", [b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("length", [http(200, ANSWER)], HELLO),
    ("length twice", [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\ncontent-length:%d\r\n\r\n"%(len(ANSWER), len(ANSWER))+ANSWER], HELLO),
    ("length in a list", [b"HTTP/1.1 200 OK\r\nContent-Length: %d, %d\r\n\r\n"%(len(ANSWER), len(ANSWER))+ANSWER], HELLO),
    ("chunked twice", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nServer: x\r\ntransfer-encoding: Chunked\r\n\r\n", 0.05, chunk(ANSWER)+chunk(b"")], HELLO),
    ("chunked twice in a line", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"+chunk(ANSWER)+chunk(b"")], HELLO),
    ("identity as a transfer coding", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("identity, eof delimited", closing(ANSWER, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"), HELLO),
    ("no coding", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("an empty length beside chunks", [b"HTTP/1.1 200 OK\r\nContent-Length:\r\nTransfer-Encoding: chunked\r\n\r\n"+chunk(ANSWER)+chunk(b"")], HELLO),
    ("length too long", [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"%(len(ANSWER)+50)+ANSWER, cut], HELLO),
    ("length too long no done", [[b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"%(len(ANSWER)+50)+ROLE+text("Hello"), cut], answers()], HELLO),
    ("length too short", [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"%(len(ANSWER)-len(DONE))+ANSWER], HELLO),
    ("chunked no last chunk", [STREAM_HEAD, chunk(ANSWER), cut], HELLO),
    ("chunked no last chunk no done", [STREAM_HEAD, chunk(ROLE+text("Hello")+fin("stop")), cut], HELLO),
    ("no chunk behind the answer", [STREAM_HEAD + chunk(ANSWER) + b"\r\n0\r\n\r\n"], HELLO),
    ("no chunk behind the answer, no done", [STREAM_HEAD + chunk(ROLE+text("Hello")+fin("stop")) + b"\r\n0\r\n\r\n"], HELLO),
    ("no chunk behind a part", [[STREAM_HEAD + chunk(ROLE+text("Hel")) + b"HTTP/1.1 502 Bad Gateway\r\n\r\n"], answers()], HELLO),
    ("chunked cut before reason", [[STREAM_HEAD, chunk(ROLE+text("Hel")), cut], answers()], HELLO),
    ("chunk extensions", [STREAM_HEAD, b"%x;foo=bar\r\n%b\r\n"%(len(ANSWER), ANSWER), b"0\r\n\r\n"], HELLO),
    ("trailers", [STREAM_HEAD, chunk(ANSWER), b"0\r\nX-T: 1\r\nServer-Timing: a\r\n\r\n"], HELLO),
    ("upper hex", [STREAM_HEAD, b"%X\r\n%b\r\n"%(len(ANSWER), ANSWER), b"0\r\n\r\n"], HELLO),
    ("100 continue", [b"HTTP/1.1 100 Continue\r\n\r\n"+b"".join(stream(ANSWER))], HELLO),
    ("102 twice", [b"HTTP/1.1 102 Processing\r\n\r\n", 0.05, b"HTTP/1.1 102 Processing\r\n\r\n"+b"".join(stream(ANSWER))], HELLO),
    ("103 hints", [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"+b"".join(stream(ANSWER))], HELLO),
    ("no reason phrase", [b"HTTP/1.1 200\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("gzip", [http(200, gzip.compress(ANSWER), Content_Encoding="gzip")], HELLO),
    ("gzip chunked flush", [STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n"), *flushed(ROLE, text("Hello"), fin("stop"), DONE), chunk(b"")], HELLO),
    ("x-gzip upper", [http(200, gzip.compress(ANSWER), Content_Encoding="X-GZIP")], HELLO),
    ("deflate", [http(200, zlib.compress(ANSWER), Content_Encoding="deflate")], HELLO),
    ("raw deflate", [http(200, zlib.compress(ANSWER, wbits=-15), Content_Encoding="deflate")], HELLO),
    ("identity", [http(200, ANSWER, Content_Encoding="identity")], HELLO),
    ("utf-8 as coding", [http(200, ANSWER, Content_Encoding="utf-8")], HELLO),
    ("coding twice", [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: identity\r\nContent-Length: %d\r\n\r\n"%len(gzip.compress(ANSWER, mtime=0))+gzip.compress(ANSWER, mtime=0)], HELLO),
    ("gzip members", [http(200, b"".join(map(gzip.compress, (ROLE, text("Hello"), fin("stop"), DONE))), Content_Encoding="gzip")], HELLO),
    ("none as coding", [http(200, ANSWER, Content_Encoding="none")], HELLO),
    ("empty coding", [http(200, ANSWER, Content_Encoding="")], HELLO),
    ("gzip said but plain", [http(200, ANSWER, Content_Encoding="gzip")], HELLO),
    ("gzip truncated", [http(200, gzip.compress(ANSWER)[:-6], Content_Encoding="gzip")], HELLO),
    ("refusal without end", [b"HTTP/1.1 400 -\r\nTransfer-Encoding: chunked\r\n\r\n", chunk(b'{"error": {"message": "bad"}}'), 4.0], "upstream_invalid_request"),
    ("gzip error", [http(400, gzip.compress(b'{"error": {"message": "bad", "type": "invalid_request_error"}}'), Content_Encoding="gzip")], "upstream_invalid_request"),
    ("refusal cut off", [b"HTTP/1.1 400 -\r\nContent-Length: 900\r\n\r\n" + b'{"error": {"code": "content_filter"}}', cut], "content_filtered"),
    ("refusal cut off, in chunks", [b"HTTP/1.1 402 -\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(b"{"), cut], "upstream_quota_exhausted"),
    ("gzip error, bad", [http(400, b"notgzip", Content_Encoding="gzip")], "upstream_invalid_request"),
    ("br error unknown", [http(429, b"\x8b\x00", Content_Encoding="zstd")], "upstream_rate_limited"),
    ("zstd", [http(200, b"\x28\xb5\x2f\xfd", Content_Encoding="zstd")], FAILED),
    ("content type upper", [http(200, ANSWER, Content_Type="TEXT/EVENT-STREAM; charset=UTF-8")], HELLO),
    ("octet stream", [http(200, ANSWER, Content_Type="application/octet-stream")], HELLO),
    ("html type with sse", [http(200, ANSWER, Content_Type="text/html")], HELLO),
    ("head in bare lines", [b"HTTP/1.1 200 OK\nContent-Length: %d\n\n"%len(ANSWER)+ANSWER], HELLO),
    ("head in bare lines, in pieces", [b"HTTP/1.1 100 Continue\n\nHTTP/1.1 20", 0.05, b"0 OK\nContent-Length: %d\n"%len(ANSWER), 0.05, b"\n"+ANSWER], HELLO),
    ("folded header", [b"HTTP/1.1 200 OK\r\nContent-Security-Policy: a;\r\n\tb;\r\n c\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("header latin1", [b"HTTP/1.1 200 OK\r\nX-Name: caf\xe9\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("header no value", [b"HTTP/1.1 200 OK\r\nX-Name:\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("many cookies", [b"HTTP/1.1 200 OK\r\n"+b"Set-Cookie: __cf_bm=x; path=/\r\n"*20+b"Content-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("header 20k", [b"HTTP/1.1 200 OK\r\nX-Big: "+b"y"*20000+b"\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER], HELLO),
    ("not http", [b"\x15\x03\x01\x00\x02\x02\x50", cut], FAILED),
    ("tls alert text", [b"<html>400 The plain HTTP request was sent to HTTPS port</html>", cut], FAILED),
    ("https port 400", [http(400, b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>", Content_Type="text/html")], "upstream_rejected"),
    ("connection close", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"%len(ANSWER)+ANSWER, cut], HELLO),
    ("transfer upper", [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"+chunk(ANSWER)+chunk(b"")], HELLO),
    ("raw utf8 frame", stream('data: {"choices": [{"index": 0, "delta": {"content": "안녕 \u2028x"}, "finish_reason": null}]}\n\n'.encode(), fin("stop"), DONE), ("안녕 \u2028x", "stop", None)),
    ("invalid utf8", stream(b'data: {"choices": [{"index": 0, "delta": {"content": "a\xff"}, "finish_reason": null}]}\n\n', fin("stop"), DONE), ("a�", "stop", None)),
    ("NaN logprob", stream(b'data: {"choices": [{"index": 0, "delta": {"content": "Hello"}, "logprobs": {"content": [{"logprob": NaN}]}, "finish_reason": null}]}\n\n', fin("stop"), DONE), HELLO),
    ("-Infinity", stream(b'data: {"choices": [{"index": 0, "delta": {"content": "Hello"}, "logprobs": -Infinity, "finish_reason": null}]}\n\n', fin("stop"), DONE), HELLO),
    ("big int", stream(b'data: {"choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": null}], "created": 99999999999999999999999}\n\n', fin("stop"), DONE), HELLO),
    ("trailing comma junk", [stream(text("Hel"), b'data: {"choices": [{"index": 0, }]}\n\n', DONE), answers()], HELLO),
    ("python dict", [stream(text("Hel"), b"data: {'choices': []}\n\n", DONE), answers()], HELLO),
    ("duplicate keys", stream(b'data: {"choices": [], "choices": [{"index": 0, "delta": {"content": "Hello"}, "finish_reason": null}]}\n\n', fin("stop"), DONE), HELLO),
    ("empty data obj", stream(b"data: {}\n\n", text("Hello"), fin("stop"), DONE), HELLO),
    ("ping data", stream(b'event: ping\ndata: {"type": "ping"}\n\n', text("Hello"), b"event: ping\ndata: ping\n\n", fin("stop"), DONE), HELLO),
    ("data ping text", stream(b"data: ping\n\n", text("Hello"), fin("stop"), DONE), HELLO),
    ("tool call delta not offered", stream(delta({"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}), fin("tool_calls"), DONE), FAILED),
    ("empty tool_calls", stream(delta({"content": "Hello", "tool_calls": []}), fin("stop"), DONE), HELLO),
    ("function_call null", stream(delta({"content": "Hello", "function_call": None, "tool_calls": None, "audio": None}), fin("stop"), DONE), HELLO),
    ("reason tool_calls but text", stream(text("Hello"), fin("tool_calls"), DONE), FAILED),
    ("annotations", stream(delta({"content": "Hello", "annotations": [{"type": "url_citation"}]}), fin("stop"), DONE), HELLO),
    ("audio delta", stream(delta({"audio": {"id": "a", "transcript": "x"}}), text("Hello"), fin("stop"), DONE), HELLO),
    ("br", [http(200, brotli.compress(ANSWER), Content_Encoding="br")], HELLO),
]
# what is put for what in an ordinary stream; the event stream is the same
FRAMINGS: dict[str, list[tuple[bytes, bytes]]] = {
    "crlf": [(b"\n", b"\r\n")],
    "cr": [(b"\n", b"\r")],
    "mixed ends": [(b"\n\n", b"\r\n\n")],
    "one newline": [(b"\n\n", b"\n")],
    "three newlines": [(b"\n\n", b"\n\n\n")],
    "no blank": [(b"data: ", b"data:")],
    "two blanks": [(b"data: ", b"data:  ")],
    "a tab": [(b"data: ", b"data:\t")],
    "events made events": [(b"data: ", b"data: data: "), (b"\n\n", b"\ndata: \ndata: \n\n")],
    "blanks between": [(b"data: ", b"  data: ")],
    "ends of strings": [(b"\n\n", b"\n\n\0")],
    "a mark with each event": [(b"data: ", b"\xef\xbb\xbfdata: ")],
    "ids before": [(b"data: ", b"id: 1\ndata: ")],
    "ids after": [(b"\n\n", b"\nid: 7\n\n")],
    "events": [(b"data: ", b"event: completion\ndata: ")],
    "events named as objects": [(b"data: ", b"event: chat.completion.chunk\ndata: ")],
    "retry": [(b"data: ", b"retry: 3000\n\ndata: ")],
    "done in other letters": [(b"[DONE]", b"[Done]")],
    "done and a blank": [(b"[DONE]", b"[DONE] ")],
    "done as JSON": [(b"data: [DONE]", b'data: "[DONE]"')],
    "done as an event": [(b"data: [DONE]", b"event: done\ndata: [DONE]")],
    "done as an empty event": [(b"data: [DONE]", b"event: done\ndata: {}")],
    "an end event": [(b"data: [DONE]", b"event: end\ndata: ")],
    "no done": [(DONE, b"")],
    "a comment for done": [(DONE, b": bye\n\n")],
    "bytes after done": [(DONE, DONE + b"\0\0")],
    "lines of JSON": [(b"data: ", b""), (b"\n\n", b"\n")],
    "frames in lines": [(b'{"choices"', b'{\ndata: "choices"')],
    "comments between": [(b"data: ", b": keep-alive\n\ndata: ")],
    "a ping event between": [(b"data: {", b'event: ping\ndata: {"type": "ping"}\n\ndata: {')],
    "blanks in JSON": [(b'"choices": ', b'"choices"  :   ')],
}
# fmt: on
