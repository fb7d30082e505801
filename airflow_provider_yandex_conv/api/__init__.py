"""The vendor's API as values: what to send, how to read the answer, and whether it may be sent twice."""
