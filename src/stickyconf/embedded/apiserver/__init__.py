"""An in-memory Kubernetes API server, good enough for ordinary clients.

``kubectl``, the Python ``kubernetes`` client and ``lightkube`` talk to it as they would to kube-apiserver, and what is
written against it also runs against kube-apiserver. It keeps everything in memory and ends with its process.

Where it knowingly does less: JSON only (no protobuf, no CBOR), no authorization beyond the one bearer token, no
admission webhooks, lists are never paged (``limit`` is accepted, everything is returned), and server-side apply records
who owns what but never reports a conflict (:mod:`.apply`).
"""
