"""The page in Airflow's own UI that shows the conversation of a task (Airflow 3.1 and later)."""
