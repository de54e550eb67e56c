"""The way of an HTTP request: ``site`` listens, ``api`` routes, ``auth`` finds the caller and whom they mean.

``bodies`` checks what came in, ``views`` shapes what goes out, ``problems`` maps every error to an answer.
"""
