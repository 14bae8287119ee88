"""falconerid's REST API: `app` (Falcon on waitress) for all short calls, `hub` and `waiting` (Falcon
ASGI on uvicorn, another port of the same process) for those who wait, `serve` for starting and
stopping both. HTTP only translates: each call is one function of `falconeri.db`.
"""
