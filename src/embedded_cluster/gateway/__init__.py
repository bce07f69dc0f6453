"""The Kong stand-in: Kong's Admin API in front of a data plane.

A declarative configuration arrives at ``POST /config`` (`admin`), is checked and completed (`declarative`,
`entities`), and handed to the data plane (`dataplane`); only then is it answered. What happens to a request is said
once (`plan`, `router`, `plugins`) for all data planes: Envoy (`envoy`, `translation`, `xds`) and HAProxy (`haproxy`,
`haproxyconfig`), whose cookie-based sessions were not written for this project, and the fallback `pythonproxy`.
"""
