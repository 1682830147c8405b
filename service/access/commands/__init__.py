"""The operator's commands: `flask keys`, `flask usage` and `flask ledger`."""
