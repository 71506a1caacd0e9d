"""The op table: every fact about every op, stated once."""
