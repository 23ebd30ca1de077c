//! HTTP/2 over TLS, to targets of either version.
