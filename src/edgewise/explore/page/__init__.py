"""The page: requests answered from a session, by a server, in a notebook, or by the page itself as one file.

`bundle` holds the front end, which `web/build.mjs` of the repository makes from `web/src`.
"""
