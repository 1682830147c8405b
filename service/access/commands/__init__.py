"""`flask keys`, `flask usage`, `flask ledger`: what an operator does with keys and the ledger."""
