"""The room that knows LangChain, OpenAI and tiktoken."""
