"""The wire: label config, brush RLE, images, HTTP. Never torch."""
