"""Guards the LLM calls: admission, deadlines, retries and circuit breaking."""
