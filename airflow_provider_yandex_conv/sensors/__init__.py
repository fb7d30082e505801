"""What a DAG waits with: a sensor ends when something has come about that others see to."""
