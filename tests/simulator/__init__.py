"""An OpenAI-compatible server that misbehaves on order: the upstream of every test here."""
