"""Why does nothing happen: each part of the way from a mask to predictions is looked at on its own."""
