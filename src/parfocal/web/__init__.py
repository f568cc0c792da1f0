"""The page of a focus lock, its REST endpoints and its alarms.

The lock's own process imports `page_link`, `page_settings` and `alarms` only, which are light; NiceGUI,
FastAPI and the pictures live in a process of their own (`page_process`): no viewer can hold up the loop.
"""
