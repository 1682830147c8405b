"""Converts options that a chain bound from one provider's format to another's, for a fallback at another provider."""

from collections.abc import Mapping
from typing import Any

from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_openai.chat_models.base import BaseChatOpenAI

from service.llm.model_call import ModelCall

# named the same everywhere
PLAIN = ("temperature", "max_tokens", "stop")
# "some tool must be called": Anthropic's and Google's words for OpenAI's "required"
ANY = ("any", "required", True)
JSON = "application/json"


def in_openai_form(call: ModelCall) -> Mapping[str, Any]:
    """The call's options, whichever provider's class bound them."""
    speaks_it = call.by is None or isinstance(call.by, BaseChatOpenAI)
    return call.options if speaks_it else to_openai(call.options)


def to_openai(options: Mapping[str, Any]) -> dict[str, Any]:
    """Tools, tool choice and response format in OpenAI's format; anything it does not know is left out."""
    converted = {name: options[name] for name in PLAIN if name in options}
    tools = [tool for one in options.get("tools") or () for tool in _tools(one)]
    if tools:
        converted["tools"] = tools
        choice = _choice(options.get("tool_choice"))
        if choice is not None:
            converted["tool_choice"] = choice
    answer_format = _format(options)
    if answer_format is not None:
        converted["response_format"] = answer_format
    return converted


def to_provider(options: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """Converts from OpenAI's format, using the provider's own class."""
    converted = {name: options[name] for name in PLAIN if name in options}
    if tools := options.get("tools"):
        choice = options.get("tool_choice")
        converted |= model.bind_tools(tools, tool_choice=_name_or_word(choice)).kwargs
    schema = _schema(options.get("response_format"))
    if schema is not None:
        structured = model.with_structured_output(schema, method="json_schema").first.kwargs
        converted |= {name: value for name, value in structured.items() if not _is_tracing(name)}
    return converted


def _tools(tool: Any) -> list[dict[str, Any]]:
    """Leaves out a provider's built-in tools (its web search, say), which exist nowhere else."""
    if isinstance(tool, dict) and tool.get("type") not in (None, "function", "custom"):
        return []
    if isinstance(tool, dict) and "function_declarations" in tool:
        return [convert_to_openai_tool(one) for one in tool["function_declarations"]]
    return [convert_to_openai_tool(tool)]


def _choice(choice: Any) -> Any:
    kind = choice.get("type") if isinstance(choice, dict) else choice
    if kind == "tool":
        return {"type": "function", "function": {"name": choice["name"]}}
    if kind in ANY:
        return "required"
    if kind in (None, "auto", "none", "function"):
        return choice if kind == "function" else kind
    return {"type": "function", "function": {"name": str(kind)}}


def _name_or_word(choice: Any) -> Any:
    """The form that every class's bind_tools accepts."""
    if isinstance(choice, dict):
        return (choice.get("function") or choice).get("name")
    return "any" if choice in ANY else choice


def _format(options: Mapping[str, Any]) -> Any:
    if options.get("response_format") is not None:
        return options["response_format"]
    output_config = options.get("output_config") or {}
    schema = (output_config.get("format") or {}).get("schema")
    if options.get("response_mime_type") == JSON:
        schema = options.get("response_json_schema") or options.get("response_schema")
    if "format" in options:
        schema = options["format"]
    if schema == "json":
        return {"type": "json_object"}
    if not isinstance(schema, Mapping):
        return None
    name = str(schema.get("title") or "answer")
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(schema)}}


def _schema(response_format: Any) -> Any:
    if isinstance(response_format, Mapping):
        return (response_format.get("json_schema") or {}).get("schema")
    return response_format


def _is_tracing(name: str) -> bool:
    return name.startswith("ls_")
