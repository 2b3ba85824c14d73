"""Jobs out: the one place where Label Studio and vision meet."""
