"""Models and chains. The only room that uses LangChain, OpenAI's package and tiktoken."""
