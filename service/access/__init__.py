"""API keys, limits, budgets and the ledger, stored in SQL through SQLAlchemy."""
