"""Who asks, how much they may, and what it cost: keys, limits, budgets and the ledger, in SQL through SQLAlchemy."""
