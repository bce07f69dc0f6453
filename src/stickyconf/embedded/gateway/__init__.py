"""The Kong stand-in: Kong's Admin API in front of a real Envoy.

A declarative configuration arrives at ``POST /config`` (`admin`), is checked and completed (`declarative`,
`entities`), translated (`translation`, `router`) and handed to Envoy (`envoy`); only then is it answered.
The data plane, Envoy's cookie-based stateful sessions, is software that nobody here wrote.
"""
