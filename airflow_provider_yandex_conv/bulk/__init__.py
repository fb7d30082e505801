"""Many calls at once: a bounded window over the async client, which all of them share."""
