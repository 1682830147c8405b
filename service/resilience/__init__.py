"""The room that guards the LLM calls: admission, deadlines, retries, circuit breaking."""
