"""falconerid's REST API.

`app` (Falcon on waitress) has all short calls, `hub` and `waiting` (Falcon ASGI on uvicorn, another
port of the same process) those that wait, `serve` starts and stops both. HTTP only translates: each
call is one function of `falconeri.db`.
"""
