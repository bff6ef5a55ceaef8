# Stands before the real one, which can be loaded by the first Python of a process
# only: here every module of the manager has a Python of its own, and every module
# imports it. What would need it, passwords of the dashboard, is not there.
