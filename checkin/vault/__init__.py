"""The day vault: sealed rows, one partition a service day, over an engine that never sees plaintext."""
