"""The clinicians' HTTP service of one site: login, patients, notes and chat.

Started as ``python -m reference_stack.api --settings FILE.json``; see `settings` for what it is
told, `app` for what it serves, and `database` for what happens to requests in a failover.
"""
