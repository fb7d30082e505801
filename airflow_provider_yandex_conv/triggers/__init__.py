"""What waits in Airflow's triggerer. A trigger only reads: it is run again whenever a triggerer restarts."""
