"""An in-memory Kubernetes API server, good enough for ordinary clients.

``kubectl``, the Python ``kubernetes`` client and ``lightkube`` talk to it as they would to kube-apiserver, and what is
written against it also runs against kube-apiserver. It keeps everything in memory and ends with its process.

What it leaves out: it answers in JSON only (protobuf bodies of common kinds are read, see :mod:`.protobuf`);
there is no authorization beyond the one bearer token and there are no admission webhooks; lists are never paged
(``limit`` is accepted, everything is returned); server-side apply reports no conflicts (:mod:`.apply`); a custom
resource of several versions is converted by changing its ``apiVersion`` only.
"""
