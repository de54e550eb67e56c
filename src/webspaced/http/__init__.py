"""The way of an HTTP request: ``site`` listens, ``api`` routes, ``auth`` finds the caller and whom they mean.

``channel`` bounds connections. ``manners`` stands before every path, on what ``about`` knows of a request:
``client_address``, ``cors``, ``limits`` and the ``access`` log. ``tickets`` let the WebSockets of browsers in, ``rights``
end what stays open; ``internal``, ``health``, ``routes`` and ``manual`` are pages beside the API.

``bodies`` checks what came in, ``views`` shapes what goes out (``pieces`` what is long), ``problems`` maps every error to
an answer.
"""
