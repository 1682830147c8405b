"""OpenAI's wire format in the variants that real servers use. Nothing here depends on LangChain."""
