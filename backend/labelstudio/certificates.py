"""A server's certificate that nobody here vouches for, and what to do then."""

TRUST_IT = "name its authority's certificate in SSL_CERT_FILE (a PEM file) where the workers run"


def is_untrusted(exc: Exception) -> bool:
    """Whether a connection failed with *exc* because of the server's certificate."""
    return "CERTIFICATE_VERIFY_FAILED" in str(exc)
