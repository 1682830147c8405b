"""OpenAI's wire format as the world's servers speak it: nothing here knows LangChain."""
