"""Files that last: durable writes, private files, small state databases."""
